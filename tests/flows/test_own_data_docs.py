"""The tutorial of docs/own-data.md, word by word: from a Label Studio export of ten drawings to drawn predictions."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from pipeline.datasets.own import annotated

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    """The lines of the tutorial's block as words."""
    block = re.search(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
    assert block is not None
    return [shlex.split(line) for line in block[1].splitlines()]


@pytest.mark.slow
def test_from_an_export_to_drawn_predictions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EZHOI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EZHOI__STORE__ROOT", str(tmp_path / "artifacts"))
    monkeypatch.setenv("EZHOI__DEVICE", "cpu")
    monkeypatch.setenv("EZHOI__UTPL__STEPS", "20")
    said = {}
    for words in commands():
        if words[0] == "cp":
            assert words[1:] == ["-r", "docs/own-data", "yard"]
            shutil.copytree(ROOT / words[2], words[3])
            continue
        result = CliRunner().invoke(app, words[1:])
        assert result.exit_code == 0, f"{words}\n{result.output}{result.exception!r}"
        said[" ".join(words[1:3])] = result.output
    assert "10 pictures (0 without interaction), 46 boxes (23 persons), 21 interactions" in said["data import"]
    assert "mAP, %" in said["run --target"]
    found = pd.read_parquet("predicted/predictions.parquet")
    assert set(found["file_name"]) <= {f"{number:03d}.png" for number in range(6)} and len(found) > 3
    assert len(list(Path("predicted/drawn").iterdir())) == 6 and Path("yard/look.html").is_file()


def test_the_example_is_without_a_fault() -> None:
    found = annotated.read(ROOT / "docs" / "own-data" / "export.json")
    assert not found.problems.found
    assert [len(found.rows.images), len(found.rows.boxes), len(found.rows.relations)] == [10, 46, 21]
    assert found.pairs["hoi_id"].nunique() == len(found.vocabulary.classes) == 8


def test_the_schemas_example_is_read(tmp_path: Path) -> None:
    example = re.search(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)
    assert example is not None
    (tmp_path / "own.json").write_text(example[1], encoding="utf-8")
    found = annotated.read(tmp_path)
    assert [c.name for c in found.vocabulary.classes] == ["ride cargo bike"] and len(found.rows.relations) == 2


def test_the_vocabularies_examples_are_read(tmp_path: Path) -> None:
    from pipeline.vocabulary import file, settings

    words, rules = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "vocabulary.yaml").write_text(words, encoding="utf-8")
    vocabulary = file.read(tmp_path / "vocabulary.yaml")
    assert [c.name for c in vocabulary.classes] == ["ride cargo bike", "hold goose"]
    (tmp_path / "settings.yaml").write_text(rules.replace("repair", "ride"), encoding="utf-8")
    found = settings.read_own(tmp_path / "settings.yaml", vocabulary, counts=lambda: {0: 4, 1: 9})
    assert found == {"mine": {1}, "verbs": {0}, "things": {0}, "few": set()}
