"""A stage on a machine that did not make its inputs: what is not in its cache comes from the object store."""

import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
from small_demo import small

from pipeline.engine import run
from pipeline.store.opening import store_of

FEW = ("data.world.train_images=12", "data.world.test_images=12", "seen.epochs=1", "utpl.steps=1")


@pytest.mark.slow
def test_evaluation_where_nothing_or_some_of_it_is_in_the_cache(gate: Any, tmp_path: Path) -> None:
    """Some of it: the machine computed a stage before, for which it needed images and pairs."""
    gate.closed = False
    url = f"s3://bucket/{uuid.uuid4().hex[:8]}"

    def config(cache: str) -> Any:
        return small(Path("unused"), *FEW, f"store.root={url}", f"store.cache={tmp_path / cache}")

    here = run.run(config("here"))
    expected = here["evaluation"].artifact.json("report.json")
    for cache, known in (("empty", ()), ("some", ("test-images.parquet", "test-pairs.parquet"))):
        store = store_of(config(cache))
        for name in known:
            store.find("annotations").path(name)
        store.remove(here["evaluation"].artifact)
        there = run.run(config(cache))
        assert [name for name, outcome in there.items() if not outcome.hit] == ["evaluation"]
        assert there["evaluation"].artifact.json("report.json") == expected
        assert there["evaluation"].artifact.digest == here["evaluation"].artifact.digest
        shutil.rmtree(tmp_path / cache)
