"""What a table of detections says of itself: added classes find their place by name, and unlike tables are told apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import DataError
from pipeline.metrics import table_metadata
from pipeline.metrics.table_metadata import TableMetadata
from tests.pipeline.predict.bundles import VOCABULARY


def rows(*hois: float) -> pd.DataFrame:
    return pd.DataFrame({"hoi_id": list(hois), "score": [0.5] * len(hois)})


def test_an_added_class_has_the_id_of_its_name_or_is_left_out() -> None:
    # 3 is ride horse here, and the table's own ids are others.
    added = TableMetadata(added={3: "walk dog", 20: "groom dog"})
    frame, notes = table_metadata.placed(rows(9, 3, 20, 3, 77), added, VOCABULARY, name="x.parquet")
    assert frame["hoi_id"].tolist() == [9, 8, 8, 77], "what is not said to be added stays, right or wrong"
    assert notes == [
        "classes that were added to the model and are annotated here: walk dog",
        "classes that were added to the model and that stable does not have, so nothing measures them: groom dog (1 detections "
        "are left out)",
    ]
    assert table_metadata.placed(rows(3), TableMetadata(), VOCABULARY, name="x")[0]["hoi_id"].tolist() == [3]
    assert table_metadata.placed(rows(), added, VOCABULARY, name="x")[0].empty
    largest = table_metadata.of_json({"added": [{"hoi_id": (1 << 31) - 1, "class": "walk dog"}]})
    assert table_metadata.placed(rows((1 << 31) - 1), largest, VOCABULARY, name="x")[0]["hoi_id"].tolist() == [8]
    with pytest.raises(DataError, match=r"x row 0.*3\.5"):
        table_metadata.placed(rows(3.5), added, VOCABULARY, name="x")


def test_classes_have_the_ids_of_their_names_whatever_ids_their_vocabulary_gave_them() -> None:
    # The user has put a class in front of the others since: ride horse was 0, walk dog 1, groom dog 2.
    earlier = table_metadata.of_json({"classes": {"0": "ride horse", "1": "Walk_Dog", "2": "groom dog"}})
    frame, notes = table_metadata.placed(rows(1, 0, 2, 77), earlier, VOCABULARY, name="x.parquet")
    assert frame["hoi_id"].tolist() == [8, 3, 77], "what the table does not name stays, right or wrong"
    assert notes == [
        "2 classes of the model have other ids in stable: their names tell them",
        "classes of the model that stable does not have, so nothing measures them: groom dog (1 detections are left out)",
    ]
    same = table_metadata.of_json({"classes": {"3": "ride horse", "8": "walk dog"}})
    assert table_metadata.placed(rows(3, 8), same, VOCABULARY, name="x")[1] == []
    with pytest.raises(DataError, match="stable has none of its classes, such as feed cow"):
        table_metadata.placed(rows(3), table_metadata.of_json({"classes": {"3": "feed cow"}}), VOCABULARY, name="x")


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"top": 10, "threshold": 0.1, "only": []}, "the best 10 of a picture, those with a score of 0.1 or more"),
        ({"top": None, "threshold": 0.0, "only": ["ride horse"]}, "those of ride horse"),
        ({"top": 100_000, "threshold": 0.0, "only": []}, None),
        ({"top": "10", "threshold": True, "only": [3]}, None),
    ],
)
def test_a_table_that_was_cut_says_so(about: dict[str, Any], said: str | None) -> None:
    _, notes = table_metadata.placed(rows(3), table_metadata.of_json(about), VOCABULARY, name="out/x.parquet")
    part = f"x.parquet holds a part of the interactions only ({said}), and AP counts all: predict them with "
    assert notes == ([] if said is None else [f"{part}--threshold 0 --top 100000 and without --only, in another --out"])


@pytest.mark.parametrize(
    "about",
    [
        None,
        [],
        "text",
        {"added": {"a": 1}, "classes": ["ride horse"]},
        {"classes": {"1x": "ride horse", "-1": "a", str(1 << 31): "b", "9" * 5000: "c", "3": 4}},
        {"added": [1, {"hoi_id": "3", "class": "x"}], "examples": [], "detector": 3},
        {"added": [{"hoi_id": number, "class": "walk dog"} for number in (10**20, 1 << 31, -1, True)]},
    ],
)
def test_what_is_no_record_says_nothing(about: Any) -> None:
    assert table_metadata.of_json(about) == TableMetadata()


def test_a_table_and_what_is_none(tmp_path: Path) -> None:
    about = {
        "says": "A model.",
        "added": [{"hoi_id": 5, "class": "groom dog"}],
        "adapted": "text alone",
        "transductive": False,
    }
    table = pa.Table.from_pandas(rows(5)).replace_schema_metadata({"ezhoi": json.dumps(about)})
    pq.write_table(table, tmp_path / "a.parquet")
    found = table_metadata.of_table(tmp_path / "a.parquet")
    assert found == TableMetadata(says="A model.", added={5: "groom dog"}, adapted="text alone", transductive=False)
    pq.write_table(pa.Table.from_pandas(rows(5)).replace_schema_metadata({"ezhoi": b"\xff{"}), tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_text("none")
    assert {table_metadata.of_table(tmp_path / name).says for name in ("b.parquet", "c.parquet", "d.parquet")} == {""}


def test_a_report_repeats_what_is_said_and_nothing_else() -> None:
    assert TableMetadata().as_json == {}
    found = TableMetadata(
        detector={"name": "detr"}, added={5: "groom dog"}, examples={"groom dog": 2}, transductive=False
    )
    assert found.as_json == {
        "detector": {"name": "detr"},
        "transductive": False,
        "examples": {"groom dog": 2},
        "adapted": "",
        "added": ["groom dog"],
    }


def test_unlike_tables_are_told_apart() -> None:
    detr = {"name": "detr", "digest": "a" * 32, "trained_on": "COCO"}
    one = TableMetadata(detector=detr, transductive=False)
    assert table_metadata.unlike({"a": one, "b": one, "c": TableMetadata()}) == [], "who says nothing is not accused"
    other = TableMetadata(
        detector={"name": "mine"}, examples={"ride horse": 2}, added={9: "groom dog"}, transductive=True
    )
    boxes, few, learned, more = table_metadata.unlike({"a": one, "b": other, "c": one})
    assert "a: detr, trained on COCO (aaaaaaaaaaaa); b: mine, trained on data not known; c: detr" in boxes
    assert few == "b remembers example pairs (few-shot), and a, c do not"
    assert learned == "b learned from the pictures that it predicts (transductive), and a, c do not"
    assert more == "b has classes that it was not trained with, and a, c do not"


def test_the_parts_of_a_table_say_the_same(tmp_path: Path) -> None:
    def write(name: str, *classes: str) -> None:
        about = json.dumps({"classes": {str(number): called for number, called in enumerate(classes)}}).encode()
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        table = pa.table({"hoi_id": [0]})
        pq.write_table(table.replace_schema_metadata({table_metadata.KEY: about}), tmp_path / name)

    write("d/a.parquet", "ride horse")
    write("d/split=b/b.parquet", "ride horse")
    assert table_metadata.of_table(tmp_path / "d") == table_metadata.of_table(tmp_path / "d" / "a.parquet")
    assert table_metadata.of_table(tmp_path / "d").classes == {0: "ride horse"}
    write("d/_temporary/0/left.parquet", "walk dog")
    assert table_metadata.of_table(tmp_path / "d").classes == {0: "ride horse"}, "pyarrow passes it over too"
    write("d/c.parquet", "walk dog", "ride horse")
    with pytest.raises(DataError, match=r"d: a\.parquet and c\.parquet do not say the same"):
        table_metadata.of_table(tmp_path / "d")
