"""Annotations: every layout gives the same pairs, splits and lists of images are told apart, faults are named."""

import json
import uuid
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from split_tables import one_a_split

from pipeline.datasets.hico.vocabulary import HICO as HICO_DET
from pipeline.errors import DataError, StoreError
from pipeline.metrics import annotations
from pipeline.metrics.groups import groups_of_table
from pipeline.store.remote.remote import RemoteStore

BOXES = ["hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]
HICO = Path(__file__).parents[4] / "shared" / "data" / "hico"
NAMES = [f"HICO_test2015_{n:08d}.jpg" for n in (1, 2, 3)]


def table(**more):
    """Three pairs in two images; boxes continuous floats."""
    rows = pd.DataFrame([[0.0, 0, 9, 9, 4, 4, 8, 8]] * 3, columns=BOXES)
    return rows.assign(file_name=[NAMES[1], NAMES[0], NAMES[1]], hoi_id=[0, 1, 599], **more)


def save(path: Path, frame: pd.DataFrame, **metadata: str) -> Path:
    pq.write_table(pa.Table.from_pandas(frame).replace_schema_metadata(metadata), path)
    return path


def test_a_table_alone(tmp_path):
    found = annotations.read(save(tmp_path / "a.parquet", table()))
    assert found.images["file_name"].tolist() == [NAMES[1], NAMES[0]] and not found.complete
    assert found.pairs.image.tolist() == [0, 1, 0] and found.pairs.hoi.tolist() == [0, 1, 599]
    assert found.pairs.human[0].tolist() == [0, 0, 9, 9]
    assert found.groups.hico and len(found.groups.classes) == 600 and found.notes == ()


@pytest.mark.parametrize(
    ("metadata", "dtype", "given", "corner", "noted"),
    [
        ({}, "float64", None, 0, False),
        ({}, "int16", None, -1, True),
        ({}, "int16", "continuous", 0, False),
        ({"box_convention": "pixel1_inclusive"}, "float64", None, -1, False),
        ({"box_convention": "continuous"}, "int16", None, 0, False),
        ({"box_convention": "continuous"}, "int16", "pixel1_inclusive", -1, False),
    ],
)
def test_conventions_of_boxes(tmp_path, metadata, dtype, given, corner, noted):
    path = save(tmp_path / "a.parquet", table().astype(dict.fromkeys(BOXES, dtype)), **metadata)
    found = annotations.read(path, convention=given)
    assert found.pairs.human[0].tolist() == [corner, corner, 9, 9]
    assert found.pairs.object[0].tolist() == [4 + corner, 4 + corner, 8, 8]
    assert bool(found.notes) is noted


def test_splits_and_the_list_of_images(tmp_path):
    pairs = save(tmp_path / "pairs.parquet", table(split=["test2015", "test2015", "train2015"]))
    images = pd.DataFrame({"file_name": [*NAMES, "HICO_train2015_00000001.jpg"], "split": ["test"] * 3 + ["train"]})
    images.to_parquet(tmp_path / "all.parquet")
    found = annotations.read(pairs, images=tmp_path / "all.parquet")
    assert found.complete and found.images["file_name"].tolist() == NAMES and len(found.pairs) == 2
    assert found.elsewhere == {"HICO_train2015_00000001.jpg"}
    with pytest.raises(DataError, match="no row of split 'val'; splits are test2015, train2015"):
        annotations.read(pairs, split="val")


def test_a_folder_tells_its_classes_and_who_is_unseen(tmp_path):
    frame = table().drop(columns="file_name").assign(image_id=[7, 5, 7], hoi_id=[3, 4, 3])
    frame.to_parquet(tmp_path / "pairs.parquet")
    pd.DataFrame({"image_id": [5, 6, 7], "file_name": list("abc")}).to_parquet(tmp_path / "images.parquet")
    classes = pd.DataFrame({"hoi_id": [3, 4], "train_count": [9, 10], "uo": [True, False]})
    classes.to_parquet(tmp_path / "classes.parquet")
    pd.DataFrame({"image_id": [5, 6], "split": "test", "hoi_id": [4, 3]}).to_parquet(tmp_path / "presence.parquet")
    found = annotations.read(tmp_path)
    assert found.pairs.image.tolist() == [2, 0, 2]
    assert found.groups.classes == (3, 4) and not found.groups.hico
    assert found.groups.unseen == {"default": frozenset(), "uo": {3}} and found.groups.rare == {3}
    assert found.presence["image_id"].tolist() == [0, 1] and found.presence_says == "labels of whole images"


def test_folds_are_numbered_and_rows_without_a_split_are_of_none(tmp_path):
    folds = save(tmp_path / "folds.parquet", table(split=[0, 1, 1]))
    assert [len(annotations.read(folds, split=fold).pairs) for fold in ("0", "1")] == [1, 2]
    some = save(tmp_path / "some.parquet", table(split=["test", None, "train"]))
    blank = save(tmp_path / "blank.parquet", table(split=["test", "", "train"]))
    for file in (some, blank):
        assert [len(annotations.read(file, split=split).pairs) for split in ("test", "train")] == [1, 1]
    with pytest.raises(DataError, match=r"row 1: split is 0\.5"):
        annotations.read(save(tmp_path / "half.parquet", table(split=[1.0, 0.5, 0.5])), split="1")


def test_a_folder_of_one_table_a_split_tells_the_same(tmp_path):
    """As one of the layout before, whose tables hold both splits."""
    pairs = (
        table(split=["test", "train", "test"]).drop(columns="file_name").assign(image_id=[7, 5, 6], hoi_id=[3, 4, 4])
    )
    images = pd.DataFrame({"image_id": [5, 6, 7], "file_name": list("abc"), "split": ["train", "test", "test"]})
    presence = pd.DataFrame({"image_id": [5, 6], "split": ["train", "test"], "hoi_id": [4, 3]})
    classes = pd.DataFrame({"hoi_id": [3, 4], "train_count": [9, 10], "uo": [True, False]})
    whole = {"pairs": pairs, "images": images, "presence": presence}
    for name, tables in (("old", whole), ("new", one_a_split(**whole))):
        (tmp_path / name).mkdir()
        for file, frame in (tables | {"classes": classes}).items():
            frame.to_parquet(tmp_path / name / f"{file}.parquet")
    for split, place, hoi, elsewhere in (("test", [1, 0], [3, 4], {"a", 5}), ("train", [0], [4], {"b", "c", 6, 7})):
        for name in ("old", "new"):
            found = annotations.read(tmp_path / name, split=split)
            assert found.pairs.image.tolist() == place and found.pairs.hoi.tolist() == hoi and found.complete
            assert found.elsewhere == elsewhere and found.groups.unseen["uo"] == {3}
            assert found.labels.to_numpy().tolist() == [[0, 3 if split == "test" else 4]]
    with pytest.raises(DataError, match=r"new: has no val-pairs\.parquet and no pairs\.parquet, only test-pairs\.par"):
        annotations.read(tmp_path / "new", split="val")
    with pytest.raises(DataError, match="no row of split 'val'; splits are test, train"):
        annotations.read(tmp_path / "old", split="val")


def test_pairs_of_another_splits_images_are_left_out_where_the_list_alone_tells(tmp_path):
    table().to_parquet(tmp_path / "pairs.parquet")
    pd.DataFrame({"file_name": NAMES, "split": ["test", "train", "test"]}).to_parquet(tmp_path / "images.parquet")
    found = annotations.read(tmp_path)
    assert found.pairs.image.tolist() == [0] and found.pairs.hoi.tolist() == [1]
    (tmp_path / "new").mkdir()
    table().to_parquet(tmp_path / "new" / "test-pairs.parquet")
    for split, names in (("test", NAMES[:1]), ("train", NAMES[1:])):
        pd.DataFrame({"file_name": names}).to_parquet(tmp_path / "new" / f"{split}-images.parquet")
    with pytest.raises(DataError, match=f"image '{NAMES[1]}' is not in the list of images"):  # who says test means it
        annotations.read(tmp_path / "new")


def test_who_is_rare_is_the_datasets_word(tmp_path):
    """HICO-DET's official list, say, where a part of the dataset has fewer pairs of every class."""
    table().assign(hoi_id=[3, 4, 3]).to_parquet(tmp_path / "pairs.parquet")
    classes = pd.DataFrame({"hoi_id": [3, 4], "train_count": [2, 12], "rare": [False, True]})
    classes.to_parquet(tmp_path / "classes.parquet")
    assert annotations.read(tmp_path).groups.rare == {4}


@pytest.mark.parametrize(("column", "value"), [("hoi_id", 2**31 - 1), ("verb_id", 10**9), ("object_id", -1)])
def test_an_id_that_no_class_can_have_is_an_error_that_names_its_row(tmp_path, column, value):
    """Columns as long as the largest id would take gigabytes."""
    table().assign(hoi_id=[3, 3, 3]).to_parquet(tmp_path / "pairs.parquet")
    row = {"hoi_id": 3, "verb_id": 0, "object_id": 1, "verb": "ride", "verb_ing": "riding", "object": "horse"}
    classes = pd.DataFrame([row | {"phrase": "x", "train_count": 1}]).assign(**{column: value})
    classes.to_parquet(tmp_path / "classes.parquet")
    with pytest.raises(DataError, match=rf"classes.parquet row 0: {column} is {value}; .* from 0 to 1,000,000"):
        annotations.read(tmp_path)


@pytest.fixture
def stored(gate, tmp_path, publish):
    """Annotations in an object store, whose labels of whole images say more than their pairs; and its address."""
    gate.closed = False
    url = f"s3://bucket/{uuid.uuid4().hex[:8]}"
    frame = table().drop(columns="file_name").assign(image_id=[7, 5, 7], hoi_id=[3, 4, 3])
    tables = {
        "test-pairs": frame,
        "test-images": pd.DataFrame({"image_id": [5, 6, 7], "file_name": list("abc")}),
        "train-images": pd.DataFrame({"image_id": [8], "file_name": ["d"]}),
        "classes": pd.DataFrame({"hoi_id": [3, 4], "train_count": [9, 10], "rare": [True, False]}),
        "test-presence": pd.DataFrame({"image_id": [5, 6], "hoi_id": [4, 3]}),
    }
    files = {f"{name}.parquet": content for name, content in tables.items()}
    publish(RemoteStore(url, cache=tmp_path / "one"), "annotations", "f00", files)
    return url


@pytest.mark.parametrize("there", [(), ("test-images.parquet", "test-pairs.parquet")], ids=["empty", "some files"])
def test_another_machine_sees_the_same_truth(stored, tmp_path, there):
    """Its cache is empty, or has what the stages before needed: the labels of whole images were read by none of them."""
    cache = tmp_path / "two"
    earlier = RemoteStore(stored, cache=cache).get("annotations", "f00")
    for name in there:
        earlier.path(name)
    found = annotations.of_artifact(RemoteStore(stored, cache=cache).get("annotations", "f00"))
    assert found.pairs.image.tolist() == [2, 0, 2] and found.groups.rare == {3}
    assert found.presence["image_id"].tolist() == [0, 1] and found.presence_says == "labels of whole images"
    assert found.elsewhere == {"d", 8}


def test_without_the_others_nothing_of_another_split_is_read(stored, tmp_path):
    store = RemoteStore(stored, cache=tmp_path / "two")
    store.objects.delete([n for n in store.objects.names("annotations") if "train" in n])
    assert annotations.of_artifact(store.get("annotations", "f00"), others=False).elsewhere == frozenset()
    with pytest.raises(StoreError, match=r"train-images\.parquet: missing"):
        annotations.of_artifact(store.get("annotations", "f00"))


def test_labels_that_are_gone_are_no_other_labels(stored, tmp_path):
    store = RemoteStore(stored, cache=tmp_path / "two")
    store.objects.delete([n for n in store.objects.names("annotations") if n.endswith("presence.parquet")])
    with pytest.raises(StoreError, match=r"presence\.parquet: missing"):
        annotations.of_artifact(store.get("annotations", "f00"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hoi_id": [0, 600, 1]}, "a.parquet row 1, hoi_id 600: unknown class"),
        ({"hx2": [9.0, 9, -1]}, r"a.parquet row 2, hoi_id 599: human box \[0.0, 0.0, -1.0, 9.0\]"),
        ({"oy2": [9.0, np.nan, 9]}, "row 1, hoi_id 1: object box"),
    ],
)
def test_faulty_rows_are_named(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        annotations.read(save(tmp_path / "a.parquet", table().assign(**change)))


def test_other_faults(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        annotations.read(tmp_path / "none.parquet")
    with pytest.raises(DataError, match="no column file_name or image_id"):
        annotations.read(save(tmp_path / "a.parquet", table().drop(columns="file_name")))
    with pytest.raises(DataError, match="no column hx1"):
        annotations.read(save(tmp_path / "a.parquet", table().drop(columns="hx1")))
    with pytest.raises(DataError, match="box_convention 'yards' is not known"):
        annotations.read(save(tmp_path / "a.parquet", table(), box_convention="yards"))
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"b.parquet: cannot be read as Parquet"):
        annotations.read(tmp_path / "b.parquet")
    images = save(tmp_path / "i.parquet", pd.DataFrame({"file_name": NAMES[:1]}))
    with pytest.raises(DataError, match=r"row 0: image 'HICO_test2015_00000002.jpg' is not in the list"):
        annotations.read(save(tmp_path / "a.parquet", table()), images=images)
    (tmp_path / "c.json").write_text(json.dumps({"annotation": [], "filenames": ["x"]}))
    with pytest.raises(DataError, match=r"c.json"):
        annotations.read(tmp_path / "c.json")


@pytest.mark.skipif(not HICO.is_dir(), reason=f"no reference annotations under {HICO}")
def test_layouts_of_the_real_annotation_agree():
    table = annotations.read(HICO / "hico_det_test2015_pairs.parquet", images=HICO / "hico_det_images.parquet")
    upt = annotations.read(HICO / "instances_test2015.json.gz")
    assert table.complete and upt.complete
    assert table.images["file_name"].tolist() == upt.images["file_name"].tolist()
    key = [
        np.sort(np.column_stack([p.image, p.hoi, p.human, p.object]).view("f8,f8" + ",f8" * 8), axis=0)
        for p in (table.pairs, upt.pairs)
    ]
    np.testing.assert_array_equal(*key)


@pytest.mark.parametrize("index", ["file_name", "hoi_id", ["hoi_id", "hx1"]], ids=str)
def test_a_column_kept_as_index_is_read(tmp_path, index):
    table().set_index(index).to_parquet(tmp_path / "a.parquet")
    found, plain = annotations.read(tmp_path / "a.parquet"), annotations.read(save(tmp_path / "b.parquet", table()))
    assert found.pairs.hoi.tolist() == plain.pairs.hoi.tolist()
    assert found.images["file_name"].tolist() == plain.images["file_name"].tolist()
    pd.DataFrame({"file_name": NAMES, "split": "test"}).set_index("file_name").to_parquet(tmp_path / "i.parquet")
    assert annotations.read(tmp_path / "a.parquet", images=tmp_path / "i.parquet").complete


@pytest.mark.parametrize("values", [[0, 1.5, 2], [0, True, 2], [0, None, 2], ["0", "1.5", "2"]], ids=str)
def test_what_is_no_whole_number_is_named(tmp_path, values):
    texts = isinstance(values[0], str)
    typed = pd.Series(values, dtype=object) if texts else pd.Series(values, dtype="float64")
    numbers = pd.Series([True, False, True]) if values[1] is True else typed
    row = 0 if values[1] is True else 1
    for column in ("hoi_id",) if texts else ("hoi_id", "image_id"):  # a text may be an image's id as it stands
        frame = table().drop(columns="file_name").assign(image_id=[1, 2, 1]).assign(**{column: numbers})
        with pytest.raises(DataError, match=rf"a\.parquet row {row}: {column} is .*, a whole number is needed"):
            annotations.read(save(tmp_path / "a.parquet", frame))


def test_numbers_of_any_type_are_read(tmp_path):
    plain = annotations.read(save(tmp_path / "a.parquet", table()))
    for kind in (str, "category", "Int64", "Float64"):
        frame = table().assign(hoi_id=table()["hoi_id"].astype(kind))
        assert annotations.read(save(tmp_path / "b.parquet", frame)).pairs.hoi.tolist() == plain.pairs.hoi.tolist()


def test_pairs_and_the_list_of_images_may_write_folders_otherwise(tmp_path):
    pairs = save(tmp_path / "pairs.parquet", table())
    pd.DataFrame({"file_name": [f"images/test2015/{n}" for n in NAMES]}).to_parquet(tmp_path / "all.parquet")
    found = annotations.read(pairs, images=tmp_path / "all.parquet")
    assert found.complete and found.pairs.image.tolist() == [1, 0, 1]
    pd.DataFrame({"file_name": [f"{f}/{NAMES[0]}" for f in "ab"]}).to_parquet(tmp_path / "all.parquet")
    with pytest.raises(DataError, match=rf"'{NAMES[0]}' may be 'a/{NAMES[0]}' or 'b/{NAMES[0]}'"):
        annotations.read(save(tmp_path / "p.parquet", table().iloc[1:2]), images=tmp_path / "all.parquet")


def test_an_id_that_the_list_of_images_has_twice_is_named(tmp_path):
    pairs = save(tmp_path / "pairs.parquet", table().drop(columns="file_name").assign(image_id=[5, 6, 5]))
    pd.DataFrame({"file_name": NAMES, "image_id": [5, 6, 5]}).to_parquet(tmp_path / "all.parquet")
    with pytest.raises(DataError, match="the list of images has the image_id 5 twice"):
        annotations.read(pairs, images=tmp_path / "all.parquet")


def test_sizes_of_images_are_kept_where_they_are_told(tmp_path):
    pairs = save(tmp_path / "pairs.parquet", table())
    pd.DataFrame({"file_name": NAMES, "width": [64, 0, 32], "height": 48}).to_parquet(tmp_path / "all.parquet")
    found = annotations.read(pairs, images=tmp_path / "all.parquet")
    assert found.images[["width", "height"]].to_numpy().tolist() == [[64, 48], [0, 48], [32, 48]]


def test_pairs_of_all_splits_are_parted_though_folders_are_written_otherwise(tmp_path):
    train = "HICO_train2015_00000001.jpg"
    pairs = table().assign(file_name=[NAMES[1], train, NAMES[0]])
    images = {"file_name": [f"images/{n}" for n in (*NAMES, train)], "split": ["test"] * 3 + ["train"]}
    pd.DataFrame(images).to_parquet(tmp_path / "all.parquet")
    found = annotations.read(save(tmp_path / "pairs.parquet", pairs), images=tmp_path / "all.parquet")
    assert found.pairs.image.tolist() == [1, 0] and found.pairs.hoi.tolist() == [0, 599]


def test_annotated_boxes_in_fractions_and_of_resized_images_are_errors(tmp_path):
    boxes = {name: [value] for name, value in zip(BOXES, 2 * (32.0, 48, 320, 480), strict=True)}
    sizes = pd.DataFrame({"image_id": [1], "width": [640], "height": [480]})
    sizes.to_parquet(tmp_path / "i.parquet")
    for scale, says in ((1 / 640, "are fractions of their images"), (2, "leaves its image of 640 x 480 pixels")):
        scaled = {name: [scale * value[0]] for name, value in boxes.items()}
        pd.DataFrame({"image_id": [1], "hoi_id": [0]} | scaled).to_parquet(tmp_path / "a.parquet")
        with pytest.raises(DataError, match=f"a.parquet row 0: .*{says}"):
            annotations.read(tmp_path / "a.parquet", images=tmp_path / "i.parquet")


def test_splits_that_begin_alike_are_not_one_split(tmp_path):
    exact = annotations.read(save(tmp_path / "a.parquet", table(split=["test", "test-dev", "test"])))
    assert exact.pairs.hoi.tolist() == [0, 599]
    with pytest.raises(DataError, match="test-a, test-b may each be the split 'test'; keep the rows of one of them"):
        annotations.read(save(tmp_path / "b.parquet", table(split=["test-a", "test-b", "train"])))


def test_pairs_that_are_given_twice_are_told(tmp_path):
    """Of two equal ones a detection finds one, so a table written twice halves every recall."""
    found = annotations.read(save(tmp_path / "a.parquet", pd.concat([table(), table()])))
    assert len(found.pairs) == 6 and len(found.notes) == 1
    assert found.notes[0].startswith("3 annotated pairs repeat another one exactly")


NAMED = pd.DataFrame(
    {
        "hoi_id": [3, 4],
        "verb_id": [0, 1],
        "object_id": [1, 1],
        "verb": ["ride", "feed"],
        "verb_ing": ["riding", "feeding"],
        "object": "horse",
        "phrase": ["x", "y"],
        "train_count": [9, 10],
        "rare": [True, False],
        "uo": [True, False],
    }
)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop(columns="verb_id"), "no column verb_id; columns are hoi_id, object_id"),
        (lambda t: t.drop(columns=["phrase", "object"]), "no column object, phrase"),
        (lambda t: t.assign(verb=[None, "feed"]), "row 0: verb is (None|nan); a name is needed"),
        (lambda t: t.assign(phrase=["x", " "]), "row 1: phrase is ' '; a name is needed"),
        (lambda t: t.assign(rare="yes"), "row 0: rare is 'yes', true or false is needed"),
        (lambda t: t.assign(rare=[1, 0]), "row 0: rare is 1, true or false is needed"),
        (lambda t: t.assign(uo=pd.Series([True, None], dtype="boolean")), "row 1: uo is <NA>, true or false"),
        (lambda t: t.assign(train_count=[3, -1]), "row 1: train_count is -1"),
        (lambda t: t.assign(train_count=["9", "many"]), "row 1: train_count is 'many', a whole number is needed"),
        (lambda t: t.assign(train_count=[9, None]), "row 1: train_count is nan, a whole number is needed"),
        (lambda t: t.assign(hoi_id=["3", "x"]), "row 1: hoi_id is 'x', a whole number is needed"),
        (lambda t: pd.concat([t, t]), "hoi_id 3 has two rows; keep one"),
        (lambda t: t.iloc[:0], "has no row, so there is no class to evaluate"),
    ],
)
def test_a_table_of_classes_is_parsed_at_the_door(tmp_path, change, says):
    """Numbers for `rare` chose classes by their place; booleans with a gap were no setting, without a word."""
    table().assign(hoi_id=[3, 4, 3]).to_parquet(tmp_path / "pairs.parquet")
    NAMED.to_parquet(tmp_path / "classes.parquet")
    assert annotations.read(tmp_path).groups.rare == annotations.read(tmp_path).groups.unseen["uo"] == {3}
    with pytest.raises(DataError, match=rf"^classes\.parquet:? {says}"):
        groups_of_table(change(NAMED), None, {})


def labelled(folder, hois, **more):
    """Annotations of two images, 5 and 6, with a pair each, whose labels of whole images are these."""
    rows = table().iloc[:2].drop(columns="file_name").assign(image_id=[5, 6], hoi_id=[3, 4])
    rows.to_parquet(folder / "pairs.parquet")
    NAMED.assign(object_id=[1, 2]).to_parquet(folder / "classes.parquet")
    pd.DataFrame({"image_id": [5, 6], "hoi_id": hois} | more).to_parquet(folder / "presence.parquet")
    return annotations.read(folder)


def test_labels_of_whole_images_are_of_known_classes(tmp_path):
    for wrong in (9999, -1, 5):
        with pytest.raises(DataError, match=rf"labels of whole images row 1: hoi_id {wrong} is none of the 2 classes"):
            labelled(tmp_path, [3, wrong])
    pd.DataFrame({"image_id": [5]}).to_parquet(tmp_path / "presence.parquet")
    with pytest.raises(DataError, match="labels of whole images: no column hoi_id"):
        annotations.read(tmp_path)


def test_pairs_that_no_label_of_their_image_tells_are_told(tmp_path):
    """In known-object mode every AP would be 0, without a word."""
    assert labelled(tmp_path, [3, 4]).notes == ()
    (note,) = labelled(tmp_path, [4, 4]).notes
    assert note.startswith("1 of 2 annotated pairs lie in images that are not labelled with their object")
    (note,) = labelled(tmp_path, [3, 4], image_id=[7, 8]).notes
    assert note.startswith("2 of 2 annotated pairs")


def test_a_label_of_a_class_of_hico_det_that_is_not_evaluated_tells_its_object(tmp_path):
    """HICO-DET's anno.mat has all classes and images, whatever part of them is evaluated."""
    things = HICO_DET.object_of
    other = next(h for h in range(5, 600) if things[h] != things[3])
    table().iloc[:2].drop(columns="file_name").assign(image_id=[5, 6], hoi_id=[3, 4]).to_parquet(
        tmp_path / "pairs.parquet"
    )
    pd.DataFrame({"hoi_id": [3, 4], "train_count": [9, 10]}).to_parquet(tmp_path / "classes.parquet")
    pd.DataFrame({"image_id": [5, 99, 6, 6], "hoi_id": [3, 9999, 4, other]}).to_parquet(tmp_path / "presence.parquet")
    found = annotations.read(tmp_path)
    assert found.presence.to_numpy().tolist() == [[0, things[3]], [1, things[4]], [1, things[other]]]
    pd.DataFrame({"image_id": [99, 6], "hoi_id": [9999, 600]}).to_parquet(tmp_path / "presence.parquet")
    with pytest.raises(DataError, match="labels of whole images row 1: hoi_id 600 is none of the 600 classes"):
        annotations.read(tmp_path)


def test_labels_of_hico_det_are_none_of_other_classes(tmp_path):
    labelled(tmp_path, [3, 4])
    with pytest.raises(DataError, match=r"anno\.mat: its labels are of HICO-DET's classes, and .* has others"):
        annotations.read(tmp_path, image_labels=tmp_path / "anno.mat")


@pytest.mark.parametrize("width", ["wide", True])
def test_sizes_are_numbers(tmp_path, width):
    pd.DataFrame({"file_name": NAMES, "width": width, "height": 480}).to_parquet(tmp_path / "images.parquet")
    table().to_parquet(tmp_path / "pairs.parquet")
    with pytest.raises(DataError, match=r"images\.parquet row 0: width is .*, a number is needed"):
        annotations.read(tmp_path)
