"""Which trial comes next, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.engine.run import run
from pipeline.studies import file, order
from pipeline.studies.order import Queue, Work
from pipeline.studies.study import Study, Trial, Variant

A, B, C, D = (Trial(Variant(name), "uv", 0) for name in "abcd")


def queue(**works: tuple[str, str, bool]) -> Queue:
    """For each trial its run, its training, and whether the store has that training."""
    trials = {"a": A, "b": B, "c": C, "d": D}
    return Queue({trials[n]: Work(*w) for n, w in works.items()}, [trials[n] for n in works])


def test_those_that_share_a_training_wait_for_the_first_of_them_and_others_pass() -> None:
    waiting = queue(a=("1", "x", False), b=("2", "x", False), c=("3", "y", False))
    assert [waiting.take() for _ in range(3)] == [A, C, None]
    waiting.end(A, well=True)
    assert waiting.take() == B and waiting.take() is None and waiting.waiting == []


def test_once_the_training_is_there_the_others_go_side_by_side() -> None:
    waiting = queue(a=("1", "x", False), b=("2", "x", False), c=("3", "x", False))
    assert [waiting.take(), waiting.take()] == [A, None]
    waiting.end(A, well=True)
    assert [waiting.take(), waiting.take()] == [B, C]
    made = queue(a=("1", "x", True), b=("2", "x", True))
    assert [made.take(), made.take()] == [A, B]


def test_two_readings_of_one_run_are_one_run() -> None:
    waiting = queue(a=("1", "x", True), b=("1", "x", True))
    assert [waiting.take(), waiting.take()] == [A, None]


def test_if_the_first_fails_the_next_one_makes_the_training() -> None:
    waiting = queue(a=("1", "x", False), b=("2", "x", False), c=("3", "x", False))
    waiting.take()
    waiting.end(A, well=False)
    assert [waiting.take(), waiting.take()] == [B, None]
    waiting.put_back(B)
    assert waiting.take() == B, "it was not done, and is the next one"


def test_what_the_configurations_share(fake: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "seeds: [0, 1]\nsettings: [uv]\nvariants:\n  a:\n  b: {set: {utpl.steps: 3}}\n"
        "  c: {set: {seen.epochs: 2}}\n  d: {reading: before_utpl}\n"
    )
    study: Study = file.read(str(path), given=tuple(fake.settings))
    run(study.config(study.trials()[4]), targets=("seen",))  # the training of seed 1
    found = order.queue(study, study.trials()).works
    a, b, c, d, *later = found.values()
    assert a.training == b.training != c.training and a.run != b.run and d.run == a.run
    assert [work.trained for work in (a, b, c, d)] == [False] * 4
    assert [work.trained for work in later] == [True, True, False, True]
