"""`ezhoi evaluate` and `ezhoi evaluate-detections` as a user meets them."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from split_tables import one_a_split
from typer.testing import CliRunner

from flows.cli import lookup
from flows.cli.app import app
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.datasets.vcoco.classes import compositions
from pipeline.engine import plan
from pipeline.engine.run import run
from pipeline.errors import ConfigError, DataError, StoreError
from pipeline.metrics.annotations import Annotations
from pipeline.metrics.matching import Pairs
from pipeline.report.evaluated_files import picture_files
from pipeline.store.remote.remote import RemoteStore

BOXES = ["hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]
CLASSES = [HICO.find(name).hoi_id for name in ("ride horse", "hold horse", "pet cat", "board airplane")]
IMAGES = [f"HICO_test2015_{n:08d}.jpg" for n in range(1, 31)]


def call(*words: object, error: type[Exception] | None = None) -> Any:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if error is None:
        assert result.exit_code == 0, f"{result.output}{result.exception!r}"
    else:
        assert isinstance(result.exception, error), result.output
    return result


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Detections and annotations of thirty images; most pairs are found, some twice, some are wrong."""
    generator = np.random.default_rng(0)
    corners = generator.uniform(0, 200, (60, 2, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(20, 200, (60, 2, 2))], axis=2).reshape(60, 8)
    pairs = pd.DataFrame(boxes, columns=BOXES).assign(
        file_name=IMAGES * 2, hoi_id=[CLASSES[i % 4] for i in range(60)], split="test2015"
    )
    found = pd.concat([pairs, pairs.iloc[:20].assign(hoi_id=CLASSES[0])]).drop(columns="split")
    found = found.assign(score=generator.random(80)).rename(columns={"file_name": "image"})
    found.to_parquet(tmp_path / "d.parquet")
    pairs.to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"file_name": IMAGES}).to_parquet(tmp_path / "i.parquet")
    return tmp_path / "d.parquet", tmp_path / "a.parquet"


def evaluate(files: tuple[Path, Path], *words: object, **more: Any) -> Any:
    return call("evaluate-detections", "--detections", files[0], "--annotations", files[1], *words, **more)


def test_the_table_and_the_folder(files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = evaluate(files, "--setting", "rf-uc", "--protocol", "all", "--mode", "both", "--out", out).stdout
    lines = text.splitlines()
    assert lines[0].split() == ["mAP,", "%", "full", "seen", "unseen", "rare", "non", "rare"]
    assert [line.split("  ")[0] for line in lines[1:13]][:4] == [
        "official",
        "official known-object",
        "upt",
        "upt known-object",
    ]
    assert lines[-1] == f"report: {out / 'report.html'}" and (out / "report.html").is_file()
    report = json.loads((out / "report.json").read_text())
    assert len(report["results"]) == 12 and report["setting"] == "rf_uc"
    assert f"{report['full']:.2f}" in lines[1]
    assert set(report["digests"]) == {"detections", "annotations"}


def test_json_alone(files: tuple[Path, Path]) -> None:
    result = evaluate(files, "--json")
    report = json.loads(result.stdout)
    assert report["protocol"] == "official" and 0 < report["full"] < 100
    assert report["notes"] == [] and result.stderr == ""


def test_notes_go_to_stderr(files: tuple[Path, Path]) -> None:
    frame = pd.read_parquet(files[0])
    pd.concat([frame, frame.iloc[:1].assign(score=7.0)]).to_parquet(files[0])
    result = evaluate(files)
    assert "note: scores range from" in result.stderr and "note" not in result.stdout
    assert any("scores range" in note for note in json.loads(evaluate(files, "--json").stdout)["notes"])


def test_switches(files: tuple[Path, Path]) -> None:
    one = json.loads(evaluate(files, "--switch", "top_k=1", "--switch", "nms=0.9", "--json").stdout)
    assert one["protocol"] == "official+top_k=1+nms=0.9"
    switches = one["results"][0]["switches"]
    assert switches["top_k"] == 1 and switches["nms"]["threshold"] == 0.9
    assert sum(row["detections"] for row in one["per_class"]) == 30
    for switch, message in (
        ("top=1", "use KEY=VALUE with one of rule"),
        ("strict=1", "true or false"),
        ("top_k=x", "number"),
    ):
        assert message in str(evaluate(files, "--switch", switch, error=ConfigError).exception)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["--protocol", "voc"], ConfigError, "unknown evaluation protocol 'voc'"),
        (["--setting", "zs"], ConfigError, "no setting 'zs'.*rf_uc"),
        (["--images", "none.parquet"], DataError, "none.parquet: cannot be read"),
        (["--curve", "ride hrse", "--out", "x"], ConfigError, "--curve ride hrse"),
        (["--split", "val"], DataError, "no row of split 'val'"),
    ],
)
def test_mistakes(
    files: tuple[Path, Path], words: list[str], error: type[Exception], message: str, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        raise evaluate(files, *words, error=error).exception


def test_compare(files: tuple[Path, Path], tmp_path: Path) -> None:
    evaluate(files, "--out", tmp_path / "a")
    frame = pd.read_parquet(files[0])
    frame.iloc[:60].to_parquet(files[0])
    evaluate(files, "--out", tmp_path / "b")
    lines = call("evaluate", "compare", tmp_path / "a", tmp_path / "b", "--resamples", 50).stdout.splitlines()
    assert lines[0].startswith("B - A, protocol official, 30 images, 50 resamples")
    assert lines[2].startswith("full") and "+" in lines[2]
    assert any(line == "1 classes gain, 0 lose, 3 stay" for line in lines)
    found = json.loads(call("evaluate", "compare", tmp_path / "a", tmp_path / "b", "--resamples", 20, "--json").stdout)
    assert found["per_class"][0]["name"] == "ride horse" and found["groups"]["full"]["difference"] > 0


def test_export_and_evaluate_again(files: tuple[Path, Path], tmp_path: Path) -> None:
    images = ["--images", tmp_path / "i.parquet"]
    before = json.loads(evaluate(files, *images, "--protocol", "exact", "--json").stdout)
    for to, name in (
        ("mat", "m"),
        ("qpic", "q.json"),
        ("coco", "c.json"),
        ("named", "n.json"),
        ("parquet", "p.parquet"),
    ):
        out = tmp_path / name
        text = call("evaluate", "export", "-d", files[0], "-a", files[1], *images, "--to", to, "--out", out).stdout
        assert text == f"80 detections: {out}\n"
        after = json.loads(evaluate((out, files[1]), *images, "--protocol", "exact", "--json").stdout)
        assert after["per_class"] == before["per_class"], to


@pytest.fixture
def stored(files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, artifact: Any) -> Path:
    """A store with nothing but annotations of these images, which the configuration asks for."""
    pairs = pd.read_parquet(files[1]).assign(split="test")
    images = pd.DataFrame({"file_name": IMAGES, "split": "test"})
    tables = one_a_split(images=images, pairs=pairs, presence=pairs[["file_name", "split", "hoi_id"]])
    classes = pd.DataFrame({"hoi_id": range(600), "train_count": 10, "rare": False})
    made = artifact(tmp_path / "annotations", **tables, classes=classes)

    def asked(config: Any, store: Any, stage: str) -> Any:
        if stage != "annotations":
            raise StoreError(f"the store has no {stage} of this configuration.")
        return made

    monkeypatch.setattr(plan, "asked", asked)
    return files[0]


def test_evaluate_a_file_against_the_store(stored: Path) -> None:
    for words in ([stored, "--protocol", "upt"], ["--protocol", "upt", stored], ["predictions", stored]):
        lines = call("evaluate", *words).stdout.splitlines()
        assert [line.split()[0] for line in lines] == ["full", "seen", "non"]
    report = json.loads(call("evaluate", stored, "--per-class", "--json").stdout)
    assert set(report) == {"map", "classes"} and len(report["classes"]) == 600
    assert "ezhoi run --target evaluation" in str(call("evaluate", error=StoreError).exception)
    assert "compare" in call("evaluate", "--help").stdout


def test_keys_that_the_evaluation_of_a_file_does_not_read_are_named(stored: Path) -> None:
    """The file is predicted already; the zero-shot setting, the protocol and the annotations count."""
    ignored = ("evaluation.tau=1.5", "seen.epochs=3", "seed=7")
    counting = ("setting=uv", "evaluation.protocol=upt", "data.world.test_images=30")
    said = call("evaluate", stored, *(word for key in (*ignored, *counting) for word in ("--set", key))).stderr
    named = [line.split()[1] for line in said.splitlines() if "changes nothing here" in line]
    assert sorted(named) == ["evaluation.tau", "seed", "seen.epochs"], said
    assert "changes nothing here" not in call("evaluate", stored).stderr


def test_annotations_of_another_dataset_are_not_taken(fake: Any, files: tuple[Path, Path]) -> None:
    """After a demo run, `--profile hico-vitb` means HICO-DET's annotations, which the store lacks."""
    run(fake.config(), targets=("annotations",))
    store = [word for setting in fake.settings for word in ("--set", setting)]
    refused = str(call("evaluate", files[0], "--profile", "hico-vitb", *store, error=StoreError).exception)
    assert "no annotations of this configuration (vocabulary: data.source: world -> hico" in refused
    assert f"`ezhoi run --target annotations --profile hico-vitb --set {fake.settings[0]} " in refused


def test_the_predictions_are_the_configurations(fake: Any) -> None:
    """The newest evaluation is another configuration's."""
    run(fake.config(), targets=("annotations",))
    run(fake.config("utpl.steps=7"))
    store = [word for setting in fake.settings for word in ("--set", setting)]
    with pytest.raises(StoreError, match=r"no evaluation .* \(utpl: utpl\.steps: 7 -> 60\).*--target evaluation"):
        lookup.asked("evaluation", "demo", store[1::2])
    assert lookup.asked("evaluation", "demo", [*store[1::2], "utpl.steps=7"]).stage == "evaluation"


def test_a_comparison_fetches_what_it_reads(gate: Any, tmp_path: Path, publish: Any) -> None:
    """Two evaluations by fingerprint, on a machine whose cache is empty."""
    gate.closed = False
    url = f"s3://bucket/{uuid.uuid4().hex[:8]}"
    report = {
        "protocol": "official",
        "mode": "default",
        "setting": "default",
        "counts": {"images": 2},
        "results": [{"switches": {"rule": "exact"}}],
        "per_class": [{"hoi_id": 0, "name": "a", "unseen": False, "rare": False, "test_pairs": 1}],
    }
    files = {
        "judged.parquet": pd.DataFrame(
            {"image": [0, 1], "hoi_id": [0, 0], "score": [0.9, 0.8], "hit": [True, False]},
        ),
        "annotated.parquet": pd.DataFrame({"image": [0], "hoi_id": [0]}),
        "report.json": json.dumps(report),
        "large.txt": "not read",
    }
    for fingerprint in ("aaaa", "bbbb"):
        publish(RemoteStore(url, cache=tmp_path / "one"), "evaluation", fingerprint, files)
    settings = ("--set", f"store.root={url}", "--set", f"store.cache={tmp_path / 'two'}")
    found = call("evaluate", "compare", "aaaa", "bbbb", "--resamples", 10, "--json", *settings)
    assert json.loads(found.stdout)["groups"]["full"]["difference"] == 0
    fetched = {p.name for p in (tmp_path / "two").rglob("*") if p.is_file()}
    assert fetched == {"judged.parquet", "annotated.parquet", "report.json"}


def test_a_folder_without_the_pictures_is_told(files: tuple[Path, Path], tmp_path: Path) -> None:
    pictures, out = tmp_path / "pictures", tmp_path / "out"
    pictures.mkdir()
    said = evaluate(files, "--out", out, "--pictures", pictures).stderr
    assert f"note: --pictures {pictures} has 0 of 30 images; the others are drawn as boxes alone" in said
    Image.new("RGB", (400, 400)).save(pictures / IMAGES[0])
    assert "has 1 of 30 images" in evaluate(files, "--out", out, "--pictures", pictures).stderr
    assert "--pictures: only the report shows that" in evaluate(files, "--pictures", pictures).stderr
    with pytest.raises(ConfigError, match="nowhere: no such folder"):
        raise evaluate(files, "--out", out, "--pictures", tmp_path / "nowhere", error=ConfigError).exception


def test_pictures_of_equal_names_are_never_exchanged(tmp_path: Path) -> None:
    names = ["kitchen/1.jpg", "garden/1.jpg", "garden/2.jpg", "garden/3.jpg"]
    nothing = np.zeros((0, 4))
    none = np.zeros(0, dtype=np.int64)
    truth = Annotations(
        pairs=Pairs(image=none, hoi=none, human=nothing, object=nothing),
        images=pd.DataFrame({"file_name": names}),
        complete=True,
    )
    (tmp_path / "garden").mkdir()
    for name in ("1.jpg", "2.jpg", "garden/1.jpg"):
        (tmp_path / name).write_bytes(b"picture")
    assert picture_files(tmp_path, truth) == {1: tmp_path / "garden/1.jpg", 2: tmp_path / "2.jpg"}


def test_a_stage_that_was_never_made_is_told_with_what_makes_it(files: tuple[Path, Path], tmp_path: Path) -> None:
    store = ("--set", f"store.root={tmp_path / 'store'}")
    for words in (("artifacts", "verify", "utpl"), ("evaluate", "compare", "utpl", "utpl")):
        message = str(call(*words, *store, error=StoreError).exception)
        assert "has no artifact of the stage utpl yet; make one: ezhoi run --target utpl" in message


def test_several_methods_in_one_table(files: tuple[Path, Path], tmp_path: Path) -> None:
    found = pd.read_parquet(files[0])
    (tmp_path / "other").mkdir()
    found.iloc[:20].to_parquet(tmp_path / "other" / "d.parquet")
    rows = found.rename(columns={"image": "file_name"}).groupby("file_name")
    content = {
        name: {
            "h_boxes": group[BOXES[:4]].to_numpy().tolist(),
            "o_boxes": group[BOXES[4:]].to_numpy().tolist(),
            "ho_scores": group["score"].tolist(),
            "ao_names": [HICO.hoi(h).name.replace(" ", " a ", 1) for h in group["hoi_id"]],
        }
        for name, group in rows
    }
    (tmp_path / "hola.json").write_text(json.dumps(content))
    given = ["evaluate", "table", files[0], tmp_path / "other" / "d.parquet", tmp_path / "hola.json", "-a", files[1]]
    words = ["--images", tmp_path / "i.parquet", "--protocol", "exact", "--mode", "both", "--resamples", "20"]
    result = call(*given, *words)
    lines = result.stdout.splitlines()
    assert [line for line in lines if "mAP" in line] == [
        f"exact, {mode}: mAP, %; 95 % intervals over test images, 20 draws" for mode in ("default", "known-object")
    ]
    assert any("over other/d: +" in line and line.endswith("more than chance") for line in lines)
    assert "hola: 30 images, 80 rows" in result.stderr
    report = json.loads(call(*given, *words, "--json").stdout)
    names = [row["name"] for row in report["blocks"][0]["methods"]]
    assert names[-1] == "other/d" and set(names) == {f"{tmp_path.name}/d", "other/d", f"{tmp_path.name}/hola"}
    with pytest.raises(ConfigError, match="two methods would be called"):
        raise call("evaluate", "table", files[0], files[0], "-a", files[1], error=ConfigError).exception


def test_a_model_of_vcocos_classes_is_judged_on_hico_det(files: tuple[Path, Path], tmp_path: Path) -> None:
    """Of the four annotated classes V-COCO has two, ride and hold horse; its detections are right at both."""
    truth = pd.read_parquet(files[1])
    place = {(row["role"], row["object"]): number for number, row in enumerate(compositions())}
    rows = truth.merge(
        pd.DataFrame(
            [(CLASSES[0], place["ride instr", "horse"]), (CLASSES[1], place["hold obj", "horse"])],
            columns=["hoi_id", "composition"],
        )
    )
    found = rows.drop(columns=["hoi_id", "split"]).rename(columns={"composition": "hoi_id"}).assign(score=0.5)
    found.to_parquet(tmp_path / "v.parquet")
    result = evaluate((tmp_path / "v.parquet", files[1]), "--classes", "vcoco", "--json")
    report = json.loads(result.stdout)
    assert (report["setting"], report["seen"], report["unseen"]) == ("vcoco", 100.0, 0.0)
    assert any("of HICO-DET's 600 classes were made of" in note for note in report["notes"])
    evaluate((tmp_path / "v.parquet", files[1]), "--classes", "vcoco", "--setting", "uv")


def test_questions_about_images_of_which_none_was_looked_at_are_an_error(tmp_path: Path) -> None:
    asked = {"a.jpg": {"gt_choices": ["ride a horse"], "wrong_choices": ["feed a horse"]}}
    rows = {"h_boxes": [[0, 0, 9, 9]], "o_boxes": [[5, 5, 20, 20]], "ho_scores": [0.5], "ao_names": ["ride a horse"]}
    (tmp_path / "q.json").write_text(json.dumps(asked))
    (tmp_path / "d.json").write_text(json.dumps({"b.jpg": rows}))
    refused = call("evaluate", "crosshoi", "-d", tmp_path / "d.json", "-q", tmp_path / "q.json", error=DataError)
    assert "has none of the 1 images of" in str(refused.exception)


def test_questions_of_which_hardly_one_is_answered_are_remarked_on(tmp_path: Path) -> None:
    boxes = {"human": [0, 0, 9, 9], "object": [5, 5, 20, 20], "object_class": "horse"}
    asked = {"gt_choices": ["ride a horse"], "wrong_choices": ["feed a horse"], "boxes": boxes}
    rows = {"h_boxes": [[0, 0, 9, 9]], "o_boxes": [[5, 5, 20, 20]], "ho_scores": [0.5], "ao_names": ["ride a horse"]}
    words = ["evaluate", "crosshoi", "-d", tmp_path / "d.json", "-q", tmp_path / "q.json"]
    (tmp_path / "q.json").write_text(json.dumps({f"{n}.jpg": asked for n in range(30)}))
    (tmp_path / "d.json").write_text(json.dumps({f"{n}.jpg": rows for n in range(30)}))
    assert "get an answer" not in call(*words).stderr
    twice = rows | {key: [[2 * corner for corner in rows[key][0]]] for key in ("h_boxes", "o_boxes")}
    (tmp_path / "d.json").write_text(json.dumps({f"{n}.jpg": twice for n in range(30)}))
    assert "only 0 of 30 questions get an answer: are the boxes x1, y1, x2, y2 in pixels" in call(*words).stderr
