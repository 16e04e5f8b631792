"""What may become a path: every field that does is of a type that refuses the rest."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from pipeline.store.manifest import FileRecord, InputRecord
from pipeline.store.names import (
    FileName,
    Fingerprint,
    RunId,
    StageName,
    Token,
    clashes,
    in_order,
    is_artifact,
    is_piece,
)


class Named(BaseModel):
    stage: StageName = "seen"
    fingerprint: Fingerprint = "f00"
    run: RunId = "20260131T120000-0a1b2c"
    data: Token = ""
    file: FileName = "a.txt"


GOOD: list[dict[str, str]] = [
    {"stage": "text_embeddings", "fingerprint": "0123456789abcdef0123456789abcdef", "data": "0a1b2c"},
    {"fingerprint": "f00-0a1b2c3d"},
    {"file": "train-000.parquet"},
    {"file": "sub/folder/x.json"},
    {"file": "Bild \u00e4.png"},
    {"file": "a..b"},
    {"file": ".hidden"},
]
OUTSIDE = [
    "..",
    ".",
    "../x",
    "/etc/x",
    "a/../b",
    "a//b",
    "a/",
    "",
    "a\\b",
    "a\0",
    "a\nb",
    "\x1b[2J",
    "\ud800",
    "\u202egnp.x",
    " a",
    "a ",
]
BAD: list[dict[str, Any]] = [
    *({"file": name} for name in OUTSIDE),
    *({key: name} for name in [*OUTSIDE[:-1], "x" * 65, "A", 5] for key in ("stage", "fingerprint", "run")),
    *({"data": name} for name in [*OUTSIDE[:6], "xyz", "0" * 33]),
    {"file": "\u00e4" * 101},
    {"file": "/".join(["abcdefgh"] * 60)},
    {"file": 5},
    {"run": "20260131T120000-0a1b2c\n"},
    {"run": "\u0662\u0660260131T120000-0a1b2c"},
]


@pytest.mark.parametrize("names", GOOD)
def test_names_of_ours_pass(names: dict[str, str]) -> None:
    assert Named(**names).model_dump().items() >= names.items()


@pytest.mark.parametrize("names", BAD, ids=repr)
def test_names_that_could_lead_elsewhere_do_not(names: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Named(**names)


def test_records_have_these_types() -> None:
    for model, values in (
        (FileRecord, {"name": "../x", "bytes": 1, "digest": "0"}),
        (FileRecord, {"name": "x", "bytes": -1, "digest": "0"}),
        (InputRecord, {"stage": "..", "part": (), "fingerprint": "f00", "digest": "0"}),
        (InputRecord, {"stage": "seen", "part": (), "fingerprint": "../f00", "digest": "0"}),
    ):
        with pytest.raises(ValidationError):
            model(**values)  # type: ignore[arg-type]


def test_pieces_lie_in_no_folder() -> None:
    assert is_piece("train-000.parquet") and not is_piece("a/b") and not is_piece("..")


def test_artifacts() -> None:
    assert is_artifact("seen", "f00") and not is_artifact(".work", "f00") and not is_artifact("seen", "f00.lock")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "b", "a/b"], ["a"]),
        (["a.txt", "A.TXT"], ["A.TXT"]),
        (["manifest.json", "Manifest.JSON"], ["Manifest.JSON"]),
        (["\u00e4", "a\u0308"], ["a\u0308"]),
        (["x/y/z", "X/y"], ["X/y"]),
        (["a", "b", "c/a", "c/b"], []),
    ],
)
def test_names_that_clash(names: list[str], expected: list[str]) -> None:
    assert clashes(names) == expected


def test_numbers_in_names_are_sorted_as_numbers() -> None:
    names = ["test-999.parquet", "train-2.parquet", "train-101.parquet", "train-1000.parquet", "train-images.parquet"]
    assert sorted(set(names), key=in_order) == names


@given(names=st.lists(st.text("0123456789abc-._/", max_size=8), max_size=6))
def test_names_whose_numbers_are_equally_long_keep_their_order_as_text(names: list[str]) -> None:
    alike = [re.sub("[0-9]+", lambda digits: digits[0].zfill(8), name) for name in names]
    assert sorted(alike, key=in_order) == sorted(alike)
