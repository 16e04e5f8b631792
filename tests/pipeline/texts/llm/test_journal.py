"""The journal: what was answered survives, what was torn is asked again."""

import asyncio
import json
import logging
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.store.store import Store
from pipeline.texts.llm.journal import Journal, earlier_journals
from pipeline.texts.llm.request import Answer, Request

REQUEST = Request(
    model="m",
    root="weights/m",
    revision=None,
    system="You describe.",
    pictures=("ab12",),
    system_role=True,
    template="describe-v1",
    template_version=1,
    prompt="Describe a horse – “now”.",
    temperature=0.2,
    top_p=0.9,
    max_tokens=160,
    seed=0,
)
ANSWER = Answer(
    text="A horse.\nIt stands – there.",
    finish_reason="stop",
    prompt_tokens=5,
    completion_tokens=None,
    latency_s=0.25,
    tries=1,
    asked_at="2026-01-01T00:00:00.000+00:00",
)


def filled(path: Path, seeds: range) -> Path:
    with Journal(path) as journal:
        for seed in seeds:
            asyncio.run(journal.add(replace(REQUEST, seed=seed), replace(ANSWER, latency_s=float(seed))))
    return path


def test_an_answer_is_on_disk_when_add_returns(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    asyncio.run(journal.add(REQUEST, ANSWER))
    record = json.loads((tmp_path / "j").read_text())  # the journal is still open
    assert record["answer"]["text"] == ANSWER.text and record["request"]["prompt"] == REQUEST.prompt
    with Journal(tmp_path / "j") as again:
        assert again.get(REQUEST) == ANSWER and len(again) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"root": None},
        {"revision": "r2"},
        {"system": ""},
        {"system_role": False},
        {"pictures": ()},
        {"template": "describe-v2"},
        {"template_version": 2},
        {"prompt": "x"},
        {"temperature": 0.3},
        {"top_p": 1.0},
        {"max_tokens": 161},
        {"seed": 1},
    ],
)
def test_another_request_has_another_answer(change: dict, tmp_path: Path) -> None:
    with Journal(filled(tmp_path / "j", range(1))) as journal:
        assert journal.get(replace(REQUEST, **change)) is None


@given(cut=st.integers(min_value=1, max_value=10_000))
def test_a_kill_at_any_byte_loses_the_last_line_at_most(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = filled(tmp_path_factory.mktemp("j") / "j", range(4))
    whole = path.read_bytes()
    path.write_bytes(whole[: min(cut, len(whole))])
    finished = path.read_bytes().count(b"\n")
    with Journal(path) as journal:
        assert len(journal) == finished
        asyncio.run(journal.add(replace(REQUEST, seed=9), ANSWER))
    with Journal(path) as journal:
        assert len(journal) == finished + 1


def test_a_damaged_line_costs_one_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = filled(tmp_path / "j", range(3))
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], lines[1][:20] + b"\xff\x00", lines[2], b""]))
    with caplog.at_level(logging.WARNING), Journal(path) as journal:
        assert len(journal) == 2
    assert "line 2 is damaged" in caplog.text


@pytest.mark.parametrize("bit", [1, 0x20])
def test_every_flipped_byte_is_noticed(bit: int, tmp_path: Path) -> None:
    path = filled(tmp_path / "j", range(1))
    whole = path.read_bytes()
    for place in range(len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        with Journal(path) as journal:
            assert len(journal) == 0, whole[place - 20 : place + 20]


DAMAGE: dict[str, Any] = {
    "text a list": {"text": [{"type": "text", "text": "x"}]},
    "text a number": {"text": 5},
    "text null": {"text": None},
    "half a character": {"text": "\ud83d"},
    "tokens a text": {"prompt_tokens": "5"},
    "tokens too many": {"prompt_tokens": 1 << 70},
    "model an object": {"answered_by": {"id": "m"}},
    "reason a number": {"finish_reason": 5},
    "latency NaN": {"latency_s": float("nan")},
    "another field": {"more": 1},
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("earlier", [False, True])
def test_a_line_of_wrong_types_is_asked_again(
    damage: str, earlier: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Such lines are in journals of earlier releases, without a digest."""
    record = {"key": REQUEST.key, "request": asdict(REQUEST), "answer": asdict(ANSWER)}
    other = replace(REQUEST, seed=1)
    good = {"key": other.key, "request": asdict(other), "answer": asdict(ANSWER)}
    bad = record | {"answer": record["answer"] | DAMAGE[damage]}
    (tmp_path / "j").write_text("".join(json.dumps(line) + "\n" for line in (bad, good, bad)))
    with Journal(tmp_path / ("k" if earlier else "j"), earlier=[tmp_path / "j"] if earlier else []) as journal:
        assert journal.get(REQUEST) is None and journal.get(other) == ANSWER
    assert [r.levelname for r in caplog.records] == ["WARNING"] and "line 1 is damaged, and 1 more" in caplog.text


def test_lines_of_an_earlier_release_are_read(tmp_path: Path) -> None:
    answer = {key: value for key, value in asdict(ANSWER).items() if key not in ("server", "answered_by")}
    line = {"key": REQUEST.key, "request": asdict(REQUEST), "answer": answer | {"text": "A \x1b[31mred\x1b[0m horse."}}
    (tmp_path / "j").write_text(json.dumps(line) + "\n")
    with Journal(tmp_path / "j") as journal:
        assert journal.get(REQUEST) == replace(ANSWER, text="A red horse.")


@pytest.mark.parametrize("line", [b"[" * 100_000, b'{"key":' * 50_000, b"null", b"[]", b'"x"', b"\xff\xfe", b"{}"])
def test_a_line_that_is_no_record_is_left_out(line: bytes, tmp_path: Path) -> None:
    path = filled(tmp_path / "j", range(1))
    path.write_bytes(line + b"\n" + path.read_bytes())
    with Journal(path) as journal:
        assert len(journal) == 1


def test_published_answers_are_those_used_and_serve_other_runs(tmp_path: Path) -> None:
    store = tmp_path / "store"
    scratch = store / ".work" / "aaaa" / "scratch"
    unfinished = store / ".work" / "bbbb" / "scratch"
    done, own = store / "descriptions" / "cccc", store / "descriptions" / "aaaa"
    for folder in (scratch, unfinished, done, own):
        folder.mkdir(parents=True)
    filled(unfinished / "journal.jsonl", range(2))
    with Journal(filled(tmp_path / "j", range(2, 5))) as journal:
        journal.get(replace(REQUEST, seed=3))
        journal.publish(done / "answers.jsonl")
        journal.publish(own / "answers.jsonl")
    found = earlier_journals(scratch, Store(store))
    assert found == [done / "answers.jsonl", unfinished / "journal.jsonl"]
    with Journal(scratch / "journal.jsonl", earlier=found) as journal:
        assert [journal.get(replace(REQUEST, seed=s)) is not None for s in range(5)] == [True, True, False, True, False]
    assert (scratch / "journal.jsonl").read_bytes() == b""
    assert earlier_journals(tmp_path, Store(store)) == []


def test_answers_that_come_in_together_share_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is on disk when its own `add` returns."""
    syncs = []

    def slow(number: int) -> None:
        syncs.append((tmp_path / "j").read_bytes().count(b"\n"))
        time.sleep(0.05)

    monkeypatch.setattr("pipeline.texts.llm.journal.os.fsync", slow)

    async def one(journal: Journal, seed: int) -> None:
        await asyncio.sleep(0.002 * seed)
        await journal.add(replace(REQUEST, seed=seed), ANSWER)
        assert syncs[-1] >= 1 and journal.get(replace(REQUEST, seed=seed)) == ANSWER
        assert any(count > seed for count in syncs), "a sync began after it was written"

    async def work() -> None:
        with Journal(tmp_path / "j") as journal:
            await asyncio.gather(*(one(journal, seed) for seed in range(40)))

    asyncio.run(work())
    assert len(syncs) < 10 and syncs[-1] == 40 and syncs == sorted(syncs)


def test_a_disk_that_fails_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.texts.llm.journal.os.fsync", full)
    with Journal(tmp_path / "j") as journal, pytest.raises(OSError, match="No space"):
        asyncio.run(journal.add(REQUEST, ANSWER))
    assert journal.get(REQUEST) is None
