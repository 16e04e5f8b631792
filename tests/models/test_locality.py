"""The locality adapter: which instance lies on which patch, by hand; the start is no adapter; patches hear their neighbours."""

import dataclasses

import pytest
import torch
from torch import Tensor

from models.instances import Instances, collate
from models.locality import GATE, WIDTH, Layout, LocalityAdapter, covering

PERSON = (0.0, 0.0, 0.75, 1.0)
CUP = (0.3, 0.3, 0.45, 0.45)
SPECK = (0.80, 0.80, 0.81, 0.81)


def found(*boxes: tuple[float, ...]) -> Instances:
    labels = torch.arange(len(boxes))
    return collate([(torch.tensor(boxes).reshape(-1, 4), torch.ones(len(boxes)), labels)])


def on(*boxes: tuple[float, ...], grid: int = 4) -> list[list[int]]:
    rows: list[list[int]] = covering(found(*boxes), grid)[0].reshape(grid, grid).tolist()
    return rows


def test_the_smallest_box_lies_on_a_patch() -> None:
    """Of a grid of four: the person on the left three columns, the cup in one patch of them, a speck in the last column."""
    assert on(PERSON, CUP, SPECK) == [
        [0, 0, 0, -1],
        [0, 1, 0, -1],
        [0, 0, 0, -1],
        [0, 0, 0, 2],
    ]


def test_a_box_that_touches_an_edge_is_not_behind_it() -> None:
    assert on((0.25, 0.0, 0.5, 0.25), grid=4) == [[-1, 0, -1, -1], *[[-1] * 4] * 3]


def test_the_order_of_boxes_does_not_matter_but_for_equal_ones() -> None:
    assert on(CUP, PERSON)[1][1] == 0 and on(PERSON, CUP)[1][1] == 1
    assert on(CUP, CUP)[1][1] == 0


def test_padding_lies_nowhere() -> None:
    whole = (0.0, 0.0, 1.0, 1.0)
    boxes = [(torch.tensor([whole, whole]), torch.ones(2), torch.tensor([0, 1]))]
    batch = collate([*boxes, (torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long))])
    padded = dataclasses.replace(batch, boxes=torch.tensor(whole).expand(2, 2, 4))
    assert (covering(padded, 3)[0] == 0).all() and (covering(padded, 3)[1] == -1).all()


def test_the_layout_has_the_row_of_what_lies_there() -> None:
    """Rows by hand: the person's, the cup's and, where nothing is, the learned one."""
    layout = Layout(width=2)
    with torch.no_grad():
        layout.nothing.copy_(torch.tensor([7.0, 8.0]))
    prior = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    rows = layout(prior, found(PERSON, CUP), 4)[0].reshape(4, 4, 2)
    assert rows[0, 0].tolist() == [1, 2] and rows[1, 1].tolist() == [3, 4] and rows[2, 3].tolist() == [7, 8]


def adapter(gate: float = GATE) -> LocalityAdapter:
    torch.manual_seed(0)
    made = LocalityAdapter(visual_width=24)
    torch.nn.init.constant_(made.gate, gate)
    return made


def moved_by(made: LocalityAdapter, x: Tensor, layout: Tensor) -> Tensor:
    """How far each token is moved, (T,)."""
    change: Tensor = (made(x, layout) - x).abs().amax(dim=(0, 2))
    return change


@torch.no_grad()
def test_at_the_start_nothing_is_moved() -> None:
    x, layout = torch.randn(2, 1 + 16 + 2, 24), torch.randn(2, 16, WIDTH)
    assert adapter()(x, layout).shape == x.shape
    assert moved_by(adapter(), x, layout).max() < 1e-6


@torch.no_grad()
def test_only_patches_are_moved() -> None:
    moved = moved_by(adapter(1.0), torch.randn(2, 1 + 16 + 2, 24), torch.randn(2, 16, WIDTH))
    assert moved[0] == 0 and (moved[17:] == 0).all() and (moved[1:17] > 0).all()


@torch.no_grad()
@pytest.mark.parametrize("what", ["token", "layout"])
def test_a_patch_hears_two_patches_far(what: str) -> None:
    """The larger kernel has five a side: from the corner of seven by seven, three by three patches hear it."""
    made, grid = adapter(1.0), 7
    x, layout = torch.randn(1, 1 + grid**2, 24), torch.randn(1, grid**2, WIDTH)
    other, told = x.clone(), layout.clone()
    (other[:, 1] if what == "token" else told[:, 0])[:] += torch.randn(24 if what == "token" else WIDTH)
    change = (made(other, told) - other) - (made(x, layout) - x)
    heard = (change[0, 1:].abs().amax(dim=1) > 1e-6).reshape(grid, grid)
    assert heard[:3, :3].all() and heard.sum() == 9


def test_everything_learns() -> None:
    made, layout = adapter(0.1), Layout()
    prior = torch.randn(1, 2, WIDTH, requires_grad=True)
    out = made(torch.randn(1, 17, 24), layout(prior, found(PERSON, CUP), 4))
    (out * torch.linspace(-1, 1, out.numel()).reshape(out.shape)).sum().backward()
    learned = [*made.named_parameters(), *layout.named_parameters(), ("prior", prior)]
    assert [name for name, p in learned if p.grad is None or not p.grad.abs().sum() > 0] == []
