"""A job is refused before anything is loaded where it contradicts itself."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.config.loading import load
from pipeline.errors import ConfigError, EzhoiError
from pipeline.predict import bundle as bundles
from pipeline.predict.job import Job
from tests.pipeline.predict.bundles import bundle


def test_boxes_and_a_detector_are_one_too_many(tmp_path: Path) -> None:
    """With boxes of a file a named detector would be ignored without a message."""
    job = Job(
        bundle=tmp_path / "none", pictures=(), out=tmp_path / "out", boxes=Path("boxes.parquet"), detector="some/detr"
    )
    with pytest.raises(ConfigError, match=r"boxes\.parquet has the boxes already, so some/detr would not be asked"):
        job.run(lambda done, total, note: None, lambda line: None)
    assert not (tmp_path / "out").exists()


def test_another_adaptation_is_another_job(tmp_path: Path) -> None:
    """Else a folder that is full would be taken for its result. Where the store lies counts for nothing."""

    def adapting(*overrides: str) -> str:
        config = load(overrides=overrides, environment={})
        return Job(bundle=tmp_path / "none", pictures=(), out=tmp_path / "out", adapt=True, config=config).adapting()

    file = tmp_path / "pairs.csv"
    file.write_text("class,other,text\n")
    named = ["disparities.source=file", f"disparities.file={file}"]
    usual, of_file = adapting(), adapting(*named)
    assert usual == adapting(f"store.root={tmp_path}", "seen.epochs=3", "utpl.runtime.loaders=2")
    others = [
        adapting("utpl.steps=7"),
        adapting("seed=1"),
        adapting("seen.tau=2"),
        adapting("seen.focal.gamma=1"),
        of_file,
    ]
    assert len({usual, *others}) == 6
    file.write_text("class,other,text\nride horse,pet horse,higher\n")
    assert adapting(*named) != of_file


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({}, ["setting", "seed", "descriptions.missing", "pairing.nms", "evaluation.tau"]),
        ({"classes": Path("more.yaml")}, ["setting", "seed", "pairing.nms", "evaluation.tau"]),
        ({"classes": Path("more.yaml"), "adapt": True}, ["setting", "pairing.nms", "evaluation.tau"]),
    ],
)
def test_keys_that_no_prediction_reads_are_told(more: dict[str, Any], told: list[str], tmp_path: Path) -> None:
    bundles.write(tmp_path / "b.safetensors", bundle())
    keys = ["setting=uv", "seed=4", "pairing.nms=0.3", "evaluation.tau=9", "descriptions.missing=lexicon", "device=cpu"]
    config = load(overrides=[*keys, f"store.root={tmp_path}"], environment={})
    said: list[str] = []
    job = Job(bundle=tmp_path / "b.safetensors", pictures=(), out=tmp_path / "out", config=config, **more)
    with pytest.raises(EzhoiError):
        job.run(lambda done, total, note: None, said.append)
    assert sorted(line.partition(" = ")[0] for line in said if "changes nothing here" in line) == sorted(told)
