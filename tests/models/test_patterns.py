"""Spatial patterns: they start where they are told to, are heard, and leave out what is padding."""

import torch

from models.patterns import SpatialPatterns


def patterns(count: int = 3) -> SpatialPatterns:
    torch.manual_seed(0)
    return SpatialPatterns(count=count, width=8)


def test_they_start_at_the_given_centres_and_learn() -> None:
    made, centres = patterns(), torch.randn(3, 36)
    made.start_at(centres)
    torch.testing.assert_close(made.centres.detach(), centres)
    out = made(torch.randn(2, 4, 8), torch.ones(2, 4, dtype=torch.bool))
    (out * torch.linspace(-1, 1, out.numel()).reshape(out.shape)).sum().backward()
    assert [name for name, p in made.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


@torch.no_grad()
def test_moving_a_pattern_moves_every_instance() -> None:
    made, rows, present = patterns(), torch.randn(2, 4, 8), torch.ones(2, 4, dtype=torch.bool)
    still = made(rows, present)
    made.centres[1] += 1
    assert ((made(rows, present) - still).abs().amax(dim=2) > 1e-5).all()


@torch.no_grad()
def test_padded_instances_are_not_heard() -> None:
    made, rows = patterns(), torch.randn(1, 4, 8)
    present = torch.tensor([[True, True, False, False]])
    other = rows.clone()
    other[:, 2:] += 5
    torch.testing.assert_close(made(rows, present)[:, :2], made(other, present)[:, :2])
    assert made(rows, torch.zeros(1, 4, dtype=torch.bool)).isfinite().all()


@torch.no_grad()
def test_equal_patterns_say_what_one_says() -> None:
    """Attention over equal rows is that row, however many there are."""
    one, many = patterns(1), patterns(5)
    many.load_state_dict(one.state_dict() | {"centres": one.centres.expand(5, 36)})
    rows, present = torch.randn(1, 4, 8), torch.ones(1, 4, dtype=torch.bool)
    torch.testing.assert_close(many(rows, present), one(rows, present))
