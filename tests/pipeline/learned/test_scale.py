"""The learned scale: of an artifact of an earlier version too it turns no scores around."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.learned import scale
from pipeline.store.artifact import Artifact


def test_what_is_written_is_read(tmp_path: Path, artifact: Callable[..., Artifact]) -> None:
    scale.write(tmp_path, 20.25, seen=artifact(tmp_path, "seen"))
    assert scale.read(artifact(tmp_path, "utpl")) == 20.25


@pytest.mark.parametrize("value", [-2.0, 0, float("inf"), float("nan"), "2", None])
def test_one_that_turns_scores_around_is_named_with_what_to_do(
    value: float, tmp_path: Path, artifact: Callable[..., Artifact]
) -> None:
    says = rf"^{tmp_path}: the learned scale of the cosines is {value}; it must be positive.* \(seen\.optimiser\.lr\)"
    (tmp_path / scale.FILE).write_text(json.dumps(value))
    made = artifact(tmp_path, "utpl")
    with pytest.raises(DataError, match=says):
        scale.read(made)
    with pytest.raises(DataError, match=says):
        scale.write(tmp_path, value, seen=made)
