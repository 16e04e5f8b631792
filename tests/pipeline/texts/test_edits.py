"""Edits files: what they may say, and errors that name the file, the line and the key."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError
from pipeline.texts import edits


def wrote(folder: Path, text: str) -> Path:
    path = folder / "edits.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_names_in_any_spelling(tmp_path: Path) -> None:
    found = edits.read(
        wrote(tmp_path, "ride horse: A tall rider.\nEat-At dining_table: |\n  Two lines,\n  one text.\n"), HICO
    )
    assert found == {
        HICO.find("ride horse").hoi_id: "A tall rider.",
        HICO.find("eat_at dining_table").hoi_id: "Two lines, one text.",
    }


def test_an_empty_file_edits_nothing(tmp_path: Path) -> None:
    assert edits.read(wrote(tmp_path, "# nothing yet\n"), HICO) == {}


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
        ("ride horse: 'A.\n", r"edits\.yaml: not valid YAML"),
        ("12: A.\n", r"line 1, key '12'"),
    ],
)
def test_faults_are_named(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        edits.read(wrote(tmp_path, text), HICO)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# mine\nride cow: A low rider.  # stays\n",
        "ride horse: old\n# mine\nride cow: A low rider.\n",
        "ride cow: A low rider.\nRide_Horse: |\n  old,\n  of two lines\n\n# mine\nhug dog: Arms round it.\n",
        'ride cow: A low rider.\nride horse: "old\n  and quoted"',
        "ride horse: old and\n  folded\nride cow: A low rider.",
    ],
)
def test_put_changes_one_text_and_no_other_line(text: str, tmp_path: Path) -> None:
    path = wrote(tmp_path, text)
    before = edits.read(path, HICO)
    new = (
        "A rider: high, 'astride' - \"tall\" #1, and so long a text that it does not fit into one line of YAML at all."
    )
    edits.put(path, "ride horse", new, HICO)
    horse = HICO.find("ride horse").hoi_id
    assert edits.read(path, HICO) == {horse: new} | {h: t for h, t in before.items() if h != horse}
    kept = [line for line in text.splitlines() if line.startswith(("#", "ride cow", "hug dog"))]
    assert [line for line in path.read_text().splitlines() if line.startswith(("#", "ride cow", "hug dog"))] == kept


def test_put_makes_the_file_and_refuses_what_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    edits.put(path, "ride horse", "High up.", HICO)
    assert path.read_text() == "ride horse: High up.\n"
    with pytest.raises(DataError, match=r"new\.yaml.*the text is empty"):
        edits.put(path, "ride horse", " ", HICO)
    assert path.read_text() == "ride horse: High up.\n" and list(tmp_path.iterdir()) == [path]
    path.write_text("{ride horse: High up., hug dog: Round it.}\n")
    with pytest.raises(DataError, match="one entry a line"):
        edits.put(path, "ride horse", "Low.", HICO)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'ride horse: "A \\e[31mhorse."\n', r"line 1, key 'ride horse': the text has the control character U\+001B"),
        (b'ride horse: "A \\u202ehorse."\n', r"U\+202E"),
        (b'ride horse: "A \\ud83d horse."\n', r"U\+D83D"),
        (b"ride horse: A horse \xe0 la carte.\n", "not UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b"? [a, b]\n: x\n", r"line 1: a list or mapping is no class"),
        (b"ride horse: " + b"a horse " * 20_000, "has 159,999 characters"),
    ],
)
def test_what_no_text_may_hold_is_named(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "edits.yaml").write_bytes(content)
    with pytest.raises(DataError, match=rf"descriptions\.edits = .*edits\.yaml.*{says}"):
        edits.read(tmp_path / "edits.yaml", HICO)


def test_an_edit_with_control_characters_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "edits.yaml"
    edits.put(path, "ride horse", "A horse.", HICO)
    with pytest.raises(DataError, match=r"U\+001B"):
        edits.put(path, "ride horse", "A \x1b[31mhorse.", HICO)
    assert path.read_text() == "ride horse: A horse.\n" and [p.name for p in tmp_path.iterdir()] == ["edits.yaml"]


def test_of_edits_at_the_same_time_none_is_lost(tmp_path: Path) -> None:
    """Each reads the whole file and writes it anew."""
    path, names = tmp_path / "edits.yaml", [hoi.name for hoi in HICO.classes[:16]]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: edits.put(path, name, f"This is {name}.", HICO), names))
    assert set(edits.read(path, HICO).values()) == {f"This is {name}." for name in names}
