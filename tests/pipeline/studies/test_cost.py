"""What trainings cost, from the manifests of a hand-made lineage: evaluation <- predictions <- utpl <- seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_table import STUDY, filled
from safetensors.numpy import save_file

from pipeline.errors import DataError
from pipeline.studies import cost
from pipeline.studies.cost import NOTHING, Cost, Part
from pipeline.studies.study import Trial, Variant
from pipeline.studies.table import Table

TRAINED = {"read": 3.0, "compute": 0.0, "write": 1.0, "data": 0.25, "forward": 0.5, "backward": 1.25}
"""Of a stage that trained: its steps took two seconds."""
SEEN = {"steps": 900, "steps_per_second": 4.5, "trained_parameters": 1_203_457}


class Kept:
    """A store of an artifact a stage, each made from the one before it."""

    def __init__(self, folder: Path, **metrics: dict[str, Any]) -> None:
        self.folder, self.artifacts, before = folder, {}, None
        for stage in ("seen", "utpl", "predictions", "evaluation"):
            inputs = () if before is None else (SimpleNamespace(stage=before, fingerprint=f"of-{before}"),)
            manifest = SimpleNamespace(metrics=metrics.get(stage, {}), seconds=TRAINED, inputs=inputs)
            self.artifacts[stage] = SimpleNamespace(manifest=manifest, path=self._path)
            before = stage

    def _path(self, name: str) -> Path:
        if not (self.folder / name).exists():
            raise DataError(f"{name}: missing")
        return self.folder / name

    def get(self, stage: str, fingerprint: str) -> Any:
        assert fingerprint == f"of-{stage}"
        return self.artifacts.get(stage)

    def cost(self) -> Cost:
        return cost.cost(self.artifacts["evaluation"], self)  # type: ignore[arg-type]


def test_steps_count_since_the_first_and_utpl_by_what_its_file_holds(tmp_path: Path) -> None:
    save_file(
        {"own": np.zeros((8, 3, 2, 5), np.float32), "bias": np.zeros(7, np.float16)}, tmp_path / "model.safetensors"
    )
    # 900 steps at 4.5 a second, whatever the execution that finished them took; 8 x 3 x 2 x 5 + 7 numbers
    assert Kept(tmp_path, seen=SEEN).cost() == Cost(Part(1_203_457, 200.0), Part(247, 2.0))


def test_a_head_counts_its_own_and_one_without_training_nothing(tmp_path: Path) -> None:
    store = Kept(tmp_path, seen=SEEN, utpl={"trained_parameters": 99})
    assert store.cost().own == Part(99, 2.0)
    memory = Kept(tmp_path, seen=SEEN, utpl={"trained_parameters": 0})
    assert memory.cost() == Cost(NOTHING, NOTHING), "it reads nothing that was trained"


def test_unseen_classes_of_a_joint_training_are_counted_in_it(tmp_path: Path) -> None:
    store = Kept(tmp_path, seen=SEEN, utpl={"unseen_classes": 18})
    store.artifacts["utpl"].manifest.seconds = {"read": 3.0, "compute": 1.0, "write": 0.0}
    assert store.cost() == Cost(Part(1_203_457, 200.0), NOTHING)


@pytest.mark.parametrize("utpl", [{"trained_parameters": 7}, {"align_first": 0.2, "align_last": 0.1}])
def test_seconds_are_unknown_of_a_training_that_was_stopped_behind_its_last_step(
    tmp_path: Path, utpl: dict[str, float]
) -> None:
    save_file({"own": np.zeros(7, np.float32)}, tmp_path / "model.safetensors")
    store = Kept(tmp_path, seen=SEEN, utpl=utpl)
    store.artifacts["utpl"].manifest.seconds = {"read": 3.0, "compute": 1.0, "write": 0.0}
    assert store.cost().own == Part(7, None)


def test_what_is_not_told_stays_unknown(tmp_path: Path) -> None:
    imported = Kept(tmp_path, seen={"steps": 0, "phrases": 9}, utpl={"trained_parameters": 99})
    assert imported.cost().seen == Part(None, None)
    assert Kept(tmp_path, seen=SEEN).cost() == Cost(), "its file is gone"
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    assert Kept(tmp_path, seen=SEEN).cost() == Cost(), "its file is damaged"
    gone = Kept(tmp_path, utpl={"trained_parameters": 99})
    del gone.artifacts["seen"]
    assert gone.cost() == Cost(Part(), Part(99, 2.0))


COST = Cost(Part(1_000_000, 200.0), Part(500, 2.5))


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        ("after_utpl", COST),
        ("before_utpl", replace(COST, own=NOTHING)),
        ("memory", Cost(NOTHING, NOTHING)),
        ("untrained", Cost(NOTHING, NOTHING)),
        ("detector_only", Cost(NOTHING, NOTHING)),
    ],
)
def test_a_reading_counts_what_lies_behind_it(reading: Any, expected: Cost) -> None:
    assert COST.of(reading) == expected


def test_means_are_unknown_where_one_is() -> None:
    other = Cost(Part(1_000_000, 100.0), Part(600, None))
    assert cost.mean([COST, other]) == Cost(Part(1_000_000, 150.0), Part(550, None)) and cost.mean([]) == Cost()
    assert cost.cells(cost.mean([COST, other])) == ["1,000,000 + 550", "150 + ?"]
    assert cost.as_json(COST)["trained_parameters"] == 1_000_500 and cost.as_json(other)["training_seconds"] is None


def test_the_table_has_them_in_every_form() -> None:
    table = filled()
    for variant in STUDY.variants:
        for seed, seconds in ((0, 100.0), (1, 200.0), (2, 300.0)):
            spent = replace(COST, seen=Part(1_000_000, seconds))
            table.add(Trial(variant, "uv", seed), table.found[Trial(variant, "uv", seed)], spent)
    assert "| runs | trained parameters | training seconds |" in table.as_markdown()
    assert "| 3 | 1,000,000 + 500 | 200 + 2.5 |" in table.as_markdown() and cost.EXPLAINED in table.as_markdown()
    assert "1,000,000 + 500         200 + 2.5" in table.as_text()
    row = table.rows()[0]
    assert (row["trained_parameters"], row["training_seconds"], row["training_seconds_own"]) == (1_000_500, 202.5, 2.5)
    last = table.as_json()["settings"]["uv"][1]
    assert last["cost"]["training_seconds_seen"] == 200.0 and last["runs"]["2"]["cost"]["training_seconds"] == 302.5


def test_nothing_is_said_of_what_has_not_run() -> None:
    assert "| 0 | – | – |" in Table(STUDY).as_markdown() and cost.EXPLAINED not in Table(STUDY).as_markdown()
    assert cost.cells(Cost()) == ["? + ?", "? + ?"] and Variant("a").reading == "after_utpl"
