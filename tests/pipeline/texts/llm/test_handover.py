"""Answers that came in on a machine that was lost are not asked for again by another one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ServiceError, StoreError
from pipeline.store.exchange import Exchange
from pipeline.store.remote.exchange import ObjectExchange
from pipeline.texts.llm import handover
from pipeline.texts.llm.journal import Journal
from tests.pipeline.texts.llm.test_journal import ANSWER, REQUEST


def add(journal: Journal, *seeds: int) -> None:
    async def each() -> None:
        for seed in seeds:
            await journal.add(replace(REQUEST, seed=seed), replace(ANSWER, latency_s=float(seed)))
            while journal._giving is not None and not journal._giving.done():
                await asyncio.sleep(0.01)  # as while the next answer is awaited

    asyncio.run(each())


def known(journal: Journal, most: int = 10) -> list[int]:
    return [seed for seed in range(most) if journal.get(replace(REQUEST, seed=seed)) is not None]


@pytest.fixture
def machines(gate: Any, tmp_path: Path) -> dict[Path, ObjectExchange]:
    """Two scratch folders that share an object store only."""
    gate.closed = False
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    return {
        folder / "journal.jsonl": ObjectExchange(f"s3://bucket/{tmp_path.name}", "f00", ttl=10) for folder in folders
    }


def test_another_machine_goes_on_from_a_stage_that_failed_and_back(machines: dict[Path, ObjectExchange]) -> None:
    (one, first), (other, second) = machines.items()
    with pytest.raises(ServiceError), Journal(one, exchange=first) as journal:
        add(journal, 0, 1)
        raise ServiceError("the server is gone")
    with pytest.raises(ServiceError), Journal(other, exchange=second) as journal:
        assert known(journal) == [0, 1]
        add(journal, 2)
        raise ServiceError("the server is gone")
    assert len(second.objects.names(".work/f00")) == 1, "the last copy stays"
    lines = one.read_bytes().splitlines()
    with Journal(one, exchange=first) as journal:
        assert known(journal) == [0, 1, 2]
    assert one.read_bytes().splitlines()[:2] == lines and len(one.read_bytes().splitlines()) == 3
    assert [p.name for p in one.parent.iterdir()] == ["journal.jsonl"]


def test_a_machine_that_is_killed_has_handed_over(
    machines: dict[Path, ObjectExchange], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "SECONDS", 0.0)
    (one, first), (other, second) = machines.items()
    journal = Journal(one, exchange=first)
    add(journal, 0)
    add(journal, 1)  # and never closed
    with Journal(other, exchange=second) as going_on:
        assert known(going_on) == [0, 1]


def test_a_line_that_is_being_written_is_not_handed_over(machines: dict[Path, ObjectExchange]) -> None:
    (one, first), (other, second) = machines.items()
    with Journal(one) as journal:
        add(journal, 0)
    with one.open("a") as file:
        file.write('{"key": "ab')
    handover.give(one, first)
    handover.take_over(other, second)
    assert other.read_text().count("\n") == 1 and other.read_text().endswith("}\n")


def test_a_store_that_is_away_costs_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Away(Exchange):
        def keep(self, path: Path, *, step: int, content: str | None = None) -> None:
            raise StoreError("s3://bucket does not answer as it should")

    with pytest.raises(ServiceError), Journal(tmp_path / "j", exchange=Away()) as journal:
        add(journal, 0)
        raise ServiceError("the server is gone")
    assert "was not handed over: s3://bucket does not answer" in caplog.text
    with Journal(tmp_path / "j") as journal:
        assert known(journal) == [0]
