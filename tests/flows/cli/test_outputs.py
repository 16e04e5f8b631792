"""What commands write never takes the place of what they read, and is called what it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli.app import app

BOX = {"x1": 2.5, "y1": 3.0, "x2": 40.0, "y2": 50.0}
PAIR = {"file_name": ["HICO_test2015_00000001.jpg"], "hoi_id": [0], "score": [0.5]} | {
    whose + corner: [value] for whose in "ho" for corner, value in BOX.items()
}
TEXTS = "class,text,model\nride horse,A person sits on a horse.,mine\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with detections, annotations and texts."""
    pd.DataFrame(PAIR).to_parquet(tmp_path / "d.parquet")
    pd.DataFrame(PAIR).drop(columns="score").to_parquet(tmp_path / "a.parquet")
    (tmp_path / "texts.csv").write_text(TEXTS)
    (tmp_path / "here").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ezhoi(*words: str) -> tuple[int, str]:
    """The exit code of a command, and all that it printed."""
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.output + str(result.exception or "")


EXPORT = ("evaluate", "export", "-d", "d.parquet", "-a", "a.parquet", "--to")


@pytest.mark.parametrize(
    "command",
    [
        (*EXPORT, "parquet", "--out", "d.parquet"),
        (*EXPORT, "parquet", "--out", "here/../{name}/a.parquet"),
        (*EXPORT, "parquet", "--out", "here/d.parquet"),
        ("describe", "import", "texts.csv", "--to", "here/texts.csv"),
        ("weights", "import", "w.safetensors", "--out", "w.safetensors"),
        ("data", "import", "yard.json", "--to", "here/yard.json"),
        ("data", "look", "yard.html", "--to", "here/yard.html"),
        ("evaluate", "vcoco", "-d", "v.json", "-a", "labels.json", "--export", "v.json"),
        ("evaluate", "vcoco", "-d", "v.json", "-a", "labels.json", "--export", "labels.json"),
    ],
)
def test_the_files_that_are_read_are_not_written_over(command: tuple[str, ...], folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    code, says = ezhoi(*(word.replace("{name}", folder.name) for word in command))
    assert code == 1 and "is read by this command, which would write over it" in says
    assert before == {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ((*EXPORT, "coco", "--out", "x.parquet"), "--to coco writes a file whose name ends in .json"),
        ((*EXPORT, "qpic", "--out", "x"), "--to qpic writes a file whose name ends in .json"),
        ((*EXPORT, "parquet", "--out", "x.json"), "--to parquet writes a file whose name ends in .parquet"),
        ((*EXPORT, "mat", "--out", "x.mat"), "--to mat writes a folder"),
        (
            ("weights", "import", "w.pt", "--out", "x.pt"),
            "written as safetensors, so its name has to end in .safetensors",
        ),
        (("data", "import", "yard.json", "--to", "x.yaml"), "has to end in .json"),
        (("world", "detector", "x.pt"), "written as safetensors, so its name has to end in .safetensors"),
        (("world", "clip", "x.pt"), "written as safetensors, so its name has to end in .safetensors"),
        (("evaluate", "vcoco", "-d", "v.json", "-a", "l.json", "--export", "x.pkl"), "has to end in .json"),
    ],
)
def test_a_name_that_says_another_format_is_refused_before_anything_is_read(
    command: tuple[str, ...], says: str, folder: Path
) -> None:
    code, said = ezhoi(*command)
    assert code == 1 and says in said
    assert not list(folder.glob("x*"))


def test_a_fitting_name_is_taken_whatever_its_case(folder: Path) -> None:
    for to, out in (("coco", "x.JSON"), ("parquet", "x.Parquet")):
        code, said = ezhoi(*EXPORT, to, "--out", out)
        assert code == 0 and (folder / out).is_file(), said
    shutil.copy("x.Parquet", "again.parquet")
    assert ezhoi("evaluate-detections", "-d", "again.parquet", "-a", "a.parquet")[0] == 0


def test_detections_given_as_annotations_are_remarked(folder: Path) -> None:
    code, said = ezhoi("evaluate-detections", "-d", "d.parquet", "-a", "d.parquet")
    assert code == 0 and "d.parquet has a column score: are these annotations, or detections?" in said
    assert "column score" not in ezhoi("evaluate-detections", "-d", "d.parquet", "-a", "a.parquet")[1]


def test_a_curve_is_looked_up_before_anything_is_evaluated(folder: Path) -> None:
    code, said = ezhoi("evaluate-detections", "-d", "d.parquet", "-a", "a.parquet", "--curve", "ride hors")
    assert code == 1 and "--curve ride hors: no class of HICO-DET" in said
    code, said = ezhoi("evaluate-detections", "-d", "d.parquet", "-a", "a.parquet", "--curve", "ride horse")
    assert code == 0 and "--curve: only the report shows that, and --out FOLDER writes it" in said
