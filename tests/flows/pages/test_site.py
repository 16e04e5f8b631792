"""The site of a store."""

from __future__ import annotations

import errno
import importlib.util
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from many_runs import fill
from old_records import OLD, put

from flows.pages import html, site
from pipeline.engine.execute import Outcome
from pipeline.engine.run import run
from pipeline.errors import ConfigError
from pipeline.store import runs
from pipeline.store.artifact import Artifact
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def two(fake: Any) -> Store:
    """A store of two runs with their pages, of which the second has another setting and a report."""
    for settings in ((), ("utpl.steps=7",)):
        outcomes: list[Outcome] = []
        run(
            fake.config(*settings),
            on_outcome=outcomes.append,
            on_end=lambda steps, outcomes=outcomes: html.write(steps, outcomes),  # type: ignore[misc]
        )
    return Store(fake.root)


def links(page: Path) -> list[str]:
    return re.findall(r'href="([^"]+)"', page.read_text(encoding="utf-8"))


def pages(first: Path) -> list[Path]:
    return sorted(first.parent.rglob("*.html"))


def test_every_link_leads_somewhere(two: Store) -> None:
    first = site.write(two)
    assert first == two.root / ".site" / "index.html" and len(pages(first)) == 4
    for page in pages(first):
        for link in links(page):
            target, _, anchor = link.partition("#")
            there = page if not target else page.parent / target
            assert there.is_file() and (not anchor or f'id="{anchor}"' in there.read_text()), (page, link)
    assert f"../.runs/{runs.records(two)[0].id}/index.html" in links(first)


def test_a_run_has_its_settings_result_nearest_run_and_where_its_artifacts_came_from(two: Store) -> None:
    first, second = runs.records(two)
    page = (site.write(two).parent / "runs" / f"{second.id}.html").read_text()
    assert "<td><code>utpl.steps</code></td><td>7</td>" in page and "14.25" in page
    assert f'<a href="{first.id}.html">' in page and f"ezhoi runs compare {first.id} {second.id}" in page
    assert re.search(r'id="utpl"><td>utpl</td><td>computed</td>.*this run', page) and "<svg" in page
    assert re.search(rf'id="seen"><td>seen</td><td>cached</td>.*<a href="{first.id}.html">', page)


def test_a_copy_needs_nothing_beside_it(two: Store, tmp_path: Path) -> None:
    evaluation = two.artifacts("evaluation")[-1]
    made_from = f'made from <a href="../../annotations/{evaluation.fingerprint}/manifest.json">annotations</a>'
    (two.root / "evaluation" / evaluation.fingerprint / "report.html").write_text(made_from)
    first = site.write(two, tmp_path / "copy", copy=True)
    moved = (tmp_path / "copy").rename(tmp_path / "elsewhere")
    shutil.rmtree(two.root)
    for page in pages(moved / first.name):
        for link in links(page):
            assert (page.parent / link.split("#")[0]).exists(), (page, link)
    assert (moved / "reports" / f"{evaluation.fingerprint}.html").read_text() == "made from annotations"


def test_a_page_whose_copying_was_cut_off_is_copied_again(
    two: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, or a kill: half a page that is newer than its source would stay for ever."""
    for evaluation in two.artifacts("evaluation"):
        (two.root / "evaluation" / evaluation.fingerprint / "report.html").write_text("a whole report")
    write = Path.write_text

    def half(path: Path, text: str, **named: Any) -> int:
        count = write(path, text[:7] if path.parent.name == "reports" else text, **named)
        if path.parent.name == "reports":
            raise OSError(errno.ENOSPC, "No space left on device")
        return count

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(Path, "write_text", half)
        site.write(two, tmp_path / "copy", copy=True)
    site.write(two, tmp_path / "copy", copy=True)
    copied = list((tmp_path / "copy" / "reports").iterdir())
    assert copied and {page.read_text() for page in copied} == {"a whole report"}


def test_a_run_with_a_report_of_its_own_leads_to_that(two: Store) -> None:
    record = runs.records(two)[-1]
    report = two.root / ".runs" / record.id / "report.html"
    report.write_text("of the run")
    evaluation = two.root / "evaluation" / record.stages["evaluation"] / "report.html"
    evaluation.write_text("of the evaluation")
    first = site.write(two)
    assert f"../.runs/{record.id}/report.html" in links(first)
    report.unlink()
    site.write(two)
    assert f"../evaluation/{evaluation.parent.name}/report.html" in links(first)


def test_what_is_not_whole_is_shown_for_what_it_is(two: Store) -> None:
    _, second = runs.records(two)
    two.remove(two.find(f"evaluation/{second.stages['evaluation']}"))
    put(two, OLD | {"id": "20250131T120000-00000a", "profile": "hico-vitb"}, "20250131T120000-00000a.json")
    killed = RunRecord.asking("demo", setting="uo", state="running")
    killed.id, killed.started_at = "20250101T000000-00000b", "2025-01-01T00:00:00+00:00"
    two.write_record(f"{killed.id}.json", killed.model_dump_json())
    two.write_record("20250101T000000-00000c.json", '{"id": 5}')
    two.write_record("20250101T000000-00000d.json", "{")
    index = site.write(two)
    text = index.read_text()
    assert "4 runs: " in text and "1 killed" in text and "evaluation removed" in text and "not recorded" in text
    assert (
        "2 records cannot be read" in text and "20250101T000000-00000c.json: id: Input should be a valid string" in text
    )
    assert "00000d.json: Invalid JSON" in text and str(two.root) not in text
    assert "profile=hico-vitb" not in text.partition("<tbody>")[0]
    page = (index.parent / "runs" / f"{second.id}.html").read_text()
    assert "The evaluation was removed from the store since" in page and "14.25" in page
    assert "of an early version" in (index.parent / "runs" / "20250131T120000-00000a.html").read_text()
    assert "Its process is gone" in (index.parent / "runs" / f"{killed.id}.html").read_text()


def test_pages_of_runs_that_are_gone_go_and_other_files_stay(two: Store) -> None:
    first = site.write(two)
    record = runs.records(two)[0]
    (first.parent / "runs" / "notes.html").write_text("mine")
    two.remove_record(f"{record.id}.json")
    site.write(two)
    assert not (first.parent / "runs" / f"{record.id}.html").exists()
    assert (first.parent / "runs" / "notes.html").read_text() == "mine"
    assert "Evaluations that no record refers to" in first.read_text()


def test_a_folder_with_other_things_is_refused(two: Store, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("my homepage")
    with pytest.raises(ConfigError, match="is not empty and no site"):
        site.write(two, tmp_path)
    assert (tmp_path / "index.html").read_text() == "my homepage" and not (tmp_path / "runs").exists()


def test_what_a_kill_left_before_the_first_page_is_no_other_thing(two: Store, tmp_path: Path) -> None:
    left = tmp_path / "site" / ".index.html.0123456789ab.part"
    left.parent.mkdir()
    left.write_text("<!doctype")
    assert site.write(two, left.parent).is_file()


def test_texts_from_outside_stay_texts(tmp_path: Path, publish: Callable[..., Artifact]) -> None:
    import pandas as pd

    evil = "</script><script>alert(1)</script>\u202e"
    store = Store(tmp_path / "store")
    table = pd.DataFrame({"name": [evil], "text": [evil], "source": [evil]})
    publish(store, "descriptions", "d0", {"descriptions.parquet": table})
    publish(store, "bundle", "b0", {"bundle.safetensors": "x"})
    record = runs.new(evil, setting=evil, deployment=evil, changed={evil: evil})
    record.stages = {"descriptions": "d0", "bundle": "b0"}
    record.protocol = evil
    record.save(store)
    first = site.write(store)
    for page in pages(first):
        text = page.read_text()
        assert "<script>alert" not in text and "\u202e" not in text and "alert(1)" in text
        assert not re.search(r"""\b(?:src|action)=|url\(|@import|href="http""", text), "nothing is loaded"
        assert "default-src 'none'" in text and "prefers-color-scheme:dark" in text
    assert "bundle.safetensors" in first.read_text()


def test_an_empty_store_has_a_site(tmp_path: Path) -> None:
    assert "No runs: <code>ezhoi run</code> makes one" in site.write(Store(tmp_path)).read_text()


@pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason="needs Chromium on PATH and the package playwright",
)
def test_runs_are_sorted_and_filtered_in_a_browser(tmp_path: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    store = fill(tmp_path, 40, kept=0, damaged=1)
    best = max(runs.records(store), key=lambda record: record.metrics.get("unseen", 0))
    first = site.write(store)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(first.as_uri())
        expect(page.get_by_text("Which choices did best")).to_be_visible()
        table = page.locator("section", has_text="All runs")
        rows = table.locator("tbody tr:visible")
        expect(rows).to_have_count(40)
        table.get_by_role("columnheader", name="unseen").click()
        expect(rows.first).to_contain_text(best.id)
        table.get_by_role("columnheader", name="unseen").click()
        expect(rows.first).not_to_contain_text("failed")
        expect(rows.last).to_contain_text("failed")
        table.get_by_label("State").select_option("failed")
        expect(rows).to_have_count(4)
        table.get_by_label("Filter").fill("uv nothing-of-the-kind")
        expect(rows).to_have_count(0)
        expect(table.locator("output")).to_have_text("0 of 40")
        assert asked == [first.as_uri()], "it loads nothing else"
        browser.close()


def test_the_site_of_an_object_store_is_in_its_local_cache(gate: Any, tmp_path: Path) -> None:
    from pipeline.store.remote.remote import RemoteStore

    store = RemoteStore("s3://bucket/site", cache=tmp_path)
    record = runs.new("demo", setting="uv")
    record.save(store)
    first = site.write(store)
    assert first == store.root / ".site" / "index.html" and "Runs of site" in first.read_text()
    assert (first.parent / "runs" / f"{record.id}.html").is_file()
