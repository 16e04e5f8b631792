"""Disparity texts: from the lexicon, from edited descriptions, from a language model."""

from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from pipeline.config.loading import load
from pipeline.config.tree import Config
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import ConfigError, DataError
from pipeline.texts import disparity, sentences
from pipeline.texts.disparity import difference
from pipeline.texts.lexicon import lexicon

NAMES = ("ride horse", "ride cow", "hug horse", "feed dog", "pet dog")
RIDE, COW, HUG, FEED, PET = (HICO.find(name).hoi_id for name in NAMES)

write = partial(disparity.write, vocabulary=HICO, progress=lambda *_: None)


def described(**edited: str) -> pd.DataFrame:
    """Descriptions of NAMES; keywords (verb_object) are edited ones."""
    rows = []
    for name in NAMES:
        hoi_id, edit = HICO.find(name).hoi_id, edited.get(name.replace(" ", "_"))
        parts = sentences.split(edit) if edit else lexicon.describe(HICO.hoi(hoi_id))
        source = "edit" if edit else "lexicon"
        rows.append({"hoi_id": hoi_id, "text": " ".join(parts), "sentences": list(parts), "source": source})
    return pd.DataFrame(rows)


def config(*overrides: str) -> Config:
    return load(overrides=overrides, environment={})


def test_from_the_lexicon_by_default(tmp_path: Path) -> None:
    table = write([(RIDE, COW), (HUG, RIDE)], config=config(), descriptions=described(), journal=tmp_path / "j")
    assert list(table.columns[:4]) == ["hoi_id", "seen_hoi_id", "text", "sentences"]
    assert table["hoi_id"].tolist() == [RIDE, HUG] and table["seen_hoi_id"].tolist() == [COW, RIDE]
    assert tuple(table["sentences"][1]) == lexicon.contrast(HICO.hoi(HUG), HICO.hoi(RIDE), "contrast-v1")
    assert table["text"][1] == " ".join(lexicon.contrast(HICO.hoi(HUG), HICO.hoi(RIDE), "contrast-v1"))
    assert set(table["source"]) == {"lexicon"} and set(table["template"]) == {"contrast-v1"}
    assert table["template_version"].tolist() == [lexicon.LEXICON_VERSION] * 2 and table["model"].isna().all()
    assert not (tmp_path / "j").exists()


def test_the_template_changes_the_wording(tmp_path: Path) -> None:
    arguments = {"descriptions": described(), "journal": tmp_path / "j"}
    first = write([(HUG, RIDE)], config=config(), **arguments)
    second = write([(HUG, RIDE)], config=config("disparities.template=contrast-v2"), **arguments)
    assert first["text"][0] != second["text"][0] and second["template"][0] == "contrast-v2"
    with pytest.raises(ConfigError, match="contrast-v1, contrast-v2"):
        write([(HUG, RIDE)], config=config("disparities.template=contrast-v3"), **arguments)


@pytest.mark.parametrize("source", ["lexicon", "llm"])
def test_an_edited_description_speaks_for_itself(source: str, tmp_path: Path) -> None:
    same = lexicon.describe(HICO.hoi(COW))[1]
    edit = f"A rider sits high above the mane. {same} Dust rises."
    settings = config(f"disparities.source={source}", "llm.runtime.base_url=http://127.0.0.1:9/v1")
    table = write([(RIDE, COW)], config=settings, descriptions=described(ride_horse=edit), journal=tmp_path / "j")
    assert list(table["sentences"][0]) == ["A rider sits high above the mane.", "Dust rises."]
    assert table["source"][0] == "edit"


def test_an_edited_seen_class_counts_too(tmp_path: Path) -> None:
    edit = lexicon.describe(HICO.hoi(HUG))[0] + " They rest."
    table = write([(HUG, RIDE)], config=config(), descriptions=described(ride_horse=edit), journal=tmp_path / "j")
    assert tuple(table["sentences"][0]) == lexicon.describe(HICO.hoi(HUG))[1:] and table["source"][0] == "edit"


def test_difference_is_never_empty() -> None:
    assert difference(["A b.", "C d."], ["a B!"]) == ("C d.",)
    assert difference(["A b."], ["A b.", "C."]) == ("A b.",)


def test_nothing_unseen_is_an_empty_table_of_the_same_columns(tmp_path: Path) -> None:
    full = write([(HUG, RIDE)], config=config(), descriptions=described(), journal=tmp_path / "j")
    for source in ("lexicon", "llm"):
        settings = config(f"disparities.source={source}", "llm.runtime.base_url=http://127.0.0.1:9/v1")
        empty = write([], config=settings, descriptions=described(), journal=tmp_path / "j")
        assert len(empty) == 0 and list(empty.columns) == list(full.columns)
        assert list(empty.dtypes) == list(full.dtypes)


def test_a_class_without_description_is_named(tmp_path: Path) -> None:
    missing = described().query("hoi_id != @RIDE")
    with pytest.raises(DataError, match="no description of ride horse"):
        write([(HUG, RIDE)], config=config(), descriptions=missing, journal=tmp_path / "j")


def test_tables_are_written_alike_whatever_the_source(tmp_path: Path) -> None:
    """Whole numbers stay whole in Parquet where some are missing."""
    import pyarrow.parquet as pq

    table = write([(HUG, RIDE)], config=config(), descriptions=described(), journal=tmp_path / "j")
    table.to_parquet(tmp_path / "t.parquet", index=False)
    kinds = {field.name: str(field.type) for field in pq.read_schema(tmp_path / "t.parquet")}
    assert kinds["hoi_id"] == kinds["seed"] == kinds["max_tokens"] == "int64" and kinds["temperature"] == "double"


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("template", ["contrast-v1", "contrast-v2"])
def test_from_a_language_model(template: str, language_server, tmp_path: Path) -> None:
    settings = config(
        "disparities.source=llm",
        f"disparities.template={template}",
        f"llm.runtime.base_url={language_server.url}",
        "llm.model=tiny-describer",
    )
    language_server.faults["petting a dog"] = ["empty"]
    edited = described(ride_horse="A rider sits high above the mane.")
    arguments = {"config": settings, "descriptions": edited, "journal": tmp_path / "j", "keep": tmp_path}
    table = write([(RIDE, COW), (FEED, PET)], **arguments)
    own = template == "contrast-v1"  # the other prompt shows the edited text to the model
    assert table["source"].tolist() == ["edit" if own else "llm", "llm"]
    prompts = {request["messages"][0]["content"] for request in language_server.requests}
    assert any("A rider sits high above the mane." in prompt for prompt in prompts) != own
    assert len(language_server.requests) == (2 if own else 3)
    assert list(table["sentences"][1])[1].startswith("Version B keeps the dog")
    assert (table["model"][1], table["seed"][1], table["finish_reason"][1]) == ("tiny-describer", 1, "stop")
    provenance = pd.read_parquet(tmp_path / "provenance.parquet")
    assert provenance["hoi_id"].tolist() == ([FEED] if own else [RIDE, FEED])
    assert provenance["attempts"].tolist()[-1] == 2
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == len(language_server.requests)
    write([(RIDE, COW), (FEED, PET)], **arguments)
    assert len(language_server.requests) == (2 if own else 3)
