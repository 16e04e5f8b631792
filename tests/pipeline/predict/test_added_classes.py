"""Classes that a trained model did not know: by name, adapted, with examples; and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from small_demo import small
from trained_demo import Trained
from typer.testing import CliRunner

from flows.cli.app import app
from pipeline.datasets.dataset import BOXES
from pipeline.engine.run import run
from pipeline.errors import DataError
from pipeline.metrics import table_metadata
from pipeline.predict import adding, examples
from pipeline.predict import bundle as bundles
from pipeline.predict.adding import Adapting
from pipeline.predict.boxes import Boxes
from pipeline.predict.bundle import Bundle
from pipeline.predict.predictor import Predictor
from pipeline.predict.words import IN_TRAINING
from pipeline.store.store import Store
from pipeline.tables import arrays
from pipeline.vocabulary import file
from pipeline.vocabulary.vocabulary import Vocabulary

pytestmark = pytest.mark.slow
FORMAT = "format: ezhoi-vocabulary/1\n"


@pytest.fixture(scope="module")
def stripped(trained: Trained) -> Bundle:
    """The trained bundle without its unseen classes, as if nobody had ever told it of them."""
    whole = bundles.read(trained.bundle)
    header, texts = whole.header, whole.header.texts
    assert texts is not None and header.unseen
    seen = header.classes.subset(set(header.classes.ids) - set(header.unseen))
    known = [row for row, h in enumerate(whole.tensors["text.hoi_id"].tolist()) if h in seen.ids]
    said = {h: one for h, one in texts.descriptions.items() if h in seen.ids}
    changed: dict[str, Any] = {
        "unseen": (),
        "vocabulary": {"format": "ezhoi-vocabulary/1", **seen.as_json()},
        "texts": texts.model_copy(update={"descriptions": said}),
    }
    tensors = {name: value[known] if name.startswith("text.") else value for name, value in whole.tensors.items()}
    # Through the model's own checks, which also drops the cached vocabulary.
    return Bundle(bundles.Header.model_validate(header.model_dump() | changed), tensors)


@pytest.fixture(scope="module")
def whole(trained: Trained) -> bundles.Header:
    return bundles.read_header(trained.bundle)


def test_an_added_class_is_what_the_pipeline_makes_of_an_unseen_one(
    trained: Trained, stripped: Bundle, whole: bundles.Header
) -> None:
    added = Predictor.open(stripped).with_classes(whole.classes)
    assert set(added.words.added) == set(whole.unseen) and added.vocabulary == whole.classes
    text = arrays.read(trained.made["utpl"].path("text.parquet"))
    wanted = dict(zip(text["hoi_id"].tolist(), text["before"], strict=True))
    found = dict(zip(added.words.phrases, added.words.scorer.before.numpy(), strict=True))
    assert set(found) == set(wanted)
    for hoi_id, feature in wanted.items():
        np.testing.assert_allclose(found[hoi_id], feature, atol=1e-5)


def test_added_classes_leave_the_scores_of_trained_verbs_alone(
    trained: Trained, stripped: Bundle, whole: bundles.Header
) -> None:
    predictor, image = Predictor.open(stripped), trained.images[0]
    given: Any = (trained.picture(image), trained.boxes(image))
    models = (predictor, predictor.with_classes(whole.classes))
    before, after = (
        {(pair.person, pair.object, one.hoi_id): one.score for pair in found.pairs for one in pair.verbs}
        for found in (model(*given, top=None, threshold=0.0) for model in models)
    )
    assert before.keys() < after.keys()
    assert {at: after[at] for at in before} == pytest.approx(before, abs=1e-6)


def test_the_pipeline_adds_classes_and_trains_nothing(trained: Trained, tmp_path: Path) -> None:
    """`data.classes`: described, adapted, predicted and in the bundle as unseen classes are, and nobody measured them."""
    shutil.copytree(trained.folder / "store", tmp_path / "store")
    (tmp_path / "more.yaml").write_text(
        FORMAT + "verbs: [{name: groom, ing: grooming}, {name: vaccinate, ing: vaccinating}]\n"
        "classes: [[groom, horse], [vaccinate, dog], {id: 40000, verb: groom, object: dog}]\n"
    )
    config = small(tmp_path / "store", f"data.classes={tmp_path / 'more.yaml'}")
    outcomes = run(config)
    trains = ("annotations", "detections", "image_embeddings", "seen", "pair_features", "untrained")
    assert all(outcomes[name].hit for name in trains), {name: one.hit for name, one in outcomes.items()}
    made = {name: one.artifact for name, one in outcomes.items()}
    header = bundles.read_header(made["bundle"].path(bundles.FILE))
    names = {header.classes.hoi(h).name: h for h in header.added}
    assert set(names) == {"groom horse", "vaccinate dog", "groom dog"} and names["groom dog"] == 40_000
    assert set(header.added) <= set(header.unseen) and header.used is not None and not header.used.transductive
    rows = made["descriptions"].table("descriptions.parquet").set_index("hoi_id")["source"]
    assert [rows[h] for h in sorted(header.added)] == ["lexicon", "phrase", "lexicon"]
    text = arrays.read(made["utpl"].path("text.parquet"))
    mine = np.isin(text["hoi_id"], header.added)
    assert mine.sum() == 3 and (np.abs(text["after"] - text["before"])[mine].max(axis=1) > 1e-5).all()
    assert set(header.added) <= set(made["predictions"].table("predictions.parquet")["hoi_id"])
    report = made["evaluation"].json("report.json")
    assert report["added"] == ["groom horse", "vaccinate dog", "groom dog"]
    assert "no AP: groom horse, vaccinate dog, groom dog" in " ".join(report["notes"])
    assert {row["ap"] for row in report["per_class"] if row["hoi_id"] in header.added} == {None}
    assert (
        "| added without training | groom horse, vaccinate dog, groom dog: "
        in made["bundle"].path("README.md").read_text()
    )
    predictor = Predictor.open(made["bundle"])
    assert "3 classes were added" in predictor.words.says and predictor.words.record["adapted"] == IN_TRAINING
    both = predictor.with_classes(extended(predictor, "brush", "brushing", "horse"))
    assert len(both.words.record["added"]) == 4 and "3 of them were adapted" in both.words.says


def extended(predictor: Predictor, verb: str, ing: str, thing: str) -> Vocabulary:
    """The predictor's classes and one of a new verb."""
    value = {"format": file.FORMAT, "verbs": [{"name": verb, "ing": ing}], "classes": [[verb, thing]]}
    return file.onto(value, predictor.vocabulary, origin="here")


def test_adapting_moves_the_added_classes_alone(
    trained: Trained, stripped: Bundle, whole: bundles.Header, tmp_path: Path
) -> None:
    predictor, config = Predictor.open(stripped), small(trained.folder / "store")
    pairs = adding.pairs_of(stripped.header, Store(trained.folder / "store"))
    assert pairs is not None and pairs.fingerprint == trained.made["pair_features"].fingerprint
    for given in (pairs, None):
        found = predictor.with_classes(whole.classes, adapting=Adapting(config=config, pairs=given, scratch=tmp_path))
        moved = (found.words.scorer.after - found.words.scorer.before).abs().amax(dim=1)
        new = len(whole.unseen)
        assert (moved[-new:] > 1e-4).all()
        assert torch.equal(found.words.scorer.after[:-new], predictor.words.scorer.after)
        assert found.words.record["adapted"] == (adding.WITH_PAIRS if given is not None else adding.NO_PAIRS)
    again = predictor.with_classes(whole.classes, adapting=Adapting(config=config, pairs=None, scratch=tmp_path))
    assert torch.equal(again.words.scorer.after, found.words.scorer.after), "the same seed, the same classes"
    assert (
        adding.pairs_of(stripped.header.model_copy(update={"made_from": {}}), Store(trained.folder / "store")) is None
    )


def test_what_with_classes_refuses(stripped: Bundle, whole: bundles.Header) -> None:
    predictor = Predictor.open(stripped)
    with pytest.raises(DataError, match="does not begin with the model's own words"):
        predictor.with_classes(whole.classes.subset(whole.unseen))
    with pytest.raises(DataError, match=r"texts: .*hug horsey.*nearest"):
        predictor.with_classes(whole.classes, {"hug horsey": "A person hugs a horse."})
    known = whole.classes.hoi(predictor.vocabulary.ids[0]).name
    with pytest.raises(DataError, match=f"the model knows {known} already"):
        predictor.with_classes(whole.classes, {known: "A text."})
    with pytest.raises(DataError, match="is empty"):
        predictor.with_classes(whole.classes, {whole.classes.hoi(whole.unseen[0]).name: ""})
    old = Predictor.open(Bundle(stripped.header.model_copy(update={"texts": None}), stripped.tensors))
    with pytest.raises(DataError, match="make it again"):
        old.with_classes(whole.classes)


def shown(trained: Trained, folder: Path, hoi_id: int, name: str) -> tuple[Path, list[int]]:
    """A table of all annotated test pairs of a class, with their pictures; and the images."""
    pairs = trained.made["annotations"].table("test-pairs.parquet").query("hoi_id == @hoi_id")
    folder.mkdir(exist_ok=True)
    for image in pairs["image_id"]:
        (folder / f"{image}.png").write_bytes(trained.picture(image).read_bytes())
    table = pairs[BOXES].assign(file_name=[f"{i}.png" for i in pairs["image_id"]], **{"class": name})
    table.to_parquet(folder / "pairs.parquet")
    return folder / "pairs.parquet", pairs["image_id"].tolist()


def test_an_example_counts_for_its_class_and_for_no_other(trained: Trained, tmp_path: Path) -> None:
    predictor = Predictor.open(trained.bundle)
    counts = trained.made["annotations"].table("test-pairs.parquet")["hoi_id"].value_counts()
    hoi = predictor.vocabulary.hoi(int(counts.index[0]))
    table, images = shown(trained, tmp_path / "shown", hoi.hoi_id, hoi.name)
    found = predictor.with_examples(examples.read(table, predictor.vocabulary))
    assert found.words.examples == {hoi.hoi_id: min(len(images), examples.MOST)}

    def scores(one: Predictor, image: int) -> dict[tuple[Any, int], float]:
        told = one(trained.picture(image), trained.boxes(image), top=None, threshold=0.0)
        return {((pair.person, pair.object), said.hoi_id): said.score for pair in told.pairs for said in pair.verbs}

    moved = 0
    for image in trained.images:
        before, after = scores(predictor, image), scores(found, image)
        assert {key: value for key, value in before.items() if key[1] != hoi.hoi_id} == {
            key: value for key, value in after.items() if key[1] != hoi.hoi_id
        }
        moved += sum(before[key] != after[key] for key in before if key[1] == hoi.hoi_id)
    assert moved
    assert not predictor.words.examples, "the predictor that was asked stays as it is"


@pytest.fixture
def call(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Predict one picture by the command, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    boxes = trained.folder / "boxes.parquet"
    image = trained.images[0]
    (tmp_path / f"{image}.png").write_bytes(trained.picture(image).read_bytes())

    def given(*words: str, code: int = 0, with_boxes: bool = True) -> str:
        bundle = [] if "--model" in words else ["--model", str(trained.bundle)]
        asked = ["predict", f"{image}.png", *(["--boxes", str(boxes)] if with_boxes else []), *bundle, *words]
        done = CliRunner().invoke(app, [*asked, "--set", f"store.root={trained.folder / 'store'}"])
        assert done.exit_code == code, f"{done.output}{done.exception!r}"
        return f"{done.output}{done.exception or ''}"

    return given


def test_a_verb_is_added_by_a_line_of_yaml(trained: Trained, call: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(
        FORMAT + "verbs: [{name: groom well, ing: grooming well}]\nclasses: [[groom well, horse], [groom well, dog]]\n"
    )
    counts = trained.made["annotations"].table("test-pairs.parquet")["hoi_id"].value_counts()
    hoi = bundles.read_header(trained.bundle).classes.hoi(int(counts.index[0]))
    table, images = shown(trained, tmp_path / "shown", hoi.hoi_id, hoi.name)
    said = call("--classes", "more.yaml", "--adapt", "--set", "utpl.steps=2", "--threshold", "0")
    assert "more.yaml adds 2 classes, 1 verb, 0 objects" in said
    assert "nobody describes groom well horse, groom well dog" in said
    about = json.loads((tmp_path / "predicted" / "predictions.json").read_text())["about"]
    assert [one["class"] for one in about["added"]] == ["groom well horse", "groom well dog"]
    assert about["adapted"] == adding.WITH_PAIRS and about["classes_file"]["name"] == "more.yaml"
    assert about["transductive"] is False and about["examples"] == {}
    texts = {"groom well horse": "A person brushes a horse's coat.", "groom well dog": "A person brushes a dog's coat."}
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    own = ["--set", "descriptions.source=file", "--set", "descriptions.file=texts.json"]
    said = call("--classes", "more.yaml", *own, "--threshold", "0", "--out", "told")
    assert "nobody describes" not in said
    about = json.loads((tmp_path / "told" / "predictions.json").read_text())["about"]
    assert {one["class"]: one["text"] for one in about["added"]} == texts
    said = call("--classes", "more.yaml", "--examples", str(table), "--out", "shots", "--threshold", "0")
    about = json.loads((tmp_path / "shots" / "predictions.json").read_text())["about"]
    assert about["examples"] == {hoi.name: min(len(images), examples.MOST)}
    assert ("leak: 1 of the pictures are examples too" in said) == (trained.images[0] in images)
    record = table_metadata.of_table(tmp_path / "shots" / "predictions.parquet")
    assert "2 classes were added" in record.says and "Few-shot: " in record.says
    assert "trained on data not known" in record.says
    assert sorted(record.added.values()) == ["groom well dog", "groom well horse"] and list(record.examples) == [
        hoi.name
    ]


def test_an_example_that_is_predicted_is_a_leak(trained: Trained, call: Callable[..., str], tmp_path: Path) -> None:
    image = trained.images[0]
    vocabulary, boxes = bundles.read_header(trained.bundle).classes, trained.boxes(image)
    person = int(np.flatnonzero(boxes.objects == 0)[0])
    thing = int(
        np.flatnonzero(np.isin(boxes.objects, [hoi.object_id for hoi in vocabulary.classes]) & (boxes.objects > 0))[0]
    )
    hoi = next(hoi for hoi in vocabulary.classes if hoi.object_id == boxes.objects[thing])
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "copy.png").write_bytes(trained.picture(image).read_bytes())
    both = dict(zip(BOXES, [*boxes.corners[person], *boxes.corners[thing]], strict=True))
    pd.DataFrame([{"file_name": "copy.png", "class": hoi.name, **both}]).to_csv(
        tmp_path / "shown" / "t.csv", index=False
    )
    said = call("--examples", "shown/t.csv", "--threshold", "0")
    assert "leak: 1 of the pictures are examples too" in said
    about = json.loads((tmp_path / "predicted" / "predictions.json").read_text())["about"]
    assert about["leaked"] == [f"{image}.png"]
    assert (
        "Leak: 1 of the pictures are examples too."
        in table_metadata.of_table(tmp_path / "predicted" / "predictions.parquet").says
    )


BAD_CLASSES = {
    "verbs: [{name: groom, ing: grooming}]\nclasses: [[groom, horse], [groom, horse]]": "is the same class as entry 1",
    "verbs: [{name: groom}]\nclasses: [[groom, horse]]": "'groom' has no -ing form",
    "verbs: [{name: groom, ing: grooming}]\nclasses: [[groom, forklift]]": "no object is called 'forklift'",
    "verbs: [{name: ride, ing: rideing}]\nclasses: [[ride, horse]]": "is known to rendered world as 'riding'",
    "objects: [forklift]\nclasses: [[ride, forklift]]": "has no box of forklift, which more.yaml adds",
    "verbs: [{name: putzen, ing: am Putzen}]\nclasses: [[putzt, horse]]": "no verb is called 'putzt'; did you mean 'putzen'?",
}


@pytest.mark.parametrize(("content", "says"), BAD_CLASSES.items())
def test_bad_classes_end_in_one_message(
    call: Callable[..., str], tmp_path: Path, content: str, says: str, trained: Trained
) -> None:
    (tmp_path / "more.yaml").write_text(FORMAT + content)
    boxes = pd.read_parquet(trained.folder / "boxes.parquet")
    names = bundles.read_header(trained.bundle).classes.object_names
    boxes.assign(label=[names[i] for i in boxes.pop("object_id")]).to_parquet(tmp_path / "labelled.parquet")
    said = call("--classes", "more.yaml", "--boxes", "labelled.parquet", with_boxes=False, code=1)
    assert says in said and "Traceback" not in said
    assert not (tmp_path / "predicted").exists()


def test_what_else_ends_in_one_message(call: Callable[..., str], tmp_path: Path, trained: Trained) -> None:
    (tmp_path / "more.yaml").write_text(FORMAT + "objects: [forklift]\nclasses: [[ride, forklift]]\n")
    said = call("--classes", "more.yaml", "--detector", "tiny", with_boxes=False, code=1)
    assert "its labels lack 1 of" in said and "forklift" in said
    assert "adapt (--adapt) adapts the classes that a file adds" in call("--adapt", code=1)
    (tmp_path / "more.yaml").write_text(
        FORMAT + "verbs: [{name: groom, ing: grooming}]\nclasses: [[groom, horse], [groom, dog]]\n"
    )
    (tmp_path / "texts.json").write_text('{"groom horse": "A person brushes a horse."}')
    own = ["--set", "descriptions.source=file", "--set", "descriptions.file=texts.json"]
    assert "no text for 1 of 2 classes: groom dog" in call("--classes", "more.yaml", *own, code=1)
    assert "no such file or folder" in call("--examples", "nowhere", code=1)
    assert not (tmp_path / "predicted").exists()


def pair(**changed: Any) -> dict[str, Any]:
    """A row of a table of examples."""
    boxes = dict(zip(BOXES, (1, 1, 20, 40, 10, 10, 50, 40), strict=True))
    return {"file_name": "a.png", "class": "ride horse", **boxes} | changed


BAD_EXAMPLES: list[tuple[dict[str, Any], str]] = [
    (pair(hx1=float("nan")), r"row 0: (the person's box .* is none|hx1 is '').* a pair of a person"),
    (pair(ox2=1), r"row 0: the object's box .* is none"),
    (pair(ox2=1e300), r"row 0: box .* is in no picture"),
    (pair(**dict.fromkeys(BOXES, 0.1)), r"row 0: box .* are fractions of their images"),
    (pair(**{"class": None}), "row 0: class is missing"),
    (pair(file_name="b.png"), "row 0: there is no picture 'b.png'"),
    (pair(**{"class": "ride hors"}), "nearest: ride horse.*add the class"),
]


@pytest.mark.parametrize(("row", "says"), BAD_EXAMPLES)
def test_bad_examples_name_their_row(row: dict[str, Any], says: str, tmp_path: Path, whole: bundles.Header) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    for name in ("pairs.parquet", "pairs.csv"):
        frame = pd.DataFrame([row])
        frame.to_parquet(tmp_path / name) if name.endswith("parquet") else frame.to_csv(tmp_path / name, index=False)
        with pytest.raises(DataError, match=says):
            examples.read(tmp_path / name, whole.classes)
    without = pd.DataFrame([pair()]).drop(columns=["hx1"])
    without.to_csv(tmp_path / "pairs.csv", index=False)
    with pytest.raises(DataError, match="has no column hx1"):
        examples.read(tmp_path / "pairs.csv", whole.classes)


@pytest.mark.parametrize(
    ("head", "more", "says"),
    [
        ("", ",horse", r"pairs\.csv, line 2: 11 cells, but 10 columns"),
        (",hx1", ",1", "the column 'hx1' is there twice"),
    ],
)
def test_no_cell_of_an_example_is_lost(head: str, more: str, says: str, tmp_path: Path, whole: bundles.Header) -> None:
    row = pair()
    (tmp_path / "pairs.csv").write_text(f"{','.join(row)}{head}\n{','.join(map(str, row.values()))}{more}\n")
    with pytest.raises(DataError, match=says):
        examples.read(tmp_path / "pairs.csv", whole.classes)


def test_a_folder_of_annotated_pictures_is_examples(tmp_path: Path, whole: bundles.Header) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    annotation = {
        "info": {"schema": "coco-rel/1.0"},
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "horse"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 19, 39]},
            {"id": 2, "image_id": 1, "category_id": 2, "bbox": [10, 10, 40, 30]},
            {"id": 3, "image_id": 1, "category_id": 2, "bbox": [40, 10, 20, 30]},
        ],
        "rel_categories": [{"id": 0, "name": "ride", "ing": "riding"}],
        "rel_annotations": [{"id": 1, "image_id": 1, "subject_id": 1, "object_id": 2, "predicate_id": 0}],
    }
    (tmp_path / "own.json").write_text(json.dumps(annotation))
    (one,) = examples.read(tmp_path, whole.classes)
    assert one.hois.tolist() == [whole.classes.find("ride horse").hoi_id] and len(one.boxes) == 3
    assert one.pairs.tolist() == [[1, 1, 20, 40, 10, 10, 50, 40]]
    annotation["rel_annotations"] = [{"id": 1, "image_id": 1, "subject_id": 3, "object_id": 2, "predicate_id": 0}]
    (tmp_path / "own.json").write_text(json.dumps(annotation))
    with pytest.raises(DataError, match="person"):
        examples.read(tmp_path, whole.classes)


def test_yaml_and_json_are_read_alike(tmp_path: Path, whole: bundles.Header) -> None:
    value = {"format": file.FORMAT, "verbs": [{"name": "groom", "ing": "grooming"}], "classes": [["groom", "horse"]]}
    (tmp_path / "a.json").write_text(json.dumps(value))
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(value))
    assert file.extended(tmp_path / "a.json", whole.classes) == file.extended(tmp_path / "a.yaml", whole.classes)


def test_boxes_of_new_objects_are_told_apart(trained: Trained, tmp_path: Path) -> None:
    """A new object has the embedding of its name, and its boxes make pairs with its classes."""
    (tmp_path / "more.yaml").write_text(FORMAT + "objects: [forklift]\nclasses: [[ride, forklift]]\n")
    found = Predictor.open(trained.bundle).with_classes(tmp_path / "more.yaml")
    assert len(found.words.objects) == len(found.vocabulary.objects)
    wanted = found._model.clip.embed_texts(["a forklift"])[0]
    torch.testing.assert_close(found.words.objects[-1:], wanted)
    boxes = Boxes.of(found.vocabulary, [[10, 10, 60, 90], [40, 40, 120, 100]], [0.9, 0.8], ["person", "forklift"])
    (pair,) = found(trained.picture(trained.images[0]), boxes, threshold=0.0).pairs
    assert pair.label == "forklift" and [said.verb for said in pair.verbs] == ["ride"]
