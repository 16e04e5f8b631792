"""What a GPU has to show, for `make test-gpu`; `test_kit.py` runs the same on a CPU, with the tiny CLIP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import kit
import pytest
import torch

from models.precision import Precision

pytestmark = pytest.mark.gpu
MEASURED = (kit.embedding, kit.pairs, kit.training, kit.predicting)
NEAR: dict[Precision, float] = {"tf32": 0.9999, "bf16": 0.995}
"""Least cosine between an image token of fp32 and the same in another precision."""
LOSSES = 0.05
"""Largest difference of a step's loss in bf16, as a share of it."""
SAME = 1e-3
"""How far two models that were trained in two ways to compute the same may be apart, as a share of their weights."""


def scale(architecture: str) -> kit.Scale:
    return kit.Scale("cuda", architecture, train=480, test=120, batch=16, steps=20, product=8192)


@pytest.fixture(scope="module", params=kit.TRUE)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> kit.Made:
    """The whole pipeline at a true architecture, with random weights."""
    return kit.made(scale(request.param), tmp_path_factory.mktemp(request.param))


@pytest.mark.parametrize("measure", MEASURED)
def test_rates(
    made: kit.Made, measure: Callable[[kit.Made, Path], list[kit.Row]], table: kit.Table, tmp_path: Path
) -> None:
    table.rows += measure(made, tmp_path)


@pytest.mark.parametrize("precision", NEAR)
@pytest.mark.parametrize("architecture", kit.TRUE)
def test_reduced_precision_is_near(architecture: str, precision: Precision, tmp_path: Path) -> None:
    assert kit.nearness(scale(architecture), tmp_path, precision) >= NEAR[precision]


def test_what_is_copied_arrives_as_it_was() -> None:
    assert kit.carried(scale("ViT-B-16-quickgelu"))


def test_a_training_in_bf16_is_near(tmp_path: Path) -> None:
    small = kit.Scale("cuda", "ViT-B-16-quickgelu")
    exact, reduced = (torch.tensor(kit.losses(small, tmp_path, f"seen.precision={p}")) for p in ("fp32", "bf16"))
    assert float(((exact - reduced) / exact).abs().max()) <= LOSSES


def test_a_training_that_was_killed_goes_on(tmp_path: Path) -> None:
    apart, first = kit.resumed(kit.Scale("cuda", "ViT-B-16-quickgelu"), tmp_path)
    assert first == 4 and apart <= SAME


def test_two_processes_train_the_same(tmp_path: Path) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two GPUs; torch sees one")
    assert kit.in_two(kit.Scale("cuda", "ViT-B-16-quickgelu"), tmp_path)[0] <= SAME
