"""Stage `descriptions`, run by the real runner in a real store."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from pipeline.config.loading import load
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.engine import provenance
from pipeline.engine.execute import Outcome, execute
from pipeline.engine.graph import stage
from pipeline.engine.stage import Input
from pipeline.errors import DataError, ServiceError
from pipeline.store import digest
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import Manifest
from pipeline.store.store import Store, describe_files
from pipeline.texts.concepts import ASKED
from pipeline.texts.lexicon import lexicon
from pipeline.vocabulary import file
from pipeline.vocabulary.vocabulary import Vocabulary

READ_LATER = Input("descriptions", ("descriptions.parquet",))
VERBS = ("ride", "hug", "walk", "feed", "pet", "hold", "carry", "jump", "no_interaction")
HOIS = [hoi.hoi_id for hoi in HICO.classes if hoi.object in ("horse", "dog") and hoi.verb in VERBS]
WORDS = HICO.subset(HOIS)


def vocabulary(store: Store, words: Vocabulary = WORDS) -> Artifact:
    """A published artifact with `vocabulary.json` alone."""
    with store.workspace("0" * 32) as space:
        file.write(space.out / "vocabulary.json", words)
        files = describe_files(space.out)
        content = digest.of_files((f.name, f.digest) for f in files)
        manifest = Manifest(
            stage="vocabulary", version=1, fingerprint="0" * 32, digest=content, config={},
            sources={}, inputs=(), files=files, metrics={}, seconds={}, made_at="", host=provenance.host(),
            device="cpu", packages={}, seed=0, git_commit=None, git_dirty=None, code="",
        )  # fmt: skip
        return store.publish(space, manifest)


def described(root: Path, *overrides: str, progress=lambda *_: None, force: bool = False) -> Outcome:
    store = Store(root)
    found = store.get("vocabulary", "0" * 32) or vocabulary(store)
    config = load(overrides=[f"store.root={root}", *overrides], environment={})
    return execute(
        stage("descriptions"),
        config=config,
        store=store,
        inputs={"vocabulary": found},
        progress=progress,
        force=force,
    )


def asking(server, *overrides: str) -> list[str]:
    url = f"llm.runtime.base_url={server.url}"
    return ["descriptions.source=llm", "descriptions.tolerated=0", url, "llm.model=tiny-describer", *overrides]


def read_later(outcome: Outcome) -> str:
    return outcome.artifact.manifest.part_digest(READ_LATER.part)


def test_lexicon(tmp_path: Path) -> None:
    outcome = described(tmp_path)
    table = outcome.artifact.table("descriptions.parquet")
    assert table["hoi_id"].tolist() == sorted(HOIS)
    for row in table.to_dict("records"):
        assert row["name"] == HICO.classes[row["hoi_id"]].name
        assert tuple(row["sentences"]) == lexicon.describe(HICO.hoi(row["hoi_id"]))
        assert row["text"] == " ".join(row["sentences"])
        assert (row["source"], row["template"], row["template_version"]) == ("lexicon", "compose", 1)
        assert row["verdict"] == "passed"
        assert all(pd.isna(row[key]) for key in ("origin", "model", "prompt", "system", "seed", "finish_reason"))
    assert len(outcome.artifact.table("provenance.parquet")) == 0
    assert "answers.jsonl" not in outcome.artifact.names()
    metrics = outcome.artifact.manifest.metrics
    assert metrics["classes"] == len(HOIS) and 35 < metrics["mean_words"] < 66 and metrics["requests"] == 0
    assert described(tmp_path).hit


def test_lexicon_in_slots(tmp_path: Path) -> None:
    table = described(tmp_path, "descriptions.template=describe-slots-v1").artifact.table("descriptions.parquet")
    for row in table.to_dict("records"):
        assert tuple(row["sentences"]) == lexicon.describe(HICO.hoi(row["hoi_id"]), "describe-slots-v1")
        assert (row["template"], row["template_version"]) == ("describe-slots-v1", lexicon.SLOTS_VERSION)
        assert row["verdict"] == "passed"
    usual = described(tmp_path).artifact
    assert described(tmp_path, "descriptions.template=paper-describe-v1").artifact.fingerprint == usual.fingerprint


def test_concepts_are_made_for_the_head_that_reads_them(tmp_path: Path) -> None:
    usual, found = described(tmp_path), described(tmp_path, "model.head=regions")
    assert "concepts.parquet" not in usual.artifact.names() and read_later(usual) == read_later(found)
    assert described(tmp_path, "model.head=lowrank").artifact.fingerprint == usual.artifact.fingerprint
    table = found.artifact.table("concepts.parquet")
    verbs = {hoi.verb for hoi in WORDS.classes if not hoi.idle}
    assert set(table["name"]) == verbs and len(table) == 3 * len(verbs)
    assert table["sentences"].map(len).between(1, 10).all() and set(table["verdict"]) == {"passed"}


@pytest.mark.usefixtures("quick_retries")
def test_a_language_model_is_asked_for_concepts(language_server, tmp_path: Path) -> None:
    verbs = {hoi.verb_id: hoi for hoi in WORDS.classes if not hoi.idle}
    for hoi in verbs.values():
        for region in ASKED.values():
            said = (
                f"1. both arms point forward while {hoi.verb_ing}\n2. the legs are bent\n3. the eyes see {region[:12]}"
            )
            language_server.faults[f"{hoi.verb_ing} something, what is seen of {region}"] = [f"text:{said}"]
    asked = f"riding something, what is seen of {ASKED['object']}"
    language_server.faults[asked].insert(0, "text:I cannot say that, sorry.")
    found = described(tmp_path, *asking(language_server), "model.head=regions")
    table = found.artifact.table("concepts.parquet")
    assert (
        len(table) == 3 * len(verbs) and set(table["source"]) == {"llm"} and set(table["template"]) == {"concepts-v1"}
    )
    ride = table[(table["name"] == "ride") & (table["region"] == "human")].iloc[0]
    assert (
        ride["sentences"][0] == "both arms point forward while riding" and ride["sentences"][1] == "the legs are bent"
    )
    assert found.artifact.manifest.metrics["rejected"] == 1
    assert found.artifact.manifest.metrics["requests"] == len(HOIS) + len(table) + 1


def test_lexicon_is_the_same_anywhere(tmp_path: Path) -> None:
    assert described(tmp_path / "a").artifact.digest == described(tmp_path / "b").artifact.digest


def test_edits_replace_single_texts(tmp_path: Path) -> None:
    path = tmp_path / "edits.yaml"
    path.write_text("ride horse: A rider sits high. Dust rises behind.\neat pizza: not a class of this dataset\n")
    before, after = described(tmp_path / "s"), described(tmp_path / "s", f"descriptions.edits={path}")
    assert not after.hit and after.artifact.manifest.metrics["edited"] == 1
    old, new = (o.artifact.table("descriptions.parquet").set_index("name") for o in (before, after))
    assert list(new.loc["ride horse", "sentences"]) == ["A rider sits high.", "Dust rises behind."]
    assert new.loc["ride horse", "source"] == "edit" and pd.isna(new.loc["ride horse", "template"])
    others = [name for name in old.index if name != "ride horse"]
    pd.testing.assert_frame_equal(old.loc[others], new.loc[others], check_dtype=False)
    path.write_text("ride hrse: x\n")
    with pytest.raises(DataError, match=r"edits\.yaml, line 1, key 'ride hrse'.*ride horse"):
        described(tmp_path / "s", f"descriptions.edits={path}")


@pytest.mark.usefixtures("quick_retries")
def test_language_model_with_all_its_troubles(language_server, tmp_path: Path) -> None:
    faults = {"riding a horse": ["429", "empty"], "hugging a dog": ["500", "length"], "walking a dog": ["drop"]}
    for part, left in faults.items():
        language_server.faults[part] = left
    language_server.faults["petting a horse"] = ["text:I cannot describe a horse in this photograph, sorry."]
    twice = "text:A person stands near a dog and near a horse, hands at the sides."
    language_server.faults["feeding a dog"] = [twice]
    language_server.faults["feeding a horse"] = [twice]
    seen: list[tuple[int, int]] = []
    outcome = described(
        tmp_path, *asking(language_server), progress=lambda _, done, total, note: seen.append((done, total))
    )
    table = outcome.artifact.table("descriptions.parquet").set_index("name")
    assert len(table) == len(HOIS) and table["text"].nunique() == len(HOIS)
    assert set(table["source"]) == {"llm"} and set(table["finish_reason"]) == {"stop"}
    assert table.loc[["ride horse", "hug dog", "walk dog", "feed dog", "feed horse"], "seed"].tolist() == [
        1,
        1,
        0,
        0,
        1,
    ]
    assert table.loc["ride horse", "prompt"].startswith("What does a photograph of a person riding a horse look like?")
    assert table.loc["ride horse", "sentences"][0] == "A person riding a horse leans forward a little."
    how = outcome.artifact.table("provenance.parquet").set_index("hoi_id")
    assert (
        len(how) == len(HOIS) and set(how["model_root"]) == {"weights/tiny-describer"} and (how["latency_s"] > 0).all()
    )
    metrics = outcome.artifact.manifest.metrics
    assert (metrics["requests"], metrics["rejected"], metrics["reused"]) == (len(HOIS) + 4, 4, 0)
    assert seen[-1] == (len(HOIS), len(HOIS)) and max(done for done, _ in seen) == len(HOIS)
    assert len(outcome.artifact.path("answers.jsonl").read_text().splitlines()) == len(HOIS) + 4


@pytest.mark.usefixtures("quick_retries")
def test_what_later_stages_read_does_not_depend_on_how_it_went(language_server, tmp_path: Path) -> None:
    first = described(tmp_path / "a", *asking(language_server))
    language_server.delay_s = 0.01
    language_server.faults["riding a horse"] = ["500"]
    second = described(tmp_path / "b", *asking(language_server))
    assert first.artifact.digest != second.artifact.digest
    assert read_later(first) == read_later(second)


@pytest.mark.usefixtures("quick_retries")
def test_an_edit_asks_nothing_again(language_server, tmp_path: Path) -> None:
    first = described(tmp_path / "s", *asking(language_server))
    path = tmp_path / "edits.yaml"
    path.write_text("ride horse: A rider sits high above the ground.\n")
    before = len(language_server.requests)
    second = described(tmp_path / "s", *asking(language_server), f"descriptions.edits={path}")
    assert len(language_server.requests) == before
    assert second.artifact.manifest.metrics["reused"] == len(HOIS) - 1 and read_later(first) != read_later(second)


@pytest.mark.usefixtures("quick_retries")
def test_failing_classes_do_not_cost_the_others(language_server, tmp_path: Path) -> None:
    language_server.faults["riding a horse"] = ["empty"] * 3
    with pytest.raises(DataError, match=r"1 of .* classes got no usable text.*\n  ride horse: empty; empty; empty\n"):
        described(tmp_path / "s", *asking(language_server))
    assert not Store(tmp_path / "s").artifacts("descriptions")
    path = tmp_path / "edits.yaml"
    path.write_text("ride horse: A rider sits high above the ground.\n")
    before = len(language_server.requests)
    outcome = described(tmp_path / "s", *asking(language_server), f"descriptions.edits={path}")
    assert len(language_server.requests) == before and len(outcome.artifact.table("descriptions.parquet")) == len(HOIS)


@pytest.mark.usefixtures("quick_retries")
def test_force_asks_again(language_server, tmp_path: Path) -> None:
    described(tmp_path, *asking(language_server))
    described(tmp_path, *asking(language_server), force=True)
    assert set(language_server.asked().values()) == {2}


@pytest.mark.usefixtures("quick_retries")
def test_wrong_model_and_no_server(language_server, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="serves: tiny-describer"):
        described(tmp_path, *asking(language_server, "llm.model=tiny-describr"))
    with pytest.raises(ServiceError, match="cannot be reached"):
        described(
            tmp_path, *asking(language_server, "llm.runtime.base_url=http://127.0.0.1:9/v1", "llm.runtime.retries=1")
        )


RESUMED = """
import sys
from pathlib import Path
from pipeline.config.loading import load
from pipeline.engine.graph import stage
from pipeline.engine.execute import execute
from pipeline.store.store import Store
store = Store(Path(sys.argv[1]))
config = load(overrides=[f"store.root={sys.argv[1]}", *sys.argv[2:]], environment={})
execute(stage("descriptions"), config=config, store=store, inputs={"vocabulary": store.get("vocabulary", "0" * 32)})
"""


def test_a_killed_run_resumes_at_the_single_request(language_server, tmp_path: Path) -> None:
    store = Store(tmp_path)
    vocabulary(store)
    language_server.delay_s, flying = 0.15, 2
    settings = asking(language_server, f"llm.runtime.concurrency={flying}")
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", RESUMED, str(tmp_path), *settings], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}
    )
    deadline = time.monotonic() + 60
    while language_server.answered < 7 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    journals = list(tmp_path.glob(".work/*/scratch/journal.jsonl"))
    assert len(journals) == 1
    kept = journals[0].read_bytes().count(b"\n")
    time.sleep(0.4)  # requests in flight at the kill end on the server
    assert 7 - flying <= kept < len(HOIS)
    language_server.delay_s, before = 0.0, len(language_server.requests)
    outcome = described(tmp_path, *settings)
    assert len(language_server.requests) - before == len(HOIS) - kept
    metrics = outcome.artifact.manifest.metrics
    assert (metrics["reused"], metrics["requests"]) == (kept, len(HOIS) - kept)
    assert len(language_server.requests) <= len(HOIS) + flying
    fresh = described(tmp_path / "fresh", *settings)
    assert read_later(outcome) == read_later(fresh)
