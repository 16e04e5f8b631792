"""`ezhoi describe` and the diff of descriptions, on real stages of a small world."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_demo import SETTINGS
from typer.testing import CliRunner

from flows.cli.app import app, main
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.store import digest
from pipeline.store.manifest import NAME
from pipeline.store.store import Store, describe_files

WORLD = ("data.world.train_images=24", "data.world.test_images=12", "device=cpu")


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("describe")


@pytest.fixture
def ezhoi(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call the command line in a folder of its own, which holds the store."""
    monkeypatch.chdir(root)
    for setting in (*WORLD, f"store.root={root / 'store'}"):
        key, _, value = setting.partition("=")
        monkeypatch.setenv("EZHOI__" + key.upper().replace(".", "__"), value)

    def call(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == code, result.output + str(result.exception)
        return result.output if not result.exception or code == 0 else str(result.exception)

    return call


def test_settings_are_those_of_the_small_demo() -> None:
    assert {s.split("=")[0] for s in WORLD} < {s.split("=")[0] for s in SETTINGS}


def test_preview_asks_nothing_and_makes_nothing(ezhoi: Any, root: Path) -> None:
    said = ezhoi("describe", "--preview", "ride horse", "--set", "descriptions.template=paper-describe-v1")
    assert "Describe a person riding a horse and focus on the action." in said and "source is lexicon" in said
    assert "system:" in ezhoi("describe", "--preview", "ride_horse")
    assert not (root / "store").exists()
    assert "nearest: ride horse" in ezhoi("describe", "--preview", "ride hrse", code=1)


def test_describe_edit_diff_export_import(ezhoi: Any, root: Path) -> None:
    said = ezhoi("describe", "--separability")
    assert "0 texts fail the quality gate" in said and "all classes" in said and "verb eat" in said
    old = Store(root / "store").find("descriptions")
    text = "A person sits high on a horse; both hands hold the reins."
    said = ezhoi("describe", "edit", "ride horse", "--text", text)
    assert "a run would compute: descriptions\n" in said and "come out unchanged: text_embeddings" in said
    assert "descriptions.edits=edits.yaml" in said and "unseen" not in said
    assert (root / "edits.yaml").read_text() == f"ride horse: {text}\n"
    ezhoi("describe", "--separability", "--set", "descriptions.edits=edits.yaml")
    new = Store(root / "store").find("descriptions")
    assert new.fingerprint != old.fingerprint
    said = ezhoi("artifacts", "diff", old.fingerprint, new.fingerprint)
    assert "descriptions.edits: ride horse" in said and "1 changed text" in said and "unseen classes have" in said
    found = json.loads(ezhoi("artifacts", "diff", old.fingerprint, new.fingerprint, "--json"))
    (change,) = found["texts"]
    assert [by.partition("/")[0] for by in found["similarities_by"]] == ["text_embeddings"] * 2
    assert all("clip.architecture=" in by and "setting=rf_uc" in by for by in found["similarities_by"])
    assert (change["name"], change["new"], change["new_source"]) == ("ride horse", text, "edit")
    assert 0.3 < change["similarity"] < 0.999 and isinstance(found["nearest_seen"], list)
    ezhoi("describe", "export", "plain.csv")
    assert text not in (root / "plain.csv").read_text(), "this configuration has no edits"
    edited = ["--set", "descriptions.edits=edits.yaml"]
    shown = ezhoi("describe", "show", "ride horse", *edited)
    assert text in shown and "edits.yaml" in shown and new.place in shown
    said = ezhoi("describe", "export", "texts.csv", *edited)
    assert f"of descriptions/{new.fingerprint[:12]}" in said
    table = pd.read_csv(root / "texts.csv").set_index("class")
    assert table.loc["ride horse", "text"] == text and table.loc["ride horse", "source"] == "edit"
    assert "use it: ezhoi run --set descriptions.source=file" in ezhoi("describe", "import", "texts.csv")
    ezhoi("describe", "--set", "descriptions.source=file", "--set", "descriptions.file=texts.csv")
    given = Store(root / "store").find("descriptions").table("descriptions.parquet").set_index("hoi_id")
    horse = given.loc[HICO.find("ride horse").hoi_id]
    assert set(given["source"]) == {"file"} and horse["text"] == text and horse["origin"].startswith("texts.csv, line ")
    assert len(given) == len(old.table("descriptions.parquet"))


def test_a_text_of_several_sentences_is_shown(ezhoi: Any, root: Path) -> None:
    own = ("--set", f"store.root={root / 'shown'}")
    ezhoi("describe", *own)
    shown = dict(line.split(maxsplit=1) for line in ezhoi("describe", "show", "ride horse", *own).splitlines())
    parts = json.loads(shown["sentences"])
    assert len(parts) > 1 and " ".join(parts) == shown["text"]
    assert shown["source"] == "lexicon" and "model" not in shown, "what is missing is left out"


def test_before_a_run_commands_say_what_to_run(ezhoi: Any, root: Path) -> None:
    elsewhere = ("--set", f"store.root={root / 'empty'}")
    for words, stage in (
        (("describe", "pairs"), "disparities"),
        (("describe", "show", "ride horse"), "descriptions"),
        (("describe", "export", "x.csv"), "descriptions"),
        (("artifacts", "show", "utpl"), "utpl"),
        (("artifacts", "lineage", "evaluation"), "evaluation"),
    ):
        said = ezhoi(*words, *elsewhere, code=1)
        assert f"ezhoi run --target {stage}" in said


def test_what_a_store_has_from_elsewhere_commands_no_terminal(ezhoi: Any, root: Path) -> None:
    """Texts of earlier releases, or of a store that others write to."""
    own = ("--set", f"store.root={root / 'hostile'}")
    ezhoi("describe", *own)
    store = Store(root / "hostile")
    old = store.find("descriptions")
    table = old.table("descriptions.parquet")
    table.loc[table["name"] == "ride horse", "text"] = "A \x1b]0;title\x07\x1b[31mred\u202e horse."
    with store.workspace(old.fingerprint) as space:
        shutil.copytree(old.fetched(), space.out, dirs_exist_ok=True, ignore=shutil.ignore_patterns(NAME))
        table.to_parquet(space.out / "descriptions.parquet")
        files = describe_files(space.out)
        content = digest.of_files((file.name, file.digest) for file in files)
        store.publish(space, old.manifest.model_copy(update={"files": files, "digest": content}))
    assert "A red horse." in ezhoi("describe", "show", "ride horse", *own)
    (root / "other.yaml").write_text("ride horse: A person sits astride a brown horse.\n")
    ezhoi("describe", *own, "--set", "descriptions.edits=other.yaml")
    new = Store(root / "hostile").find("descriptions")
    said = ezhoi("artifacts", "diff", old.fingerprint, new.fingerprint, *own)
    assert "A red horse." in said and not set(said) & set("\x1b\x07\u202e")


def test_errors_command_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["ezhoi", "describe", "import", "a\x1b]0;x\x07\x1b[31mred\u202e.csv"])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert "error: ared.csv: cannot be read" in said and not set(said) & set("\x1b\x07\u202e")


def test_a_file_that_lacks_classes_is_not_mixed_silently(ezhoi: Any, root: Path) -> None:
    (root / "few.csv").write_text('class,text\nride horse,"A person sits astride a horse on a meadow."\n')
    given = ["--set", "descriptions.source=file", "--set", "descriptions.file=few.csv"]
    assert "no text for 121 of 122 classes" in ezhoi("describe", *given, code=1)
    said = ezhoi("describe", *given, "--set", "descriptions.missing=lexicon")
    assert "1 from file" in said and "121 from lexicon" in said


def test_strict_fails_where_a_given_text_does(ezhoi: Any, root: Path) -> None:
    ezhoi("describe")
    ezhoi("describe", "export", "whole.csv")
    table = pd.read_csv(root / "whole.csv")
    table.loc[table["class"] == "ride horse", "text"] = "A person is feeding a horse and stands beside it."
    table.to_csv(root / "bad.csv", index=False)
    given = ["--set", "descriptions.source=file", "--set", "descriptions.file=bad.csv"]
    assert "ride horse: wrong verb ('feeding', not 'riding')" in ezhoi("describe", *given)
    assert "1 of 122 given descriptions fail the quality gate" in ezhoi("describe", "--strict", *given, code=1)


def test_actions_guide_as_well(ezhoi: Any, root: Path) -> None:
    ezhoi("run", "--only", "text_embeddings", "--set", "descriptions.actions=true")
    store = Store(root / "store")
    actions = store.find("descriptions").table("actions.parquet").set_index("name")
    assert "ride" in actions.index and "no_interaction" not in actions.index and actions["text"].is_unique
    assert set(actions["verdict"]) == {"passed"} and "the object" in actions.loc["ride", "text"]
    from pipeline.tables import arrays

    embedded = arrays.read(store.find("text_embeddings").path("seen-descriptions.parquet"))
    assert {len(rows) for rows in embedded["actions"]} <= {0, 3}


def test_a_file_of_disparities_chooses_the_pairs(ezhoi: Any, root: Path) -> None:
    ezhoi("run", "--only", "disparities")
    ezhoi("describe", "export", "pairs.csv", "--disparities")
    table = pd.read_csv(root / "pairs.csv")
    said = ezhoi("describe", "pairs")
    assert all(f"  {row['class']} ~ {row['other']}: {row['text']}" in said for row in table.to_dict("records"))
    seen = next(name for name in table["other"] if name != table["other"][0])
    table.loc[0, ["other", "text"]] = [seen, f"This is {table['class'][0]} in words of my own, nothing else."]
    table.to_csv(root / "mine.csv", index=False)
    given = ["--set", "disparities.source=file", "--set", "disparities.file=mine.csv"]
    ezhoi("run", "--only", "disparities", *given)
    made = Store(root / "store").find("disparities").table("disparities.parquet")
    assert made["seen_hoi_id"][0] == HICO.find(seen).hoi_id and made["text"][0].endswith("nothing else.")
    assert set(made["source"]) == {"file"} and made["origin"][0].startswith("mine.csv, line 2")
    table[1:].to_csv(root / "mine.csv", index=False)
    assert f"no text for the unseen classes {table['class'][0]}" in ezhoi(
        "run", "--only", "disparities", *given, code=1
    )
