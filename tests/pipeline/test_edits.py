"""Edits files: what they may say, and errors that name the file, the line and the key."""

from pathlib import Path

import pytest

from pipeline import edits
from pipeline.errors import DataError
from pipeline.hico.vocabulary import find


def wrote(folder: Path, text: str) -> Path:
    path = folder / "edits.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_names_in_any_spelling(tmp_path: Path) -> None:
    found = edits.read(
        wrote(tmp_path, "ride horse: A tall rider.\nEat-At dining_table: |\n  Two lines,\n  one text.\n")
    )
    assert found == {
        find("ride horse").hoi_id: "A tall rider.",
        find("eat_at dining_table").hoi_id: "Two lines, one text.",
    }


def test_an_empty_file_edits_nothing(tmp_path: Path) -> None:
    assert edits.read(wrote(tmp_path, "# nothing yet\n")) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ride horse: A.\nride hose: B.\n", r"edits\.yaml, line 2, key 'ride hose': .*nearest: .*ride horse"),
        ("ride horse: A.\nride_horse: B.\n", r"line 2, key 'ride_horse': this class has a text already"),
        ("ride horse:\n", r"line 1, key 'ride horse': the text is empty"),
        ("ride horse: '  '\n", r"line 1, key 'ride horse': the text is empty"),
        ("ride horse: 12\n", r"key 'ride horse': expected a text"),
        ("ride horse: [a, b]\n", r"key 'ride horse': expected a text"),
        ("- ride horse\n", r"edits\.yaml: expected a mapping"),
        ("ride horse: 'A.\n", r"edits\.yaml: cannot be read as YAML"),
        ("12: A.\n", r"line 1, key '12'"),
    ],
)
def test_faults_are_named(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        edits.read(wrote(tmp_path, text))
