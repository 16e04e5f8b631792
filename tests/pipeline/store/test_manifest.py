from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.store.manifest import NAME, FileRecord, Manifest, fingerprint

BASE: dict[str, Any] = {
    "stage": "seen",
    "version": 1,
    "config": {"seen": {"epochs": 3}, "seed": 0},
    "sources": {"clip.weights": "aa"},
    "inputs": [("annotations", "11"), ("detections", "22")],
}
CHANGES: list[dict[str, Any]] = [
    {"stage": "utpl"},
    {"version": 2},
    {"config": {"seen": {"epochs": 4}, "seed": 0}},
    {"config": {"seen": {"epochs": 3}, "seed": 1}},
    {"sources": {"clip.weights": "ab"}},
    {"sources": {}},
    {"inputs": [("annotations", "11"), ("detections", "23")]},
    {"inputs": [("annotations", "22"), ("detections", "11")]},
    {"inputs": [("annotations", "11")]},
]


def make(files: dict[str, str]) -> Manifest:
    """A manifest of files with the given digests."""
    records = tuple(FileRecord(name=n, bytes=1, digest=d) for n, d in files.items())
    empty: dict[str, Any] = {"config": {}, "sources": {}, "inputs": (), "metrics": {}, "seconds": {}, "packages": {}}
    names = {"stage": "s", "fingerprint": "f", "digest": "d", "made_at": "t", "host": "h", "device": "cpu", "code": "c"}
    git = {"git_commit": None, "git_dirty": None}
    return Manifest.model_validate({"version": 1, "seed": 0, "files": records, **empty, **names, **git})


def test_every_ingredient_counts() -> None:
    assert len({fingerprint(**BASE), *(fingerprint(**BASE | change) for change in CHANGES)}) == len(CHANGES) + 1


@given(st.permutations(BASE["inputs"]), st.permutations(list(BASE["config"].items())))
def test_order_does_not(inputs: list[tuple[str, str]], config: list[tuple[str, Any]]) -> None:
    assert fingerprint(**BASE | {"inputs": inputs, "config": dict(config)}) == fingerprint(**BASE)


def test_a_part_is_the_files_that_match() -> None:
    one = make({"train-000.parquet": "a", "test-000.parquet": "b"})
    other = make({"train-000.parquet": "a", "test-000.parquet": "c"})
    assert one.part_digest(["train-*"]) == other.part_digest(["train-*"])
    assert one.part_digest(["test-*"]) != other.part_digest(["test-*"])
    assert one.part_digest(["train-*", "test-*"]) == one.part_digest(["*"])


def test_it_survives_json() -> None:
    manifest = make({"a": "b"})
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


@pytest.mark.parametrize("names", [(NAME,), (f"{NAME}/x",), ("MANIFEST.json",), ("a.txt", "A.txt"), ("a", "a/b")])
def test_files_that_would_be_written_over_each_other_or_the_manifest_are_refused(names: tuple[str, ...]) -> None:
    """A bucket that others write to may list them, and fetching one would replace the other."""
    with pytest.raises(ValidationError, match="cannot lie beside the others"):
        make(dict.fromkeys(names, "0"))
