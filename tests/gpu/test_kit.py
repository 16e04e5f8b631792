"""Every test of `test_gpu.py` on a CPU with the tiny CLIP, so that a GPU's first minute finds no fault in them."""

from __future__ import annotations

import math
from pathlib import Path

import kit
import pytest
import torch

from models.precision import Precision
from tests.models.conftest import ARCHITECTURE

pytestmark = pytest.mark.slow
TINY = kit.Scale("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all tests here keep their runs, so that each computes what it is about."""
    return tmp_path_factory.mktemp("kit")


@pytest.fixture(scope="module")
def made(folder: Path) -> kit.Made:
    return kit.made(TINY, folder)


def test_every_part_has_rows_and_they_make_a_table(made: kit.Made, tmp_path: Path) -> None:
    table = kit.Table("cpu")
    for measure in (kit.embedding, kit.pairs, kit.training, kit.predicting):
        rows = measure(made, tmp_path)
        assert rows and all(row.rate > 0 and math.isfinite(row.rate) for row in rows)
        assert all(0 <= row.waits < 1 for row in rows if row.waits is not None)
        assert all(row.memory is None for row in rows)
        table.rows += rows
    lines = str(table).splitlines()
    assert lines[0].startswith("On a CPU") and len({line.count("|") for line in lines[2:]}) == 1
    assert len(lines) == 4 + len(table.rows)


@pytest.mark.parametrize(("precision", "least"), [("tf32", 1 - 1e-5), ("bf16", 0.995)])
def test_reduced_precision(precision: Precision, least: float, tmp_path: Path) -> None:
    assert least <= kit.nearness(TINY, tmp_path, precision) <= 1 + 1e-5


def test_what_is_copied_arrives_as_it_was() -> None:
    assert kit.carried(TINY)


def test_a_killed_training(made: kit.Made, folder: Path) -> None:
    assert kit.resumed(TINY, folder) == (0.0, 4), "on a CPU bit by bit"


def test_two_processes(made: kit.Made, folder: Path) -> None:
    weights, losses, found = kit.in_two(TINY, folder)
    assert 0 < weights <= 1e-4 and losses <= 1e-4
    assert found.fingerprint == made.outcomes["seen"].artifact.fingerprint
    assert found.manifest.metrics["images_per_second"] > 0
    assert found.manifest.seconds.keys() >= {"data", "forward", "backward"}


def test_losses_of_bf16(made: kit.Made, folder: Path) -> None:
    exact = torch.tensor(list(made.outcomes["seen"].artifact.table("history.parquet")["loss"]))
    reduced = torch.tensor(kit.losses(TINY, folder, "seen.precision=bf16"))
    assert 0 < float(((exact - reduced) / exact).abs().max()) <= 0.05


def test_a_true_architecture_is_configured_as_published_weights_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit.open_clip, "get_model_config", lambda name: ARCHITECTURE)
    found = kit.settings(kit.Scale("cuda", "ViT-B-16-quickgelu"), tmp_path)
    assert f"clip.weights={tmp_path / 'ViT-B-16-quickgelu.safetensors'}" in found and "clip.image_size=224" in found
    assert (tmp_path / "ViT-B-16-quickgelu.safetensors").is_file() and "device=cuda" in found
