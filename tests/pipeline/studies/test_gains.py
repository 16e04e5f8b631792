"""Gains and their noise, by hand."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.metrics import comparison, evaluated
from pipeline.studies.gains import Gain, ImageChance


def test_the_interval_over_seeds_is_students() -> None:
    gain = Gain({0: 1.0, 1: 2.0, 2: 3.0})
    # mean 2, standard deviation 1, t of two degrees of freedom at 97.5 % is 4.302653
    assert gain.mean == 2.0 and gain.deviation == 1.0
    assert gain.trainings == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)), abs=1e-5)
    two = Gain({0: 1.0, 1: 2.0})
    # t of one degree of freedom is 12.7062, the deviation sqrt(0.5): 12.7062 * 0.7071 / 1.4142 = 6.3531
    assert two.trainings == pytest.approx((1.5 - 6.3531, 1.5 + 6.3531), abs=1e-4)
    assert Gain({0: 1.0}).deviation is None and Gain({0: 1.0}).trainings is None


@pytest.mark.parametrize(
    ("by_seed", "images", "verdict"),
    [
        ((3.0, 3.1, 2.9), (2.0, 4.0), "better"),
        ((-3.0, -3.1, -2.9), (-4.0, -2.0), "worse"),
        ((3.0, 3.1, 2.9), (-0.1, 4.0), "may be chance (images)"),
        ((3.0, -3.0, 2.9), (0.5, 4.0), "may be chance (seeds)"),
        ((3.0, -3.0, 2.9), (-0.5, 4.0), "may be chance (seeds and images)"),
        ((3.0, 3.1, 2.9), None, "better (seeds alone)"),
        ((3.0,), (1.0, 4.0), "better with this seed"),
        ((3.0,), None, "cannot be told from one seed"),
        ((3.0,), (-1.0, 4.0), "may be chance (images)"),
        ((0.0, 0.0), (0.0, 0.0), "the same"),
        ((0.0,), None, "the same"),
    ],
)
def test_verdicts(by_seed: tuple[float, ...], images: Any, verdict: str) -> None:
    gain = Gain(dict(enumerate(by_seed)), images)
    assert gain.verdict == verdict and gain.as_json()["verdict"] == verdict


class Evaluation:
    """An evaluation of a store that says how often it was opened."""

    def __init__(self, folder: Path, name: str, opened: list[str]) -> None:
        self.fingerprint, self._folder, self._opened = name, folder, opened

    def fetched(self, *names: str) -> Path:
        self._opened.append(self.fingerprint)
        return self._folder / self.fingerprint


def drawn(monkeypatch: pytest.MonkeyPatch, tables: dict[str, tuple[str, list[float]]]) -> None:
    """Each evaluation's question, and its mAP of unseen classes on each draw of images."""

    def draw(folder: Any) -> comparison.Drawn:
        question, values = tables[folder.name]
        return comparison.Drawn(question=question, groups={"unseen": np.array(values)})

    monkeypatch.setattr(evaluated, "load", lambda folder: folder)
    monkeypatch.setattr(comparison, "draw", draw)


def test_the_interval_over_images_is_of_the_mean_gain_over_seeds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []
    a0, a1, b0, b1 = (Evaluation(tmp_path, name, opened) for name in ("a0", "a1", "b0", "b1"))
    steps = [float(i) for i in range(101)]
    tables = {
        "a0": ("q", [10.0] * 101),
        "a1": ("q", [20.0] * 101),
        "b0": ("q", [10.0 + 2 * step for step in steps]),
        "b1": ("q", [20.0] * 100 + [math.nan]),
    }
    drawn(monkeypatch, tables)
    chance = ImageChance()
    pairs: Any = [(a0, b0), (a1, b1)]
    # the mean gain on draw i is (2i + 0) / 2 = i; the last draw has no pair of the group: 0, 1, ..., 99
    assert chance.intervals(pairs)["unseen"] == pytest.approx((99 * 0.025, 99 * 0.975))
    assert chance.intervals(pairs[:1])["unseen"] == pytest.approx((2 * 2.5, 2 * 97.5))
    assert sorted(opened) == ["a0", "a1", "b0", "b1"], "each is drawn once"
    later = ImageChance(known=dict(chance.known))
    assert later.intervals(pairs) == chance.intervals(pairs) and len(opened) == 4


def test_there_is_no_interval_where_images_cannot_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    a, b = (Evaluation(tmp_path, name, []) for name in "ab")
    pairs: Any = [(a, b)]
    drawn(monkeypatch, {"a": ("q", [1.0]), "b": ("another", [1.0])})
    assert ImageChance().intervals(pairs) == {}

    def no_folder(folder: Path) -> None:
        raise DataError("not the folder of an evaluation")

    monkeypatch.setattr(evaluated, "load", no_folder)
    assert ImageChance().intervals(pairs) == {} and ImageChance().intervals([]) == {}


def test_an_evaluation_is_drawn_as_a_comparison_draws_it(tmp_path: Path) -> None:
    from types import MappingProxyType

    generator = np.random.default_rng(3)
    both = []
    for name in ("a", "b"):
        hoi = np.sort(generator.integers(0, 4, 300))
        judged = SimpleNamespace(
            row=np.arange(300),
            image=generator.integers(0, 40, 300),
            hoi=hoi,
            score=generator.random(300),
            hit=generator.random(300) < 0.4,
            truth_image=np.repeat(np.arange(40), 4),
            truth_hoi=np.tile(np.arange(4), 40),
        )
        report = {
            "protocol": "official",
            "mode": "default",
            "setting": "uv",
            "counts": {"images": 40},
            "results": [{"switches": {"rule": "all_points"}}],
            "per_class": [
                {"hoi_id": i, "name": str(i), "unseen": i > 2, "rare": False, "test_pairs": 40} for i in range(4)
            ],
        }
        found: Any = evaluated.Evaluated(folder=tmp_path / name, report=MappingProxyType(report), judged=judged)  # type: ignore[arg-type]
        both.append(found)
    whole = comparison.compare(*both, resamples=1000)
    first, second = map(comparison.draw, both)
    assert first.question == second.question and set(first.groups) == set(whole["groups"])
    for group, row in whole["groups"].items():
        low, high = np.percentile(second.groups[group] - first.groups[group], [2.5, 97.5])
        assert (low, high) == pytest.approx((row["low"], row["high"]))
