"""Any dataset, written in any layout, comes back exactly; and so does the real annotation."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import layout_writers as written
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.datasets.hico.layouts import detect
from pipeline.datasets.hico.layouts.detect import Labels
from pipeline.datasets.hico.rows import Rows
from pipeline.datasets.hico.tables import BOXES, Tables, continuous, pixels

DATA = Path(__file__).parents[6] / "shared" / "data" / "hico"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real annotation at {DATA}")
few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def datasets(draw: Any) -> Tables:
    """Up to five images of each split with up to five pairs each, boxes anywhere inside, edges included."""
    images, pairs = [], []
    for split in ("train", "test"):
        for number in draw(st.lists(st.integers(1, 38_152), min_size=1, max_size=5, unique=True)):
            name = f"HICO_{split}2015_{number:08d}.jpg"
            width, height = draw(st.integers(60, 640)), draw(st.integers(60, 640))
            images.append((name, width, height))

            def box(width: int = width, height: int = height) -> st.SearchStrategy[tuple[int, ...]]:
                x, y = st.integers(1, width), st.integers(1, height)
                return st.tuples(x, y, x, y).map(
                    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
                )

            of_image = st.tuples(st.just(name), st.integers(0, 599), box(), box())
            pairs += draw(st.lists(of_image, max_size=5))
    return written.canonical(images, pairs)


def read(path: Path) -> Tables:
    rows = detect.read(path)
    assert isinstance(rows, Rows)
    rows.faults.stop_if_any()
    return rows.tables()


@few
@given(datasets(), st.booleans())
def test_upt(tmp_path: Path, data: Tables, alphabetical: bool) -> None:
    for split in ("train", "test"):
        value = written.upt(data.of(split), alphabetical=alphabetical)
        if not data.of(split).pairs.empty:  # the pairs alone tell the order, or it does not matter
            del value["objects"], value["correspondence"]
        expected = written.canonical(*_plain(data.of(split)))
        written.same(read(written.as_json(tmp_path / "a.json", value)), expected)


@few
@given(datasets())
def test_hake(tmp_path: Path, data: Tables) -> None:
    path = written.as_json(tmp_path / "a.json", written.hake(data))
    written.same(read(path), written.without_sizes(data, empty_only=True))


@few
@given(datasets(), st.booleans())
def test_ppdm(tmp_path: Path, data: Tables, text: bool) -> None:
    for split, shift in (("train", 1), ("test", 0)):
        value = written.ppdm(data.of(split), shift=shift, text_categories=text)
        expected = written.without_sizes(written.canonical(*_plain(data.of(split))), empty_only=False)
        written.same(read(written.as_json(tmp_path / "a.json", value)), expected)


@few
@given(datasets())
def test_a_class_that_is_not_told_is_that_of_verb_and_object(tmp_path: Path, data: Tables) -> None:
    """As in HICO-DET-SG's test files."""
    value = written.ppdm(data.of("test"), shift=0)
    for entry in value:
        for pair in entry["hoi_annotation"][::2]:
            del pair["hoi_category_id"]
    expected = written.without_sizes(written.canonical(*_plain(data.of("test"))), empty_only=False)
    written.same(read(written.as_json(tmp_path / "a.json", value)), expected)


@few
@given(datasets())
def test_matlab(tmp_path: Path, data: Tables) -> None:
    written.matlab(tmp_path / "anno_bbox.mat", data)
    written.same(read(tmp_path / "anno_bbox.mat"), data)


@few
@given(datasets())
def test_parquet(tmp_path: Path, data: Tables) -> None:
    written.same(read(written.as_parquet(tmp_path / "p", data)), data)


@few
@given(datasets())
def test_boxes_become_continuous_and_come_back(data: Tables) -> None:
    boxes = data.pairs[BOXES]
    moved = continuous(boxes)
    assert (moved.dtypes == "float32").all()
    areas = (boxes["hx2"] - boxes["hx1"] + 1) * (boxes["hy2"] - boxes["hy1"] + 1)  # inclusive indices count pixels
    assert ((moved["hx2"] - moved["hx1"]) * (moved["hy2"] - moved["hy1"])).tolist() == areas.tolist()
    pd.testing.assert_frame_equal(pixels(moved), boxes.astype("int16"))


def head(data: Tables, count: int) -> Tables:
    """Its first images."""
    images = data.images.head(count)
    return Tables(images, data.pairs[data.pairs["image_id"].isin(images["image_id"])].reset_index(drop=True))


def _plain(data: Tables) -> tuple[list[Any], list[Any]]:
    images = list(data.images[["file_name", "width", "height"]].itertuples(index=False, name=None))
    rows = data.pairs[["file_name", "hoi_id", *BOXES]].itertuples(index=False, name=None)
    return images, [(r[0], r[1], tuple(r[2:6]), tuple(r[6:])) for r in rows]


@pytest.mark.parametrize(("shift", "split"), [(1, "train"), (0, "train"), (1, "test"), (0, "test")])
def test_a_large_ppdm_file_tells_its_shift_itself(tmp_path: Path, shift: int, split: str) -> None:
    """Whatever is documented for its split: a box at the image's edge proves a shift, a thousand without one disprove it."""
    name = f"HICO_{split}2015_00000001.jpg"
    first = 1 if shift else 2
    pairs = [(name, 0, (first, 5, 40, 60 + i), (first, 5, 50, 60 + i)) for i in range(1100)]
    data = written.canonical([(name, 640, 5000)], pairs)
    rows = detect.read(written.as_json(tmp_path / "a.json", written.ppdm(data, shift=shift)))
    assert isinstance(rows, Rows) and rows.notes == [
        f"boxes {'0-based in the file, 1 added' if shift else '1-based in the file'}"
    ]
    written.same(rows.tables(), written.without_sizes(data, empty_only=False))


@needs_data
class TestReal:
    @pytest.fixture(scope="class")
    def real(self) -> dict[str, Tables]:
        return {
            "train": read(DATA / "instances_train2015_reconstructed.json.gz"),
            "test": read(DATA / "instances_test2015.json.gz"),
        }

    def test_json_and_parquet_say_the_same(self, real: dict[str, Tables]) -> None:
        for split, pairs in (("train", 117_654), ("test", 33_405)):
            table = read(DATA / f"hico_det_{split}2015_pairs.parquet")
            written.same(table, real[split])
            assert len(table.pairs) == pairs

    def test_the_other_object_order(self, real: dict[str, Tables], tmp_path: Path) -> None:
        value = json.loads(gzip.decompress((DATA / "instances_test2015.json.gz").read_bytes()))
        other = written.upt(real["test"], alphabetical=True)
        assert [a["object"] for a in other["annotation"]] != [a["object"] for a in value["annotation"]]
        assert written.upt(real["test"]) | {"objects": 0} == value | {"objects": 0}, "the writer makes the real file"
        rows = detect.read(written.as_json(tmp_path / "a.json", other))
        assert isinstance(rows, Rows) and rows.notes == ["objects in alphabetical order"]
        written.same(rows.tables(), real["test"])

    def test_ppdm(self, real: dict[str, Tables], tmp_path: Path) -> None:
        first = head(real["test"], 2000)
        for shift in (0, 1):
            path = written.as_json(tmp_path / "a.json", written.ppdm(first, shift=shift))
            written.same(read(path), written.without_sizes(first, empty_only=False))

    def test_hake_and_matlab(self, real: dict[str, Tables], tmp_path: Path) -> None:
        first = {split: head(table, 600) for split, table in real.items()}
        path = written.as_json(tmp_path / "a.json", written.hake(first["train"]))
        written.same(read(path), first["train"])
        written.matlab(tmp_path / "anno_bbox.mat", first["test"])
        written.same(read(tmp_path / "anno_bbox.mat"), first["test"])

    def test_labels_of_whole_images(self) -> None:
        found = detect.read(DATA / "anno.mat")
        assert isinstance(found, Labels)
        assert found.presence.groupby("split").size().to_dict() == {"train": 70_373, "test": 20_268}
        assert {split: len(names) for split, names in found.lists.items()} == {"train": 38_118, "test": 9_658}

    def test_labels_give_the_known_object_lists(self) -> None:
        from pipeline.datasets.hico.vocabulary import HICO
        from pipeline.metrics.known_objects import known_object_images

        found = detect.read(DATA / "anno.mat")
        assert isinstance(found, Labels)
        presence = found.presence[found.presence["split"] == "test"]
        lists = known_object_images(presence=presence, object_of={c.hoi_id: c.object_id for c in HICO.classes})
        expected = pd.read_parquet(DATA / "hico_ko_test_images.parquet").set_index("object_coco80")["n_images"]
        sizes = {c.object_id: len(lists[c.hoi_id]) for c in HICO.classes}
        assert sizes == expected.to_dict() and expected.sum() == 9_827
