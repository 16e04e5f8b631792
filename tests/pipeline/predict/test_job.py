"""A job is refused before anything is loaded where it contradicts itself."""

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.predict.job import Job


def test_boxes_and_a_detector_are_one_too_many(tmp_path: Path) -> None:
    """The detector would be passed over without a word."""
    job = Job(
        bundle=tmp_path / "none", pictures=(), out=tmp_path / "out", boxes=Path("boxes.parquet"), detector="some/detr"
    )
    with pytest.raises(ConfigError, match=r"boxes\.parquet has the boxes already, so some/detr would not be asked"):
        job.run(lambda done, total, note: None, lambda line: None)
    assert not (tmp_path / "out").exists()
