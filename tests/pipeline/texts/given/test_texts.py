"""Texts from users' files: tables, the released code's formats, errors that name the file and the row."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError
from pipeline.texts.given import released, tables, texts

RELEASED = Path(__file__).parents[5] / "shared" / "data" / "descriptions" / "llava"
needs_released = pytest.mark.skipif(not RELEASED.is_dir(), reason="the released texts (../shared/data) are not here")
ROUND = {"text": "Arms round a dog."}
RIDE, HUG = HICO.find("ride horse").hoi_id, HICO.find("hug dog").hoi_id


def wrote(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", 'class,text\nride horse,"A person, on a horse."\nHug-Dog,Arms round a dog.\n'),
        ("t.csv", f"hoi_id,text\n{RIDE},\"A person, on a horse.\"\n{HUG},  Arms round   a dog. \n"),
        ("t.csv", '\ufeffverb,object,text,note\nride,horse,"A person, on a horse.",x\nhug,dog,Arms round a dog.,\n'),
        ("t.json", '{"ride horse": "A person, on a horse.", "hug dog": "Arms round a dog."}'),
        ("t.json", json.dumps([{"name": "ride horse", "text": "A person, on a horse."}, {"hoi_id": HUG} | ROUND])),
    ],
)  # fmt: skip
def test_tables_in_every_spelling(name: str, text: str, tmp_path: Path) -> None:
    found = texts.descriptions(wrote(tmp_path, name, text), HICO)
    assert {h: given.text for h, given in found.items()} == {RIDE: "A person, on a horse.", HUG: "Arms round a dog."}
    assert found[RIDE].origin in ("t.csv, line 2", "t.json, row 1")


@pytest.mark.parametrize(
    "other", [{"hoi_id": HUG}, {"verb": "hug", "object": "dog"}, {"hoi_id": HUG, "verb": "", "object": ""}]
)
def test_names_and_numbers_of_a_class_that_contradict_each_other_are_refused(
    other: dict[str, Any], tmp_path: Path
) -> None:
    path = wrote(tmp_path, "t.json", json.dumps([{"class": "ride horse", "text": "A person, on a horse.", **other}]))
    with pytest.raises(
        DataError, match=r"row 1: .*'ride horse'.* are not one class of .*Leave one of these columns out"
    ):
        texts.descriptions(path, HICO)
    agreeing = {
        "class": "ride horse",
        "hoi_id": RIDE,
        "verb": "ride",
        "object": "horse",
        "text": "A person, on a horse.",
    }
    assert list(texts.descriptions(wrote(tmp_path, "t.json", json.dumps([agreeing])), HICO)) == [RIDE]


@pytest.mark.parametrize("ending", [".csv", ".json", ".parquet"])
def test_what_is_written_is_read_again(ending: str, tmp_path: Path) -> None:
    rows = [
        {"class": "ride horse", "other": "hug dog", "text": 'High on a horse, "astride"; ünïcode.'},
        {"class": "hug dog", "other": "ride horse", "text": "Arms round\na dog."},
    ]
    path = tmp_path / f"t{ending}"
    tables.write(path, rows)
    found = texts.disparities(path, HICO)
    assert {h: (other, given.text) for h, (other, given) in found.items()} == {
        RIDE: (HUG, 'High on a horse, "astride"; ünïcode.'),
        HUG: (RIDE, "Arms round a dog."),
    }
    with pytest.raises(
        DataError, match=r"row 1|line 2: compares ride horse with hug dog; this file is one of disparities"
    ):
        texts.descriptions(path, HICO)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("t.csv", "class,text\nride hrse,A horse.\n", r"t\.csv, line 2: .*nearest: ride horse"),
        ("t.csv", "class,text\nride horse,A horse.\nride_horse,A horse.\n", r"line 3: ride horse has a text already"),
        ("t.csv", "class,text\nride horse,\n", r"line 2: the text of ride horse is empty"),
        ("t.csv", "class,words\nride horse,A horse.\n", r"line 2: expected the columns class .* found class, words"),
        ("t.csv", "hoi_id,text\n600,A horse.\n", r"line 2, hoi_id: '600' is no class of HICO-DET"),
        ("t.csv", "class,text\n", "holds no text"),
        ("t.csv", "hoi_id,text\n1,A cat.\n2,A dog.\n3,An airplane.\n", "only 1 of 3 texts name the object"),
        (
            "t.csv",
            "class,text\nride horse,High on a horse, astride.\n",
            r"t\.csv, line 2: 3 cells, but 2 columns.*quotes",
        ),
        ("t.csv", "class,text,text\nride horse,a,b\n", "the column 'text' is there twice"),
        ("t.csv", "class,text,,\nride horse,A person, sitting,\n", "4 cells, but 2 columns"),
        ("t.csv", "class,text\nride horse,A \x1b[31mhorse.\n", r"line 2: the text of ride horse has .* U\+001B"),
        ("t.csv", f"class,text\nride horse,{'a horse ' * 20_000}\n", r"line 2: .* has 159,999 characters"),
        ("t.csv", "class,text\nride horse,<think>A horse\n", r"line 2: .* is a model's thinking without an answer"),
        ("t.json", '{"ride horse": "A horse \\u202e."}', r"row 1: the text of ride horse has .* U\+202E"),
        ("t.json", '{"ride horse": "A horse \\ud83d."}', r"row 1: the text of ride horse has .* U\+D83D"),
        ("t.json", '{"ride horse": "A horse.", "ride horse": "Another horse."}', "the key 'ride horse' is given twice"),
        ("t.json", "[" * 100_000, "nested too deep"),
        ("t.json", '[{"hoi_id": 1.7, "text": "A horse."}]', r"row 1, hoi_id: 1\.7 is no class of HICO-DET"),
        ("t.json", '[{"hoi_id": true, "text": "A horse."}]', r"row 1, hoi_id: True is no class of HICO-DET"),
        ("t.json", '[{"hoi_id": "' + "9" * 5000 + '", "text": "A horse."}]', r"hoi_id: '9{79}\.\.\. \(5000 "),
        ("t.txt", "(4, 4)\nBoarding an \x1b]0;x\x07airplane.\n", r"line 1: the text of .* U\+001B"),
        ("t.json", "{", "not valid JSON"),
        ("t.json", '["a"]', "expected a list of rows"),
        (
            "t.json",
            '{"ride horse": "A horse.",\n"ride horse": "A horse."}',
            "'ride horse' is given twice, in lines 1 and 2",
        ),
        ("t.json", '[{"hoi_id": 160.5, "text": "A horse."}]', r"row 1, hoi_id: 160\.5 is no class of HICO-DET"),
        ("t.json", '[{"hoi_id": true, "text": "A horse."}]', r"row 1, hoi_id: True is no class of HICO-DET"),
        ("t.json", '[{"hoi_id": [1], "text": "A horse."}]', r"row 1, hoi_id: \[1\] is no class of HICO-DET"),
        ("t.json", '[{"hoi_id": null, "text": "A horse."}]', "expected the columns class"),
        ("t.csv", "hoi_id,text\n1.7,A horse.\n", r"line 2, hoi_id: '1\.7' is no class of HICO-DET"),
        ("t.csv", "hoi_id,text\n" + "9" * 5000 + ",A horse.\n", r"99\.\.\. \(5000 letters\) is no class of HICO-DET"),
        ("t.json", "[" * 100_000, "nested too deeply"),
        ("t.json", '{"ride horse": 3}', "the text is 3"),
        ("t.parquet", "x", "cannot be read as Parquet"),
        ("t.txt", "a horse\n", "none of the known formats"),
    ],
)
def test_faults_are_named(name: str, text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        texts.descriptions(wrote(tmp_path, name, text), HICO)


def test_two_columns_of_texts_in_parquet_are_refused(tmp_path: Path) -> None:
    table = pa.table([["ride horse"], ["A horse."], ["Another."], [1], [2]], names=["class", "text", "text", "x", "x"])
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t\.parquet: the column 'text' is there twice"):
        texts.descriptions(tmp_path / "t.parquet", HICO)


def test_the_empty_cells_of_a_spreadsheet_are_no_columns(tmp_path: Path) -> None:
    path = wrote(tmp_path, "t.csv", "class,text,,\nride horse,A horse.,,\n")
    assert [given.text for given in texts.descriptions(path, HICO).values()] == ["A horse."]


@pytest.mark.parametrize("spelling", ["{}", "{}.0", '"{}"', '" {} "', "{}e0"])
def test_a_class_is_given_by_any_spelling_of_its_number(spelling: str, tmp_path: Path) -> None:
    row = '[{"text": "A horse.", "hoi_id": ' + spelling.format(RIDE) + "}]"
    assert set(texts.descriptions(wrote(tmp_path, "t.json", row), HICO)) == {RIDE}


def test_a_file_of_descriptions_is_none_of_pairs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2: does not say what ride horse is compared with"):
        texts.disparities(wrote(tmp_path, "t.csv", "class,text\nride horse,A horse.\n"), HICO)
    with pytest.raises(DataError, match="cannot be read"):
        texts.descriptions(tmp_path / "none.csv", HICO)


def test_other_endings_and_missing_classes_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no format ends in '\.xml'; valid: \.csv"):
        tables.write(tmp_path / "t.xml", [{"class": "ride horse", "text": "x"}])
    with pytest.raises(DataError, match="599 have no text here"):
        released.write(tmp_path / "t.txt", {RIDE: "x"}, HICO)


def test_the_released_formats_are_written_as_they_are_read(tmp_path: Path) -> None:
    whole = {hoi.hoi_id: f"Here is {hoi.phrase}." for hoi in HICO.classes}
    released.write(tmp_path / "t.txt", whole, HICO)
    assert {h: given.text for h, given in texts.descriptions(tmp_path / "t.txt", HICO).items()} == whole
    pairs = {(RIDE, HUG): "The horse is ridden.", (HUG, RIDE): "The dog is hugged."}
    released.write_pairs(tmp_path / "p.txt", pairs)
    found = texts.disparities(tmp_path / "p.txt", HICO)
    assert {(h, other): given.text for h, (other, given) in found.items()} == pairs
    assert found[HUG][1].origin == "p.txt, line 3"


@needs_released
@pytest.mark.parametrize(
    ("file", "count", "name", "begins"),
    [
        ("hico_HOI_descrip.txt", 600, "board airplane", "In this image, a person is seen entering the airplane"),
        ("hico_HOI_descrip_2.txt", 600, "board airplane", "Boarding an airplane refers to the process of entering"),
        ("zs_possibility/all_act_descriptor.txt", 600, "fly airplane", "Cockpit: The cockpit is the control center"),
        ("vcoco_HOI_descrip.txt", 132, "hold person", 'The phrase "holding a person" refers to the act of physically'),
    ],
)
def test_released_descriptions(file: str, count: int, name: str, begins: str) -> None:
    found = texts.descriptions(RELEASED / file, HICO)
    assert len(found) == count and found[HICO.find(name).hoi_id].text.startswith(begins)
    if file == "hico_HOI_descrip.txt":
        assert found[599].text.endswith("coexistence in the frame."), "the last sentence is whole"
        assert found[599].origin == "hico_HOI_descrip.txt, line 1799"


@needs_released
@pytest.mark.parametrize(
    ("file", "count"),
    [
        ("unseen_verb_diff.txt", 84),
        ("rare_first_diff.txt", 120),
        ("non_rare_first_diff.txt", 120),
        ("unseen_object_diff.txt", 100),
        ("default_diff.txt", 120),
        ("unseen_verb_seen_diff.txt", 516),
        ("rare_first_seen_diff.txt", 480),
        ("non_rare_first_seen_diff.txt", 480),
        ("unseen_object_seen_diff.txt", 500),
    ],
)
def test_released_disparities(file: str, count: int) -> None:
    found = texts.disparities(RELEASED / "zs_possibility" / file, HICO)
    assert len(found) == count and all(other != h for h, (other, _) in found.items())
    if file == "unseen_verb_diff.txt":
        other, given = found[HICO.find("ride bicycle").hoi_id]
        assert HICO.classes[other].name == "push bicycle" and given.text.startswith('The phrase "a person riding a')
    if not file.endswith("seen_diff.txt") and file != "default_diff.txt":
        setting = {"unseen_verb": "uv", "rare_first": "rf_uc", "non_rare_first": "nf_uc", "unseen_object": "uo"}
        from pipeline.datasets.hico import settings

        assert set(found) == settings.SETTINGS[setting[file.removesuffix("_diff.txt")]]


@needs_released
def test_pairs_of_another_dataset_are_not_taken_for_ours() -> None:
    """V-COCO numbers other classes; what its texts quote tells which of ours some are about."""
    found = texts.disparities(RELEASED / "zs_possibility" / "vcoco_diff.txt", HICO)
    assert len(found) == 66
    other, given = found[HICO.find("sit on bicycle").hoi_id]
    assert HICO.classes[other].name == "ride motorcycle" and '"a person sitting on a bicycle"' in given.text


def test_parquet_of_numbers(tmp_path: Path) -> None:
    pq.write_table(pa.table({"hoi_id": [RIDE], "text": ["On a horse."]}), tmp_path / "t.parquet")
    assert texts.descriptions(tmp_path / "t.parquet", HICO)[RIDE].origin == "t.parquet, row 1"


def test_json_of_pairs(tmp_path: Path) -> None:
    path = wrote(tmp_path, "p.json", json.dumps([{"class": "ride horse", "seen_hoi_id": HUG, "text": "On a horse."}]))
    assert texts.disparities(path, HICO)[RIDE][0] == HUG


@pytest.mark.parametrize("name", ["t.csv", "t.json", "t.txt"])
def test_another_encoding_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes("class,text\nride horse,A horse à la carte.\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"t\.\w+, line \d: not UTF-8"):
        texts.descriptions(tmp_path / name, HICO)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    for name, content in (
        ("t.json", '{"ride horse": "A horse."}'),
        ("t.txt", "(4, 4)\nBoarding an airplane refers to it.\n"),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8-sig")
        assert len(texts.descriptions(tmp_path / name, HICO)) == 1


def test_a_formula_goes_out_quoted_and_comes_back(tmp_path: Path) -> None:
    mine = {
        "ride horse": "=HYPERLINK(horse)",
        "hug dog": "'=a dog",
        "feed cat": "-a cat",
        "kick sports_ball": "'a' ball",
    }
    tables.write(tmp_path / "t.csv", [{"class": name, "text": text} for name, text in mine.items()])
    cells = [row[1] for row in csv.reader((tmp_path / "t.csv").open(encoding="utf-8"))][1:]
    assert cells == ["'=HYPERLINK(horse)", "''=a dog", "'-a cat", "'a' ball"]
    assert [given.text for given in texts.descriptions(tmp_path / "t.csv", HICO).values()] == list(mine.values())


def test_other_columns_may_be_as_long_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"class,text,notes\nride horse,A horse.,{'x' * 200_000}\n")
    assert texts.descriptions(tmp_path / "t.csv", HICO)[RIDE].text == "A horse."


def test_a_table_that_unpacks_to_too_much_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    from pipeline.outside import reading

    monkeypatch.setattr(reading, "LARGEST_FILE", 4 << 20)
    table = pd.DataFrame({"hoi_id": [RIDE] * 500, "text": ["a horse " * 12_000] * 500})
    table.to_parquet(tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 1 << 20
    with pytest.raises(DataError, match="unpacks to more than 4 MiB"):
        texts.descriptions(tmp_path / "t.parquet", HICO)
    monkeypatch.setattr(reading, "MOST_ROWS", 499)
    with pytest.raises(DataError, match="has 500 rows"):
        texts.descriptions(tmp_path / "t.parquet", HICO)


def test_thinking_that_came_along_is_left_out_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "t.json").write_text('{"ride horse": "<think>hm</think>A horse."}')
    assert texts.descriptions(tmp_path / "t.json", HICO)[RIDE].text == "A horse." and "thinking" in caplog.text


def test_texts_of_classes_that_the_dataset_does_not_have_are_left_out_and_told(tmp_path: Path, caplog: Any) -> None:
    part = HICO.subset([RIDE], name="my part")
    path = wrote(tmp_path, "t.csv", 'class,text\nride horse,A horse.\nboard airplane,"An airplane."\n')
    assert set(texts.descriptions(path, part)) == {RIDE}
    assert "my part does not have 1 of the classes that texts are given for" in caplog.text
    assert "board airplane" in caplog.text
    with pytest.raises(DataError, match="no class of my part is called 'ride hrse'; nearest: ride horse"):
        texts.descriptions(wrote(tmp_path, "t.csv", "class,text\nride hrse,A horse.\n"), part)
    whole = {hoi.hoi_id: f"Here is {hoi.phrase}." for hoi in HICO.classes}
    released.write(tmp_path / "t.txt", whole, HICO)
    assert set(texts.descriptions(tmp_path / "t.txt", part)) == {RIDE}


def test_released_files_are_about_hico_alone(tmp_path: Path) -> None:
    other = replace(HICO, name="my yard", classes=(replace(HICO.classes[0], hoi_id=1),))
    whole = {hoi.hoi_id: f"Here is {hoi.phrase}." for hoi in HICO.classes}
    released.write(tmp_path / "t.txt", whole, HICO)
    for use in (
        lambda: texts.descriptions(tmp_path / "t.txt", other),
        lambda: released.write(tmp_path / "u", whole, other),
    ):
        with pytest.raises(DataError, match="HICO-DET's classes alone, and these are those of my yard"):
            use()
