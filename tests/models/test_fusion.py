"""Inter-HOI fusion: Eq. 11 by hand, who sees whom, and what the block's LayerNorm does to the length of what is added."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from models.fusion import InterBlock, InterFusion

WIDTH, PAIRS = 12, torch.tensor([0, 0, 0, 2, 2, 3])  # of four images, the second without a pair


def made(kind: type[InterFusion] | type[InterBlock]) -> InterFusion | InterBlock:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fusion = kind(joint_width=WIDTH, bottleneck=8, heads=2)
        for name, parameter in fusion.named_parameters():
            if "up." in name:
                nn.init.normal_(parameter, std=0.3)
    return fusion.eval()


def features(scale: float = 1.0) -> Tensor:
    return scale * torch.randn(len(PAIRS), WIDTH, generator=torch.Generator().manual_seed(1))


def test_eq_11_by_hand() -> None:
    fusion, f = made(InterFusion), features()
    assert isinstance(fusion, InterFusion)
    expected = []
    for image in range(4):
        rows = f[image == PAIRS]
        narrow = rows @ fusion.down.weight.T + fusion.down.bias
        q, k, v = (narrow @ fusion.attention.in_proj_weight.T + fusion.attention.in_proj_bias).chunk(3, dim=1)
        heads = []
        for part in (slice(0, 4), slice(4, 8)):
            weights = (q[:, part] @ k[:, part].T / 2.0).softmax(dim=1)
            heads.append(weights @ v[:, part])
        found = fusion.attention.out_proj(torch.cat(heads, dim=1))
        expected.append(rows + fusion.up(found))
    torch.testing.assert_close(fusion(f, PAIRS, 4), torch.cat(expected))


@pytest.mark.parametrize("kind", [InterFusion, InterBlock])
def test_it_starts_as_no_fusion_and_pairs_see_those_of_their_image_alone(
    kind: type[InterFusion] | type[InterBlock],
) -> None:
    f = features()
    assert torch.equal(kind(joint_width=WIDTH, bottleneck=8, heads=2)(f, PAIRS, 4), f)
    fusion, other = made(kind), f.clone()
    other[0] += 1
    moved = (fusion(other, PAIRS, 4) - fusion(f, PAIRS, 4)).abs().amax(dim=1)
    assert (moved[:3] > 1e-5).all() and not moved[3:].any()
    alone = fusion(f[:3], PAIRS[:3], 1)
    torch.testing.assert_close(alone, fusion(f, PAIRS, 4)[:3], msg="padding of the batch is heard")
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(fusion(f[order], PAIRS[:3], 1), alone[order], msg="the order of pairs is heard")
    assert fusion(f[:0], PAIRS[:0], 2).shape == (0, WIDTH)


def test_a_block_adds_as_much_to_short_features_as_to_long_ones_and_eq_11_does_not() -> None:
    def added(fusion: InterFusion | InterBlock, scale: float) -> float:
        f = features(scale)
        none = fusion(torch.zeros_like(f), PAIRS, 4)  # biases alone
        return float((fusion(f, PAIRS, 4) - f - none).norm(dim=1).mean().detach())

    plain, block = made(InterFusion), made(InterBlock)
    assert added(plain, 100.0) / added(plain, 10.0) == pytest.approx(10, rel=0.5)
    assert added(block, 100.0) / added(block, 10.0) == pytest.approx(1, rel=0.2)
