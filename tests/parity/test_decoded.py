"""The smallest demo makes what it made before, on any machine: whole numbers and texts exactly, floats to 1e-5."""

import json
from pathlib import Path
from typing import Any

import decoded
import numpy as np
import pytest
from shared_demo import Copied
from small_demo import small

from pipeline.engine import run

CLOSE = 1e-5
ADVICE = "if this was meant, python tests/parity/decoded.py rebuilds the reference"


def differences(found: Any, kept: Any, where: str) -> list[str]:
    """Every place at which two decoded artifacts differ by more than rounding."""
    if isinstance(found, dict) and isinstance(kept, dict):
        lacking = [f"{where}{name}: only on one side" for name in sorted(found.keys() ^ kept.keys())]
        both = sorted(found.keys() & kept.keys())
        return lacking + [line for name in both for line in differences(found[name], kept[name], f"{where}{name} ")]
    if isinstance(found, list) and isinstance(kept, list) and len(found) == len(kept):
        return [
            line for i, pair in enumerate(zip(found, kept, strict=True)) for line in differences(*pair, f"{where}{i} ")
        ]
    if isinstance(found, float) and isinstance(kept, int | float):
        return [] if np.isclose(found, kept, rtol=CLOSE, atol=CLOSE) else [f"{where}: {found} instead of {kept}"]
    return [] if found == kept else [f"{where}: {found!r} instead of {kept!r}"]


@pytest.mark.slow
def test_the_smallest_demo_makes_what_it_made(demo: Copied, tmp_path: Path) -> None:
    outcomes = run.run(small(demo(tmp_path)))
    found = decoded.decoded({stage: outcome.artifact for stage, outcome in outcomes.items()})
    kept = json.loads(decoded.REFERENCE.read_text(encoding="utf-8"))
    changed = differences(found, kept, "")
    assert not changed, "\n".join([*changed[:20], f"{len(changed)} in all; {ADVICE}"])
    assert len(kept["seen"]) > 10 and "metrics" in kept["evaluation"]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"a": {"count": 3, "values": [1.0, 2.0002]}}, "a values 1 : 2.0002 instead of 2.0"),
        ({"a": {"count": 4, "values": [1.0, 2.0]}}, "a count : 4 instead of 3"),
        ({"a": {"count": 3, "values": [1.0]}}, "a values : [1.0] instead of [1.0, 2.0]"),
        ({"b": 1, "a": {"count": 3, "values": [1.0, 2.0]}}, "b: only on one side"),
        ({"a": {"count": 3, "values": [1.000001, 2.0]}}, None),
    ],
)
def test_a_difference_is_named_and_rounding_is_none(change: dict[str, Any], line: str | None) -> None:
    kept = {"a": {"count": 3, "values": [1.0, 2.0]}}
    assert differences(change, kept, "") == ([] if line is None else [line])
