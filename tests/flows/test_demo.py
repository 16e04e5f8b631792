"""The real stages under a real server: what was cached, what was computed, what the pages say and where they lead."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from served_prefect import PASSWORD
from small_demo import SETTINGS

from pipeline.datasets.world.classes import unseen, world_classes
from pipeline.engine.graph import NAMES
from pipeline.store import runs
from pipeline.store.store import Store

pytestmark = pytest.mark.slow
TEXT = "A person stands beside it with one arm stretched forward. The hand touches the back, the eyes look down."
AGAIN = {"descriptions", "text_embeddings", "disparities", "utpl", "predictions", "evaluation", "bundle"}
"""What a changed description of an unseen class costs."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason="needs Chromium on PATH and the package playwright",
)
CUT_OFF = """() => [...document.querySelectorAll('table, figure, img, pre, .scroll')].filter(e => {
    const clips = getComputedStyle(e).overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1;
    return clips || e.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
}).map(e => e.outerHTML.slice(0, 200))"""
"""Tables and pictures of a page that reach beyond it, and boxes that hide a part of theirs."""
PAPER = 703
"""Width of A4 between margins of 12 mm, in CSS pixels."""


@dataclass
class Demo:
    """Two runs of the demo: all of it, and again with one unseen class's description changed."""

    recorded: Any
    first: dict[str, str]
    second: dict[str, str]
    pages: list[dict[str, str]]
    store: Path


@pytest.fixture(scope="module")
def demo(make_recorder: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    hoi = min(unseen("rf_uc"))
    name = next(f"{c.verb} {c.object}".replace("_", " ") for c in world_classes() if c.hoi_id == hoi)
    (folder / "edits.yaml").write_text(yaml.safe_dump({name: TEXT}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EZHOI_HOME", str(folder / "home"))
        run = make_recorder([*SETTINGS, f"store.root={folder / 'store'}"])
        first = run.run()
        pages = [{a["key"]: a["data"] for a in run.artifacts()}]
        second = run.run(f"descriptions.edits={folder / 'edits.yaml'}")
        pages.append({a["key"]: a["data"] for a in run.artifacts()})
        yield Demo(run, first, second, pages, folder / "store")


def test_what_a_changed_description_costs(demo: Demo) -> None:
    assert demo.first == dict.fromkeys(NAMES, "Completed")
    assert demo.second == {stage: "Completed" if stage in AGAIN else "Cached" for stage in NAMES}


def test_the_pages_show_what_was_made(demo: Demo) -> None:
    first, second = demo.pages
    assert "Result: mAP" in first["ezhoi-evaluation"]
    pictures = {key for key, text in first.items() if "](data:image/" in text}
    assert pictures == {f"ezhoi-{s}" for s in ("annotations", "detections", "seen", "utpl", "evaluation", "lineage")}
    assert all(len(text) < 300_000 for text in first.values()), "Prefect keeps every version of these"
    assert "- **" in first["ezhoi-descriptions"] and "- **" in first["ezhoi-disparities"]
    assert "content of descriptions.edits changed" in second["ezhoi-descriptions"]
    assert "input text\\_embeddings changed (unseen-" in second["ezhoi-utpl"]
    assert "mAP full:" in second["ezhoi-lineage"]


def test_the_report_names_its_run_and_holds_the_comparison(demo: Demo) -> None:
    old, new = runs.records(Store(demo.store))
    report = (demo.store / ".runs" / new.id / "report.html").read_text()
    for said in (new.id, new.started_at[:10], "rf_uc, 0", "descriptions.edits=", "utpl.steps=8", "simulated errors"):
        assert said in report, said
    assert f"Compared with the run of {old.started_at[:16].replace('T', ' ')} UTC ({old.id})" in report
    assert "Texts that differ: 1" in report and "Nearest seen classes that moved: 1" in report
    assert report.index("Mean average precision") < report.index("Compared with") < report.index("AP by class")
    first = (demo.store / ".runs" / old.id / "report.html").read_text()
    assert old.id in first and "Compared with" not in first


@needs_browser
def test_nothing_is_cut_off_on_a_screen_or_on_paper(demo: Demo) -> None:
    from playwright.sync_api import sync_playwright

    run = max((demo.store / ".runs").glob("*/index.html")).parent
    assert {"index.html", "report.html"} < {page.name for page in run.iterdir()}
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        for file in sorted(run.glob("*.html")):
            page.goto(file.as_uri())
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            for width, media in ((1280, "screen"), (1440, "screen"), (1920, "screen"), (PAPER, "print")):
                page.set_viewport_size({"width": width, "height": 1000})
                page.emulate_media(media=media)
                assert page.evaluate(CUT_OFF) == [], (file.name, width, media)
        browser.close()


@needs_browser
def test_walk_from_the_run_to_the_descriptions_in_a_browser(demo: Demo) -> None:
    from playwright.sync_api import expect, sync_playwright

    site = demo.recorded.api.url.removesuffix("/api")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 1200})
        # The interface asks an analytics host for its settings; a test leaves this machine alone.
        page.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
        # As after its owner gave the password once.
        page.add_init_script(f"localStorage.setItem('prefect-password', btoa('{PASSWORD}'))")
        page.set_default_timeout(90_000)
        expect.set_options(timeout=90_000)

        lineage = next(a for a in demo.recorded.artifacts() if a["key"] == "ezhoi-lineage")
        page.goto(f"{site}/v2/artifacts/artifact/{lineage['id']}")
        expect(
            page.get_by_role("img", name=re.compile("descriptions computed, .*image_embeddings cached"))
        ).to_be_visible()
        expect(page.get_by_role("heading", name=re.compile("^Compared with"))).to_be_visible()
        expect(page.get_by_role("heading", name="Texts that differ: 1")).to_be_visible()
        for stage in ("evaluation", "predictions", "utpl", "text_embeddings", "descriptions"):
            page.get_by_role("link", name=stage, exact=True).last.click()
            expect(page.get_by_role("heading", name=re.compile(rf"^{stage} ·"))).to_be_visible()
        assert TEXT[:40] in page.content() or "content of descriptions.edits changed" in page.content()
        page.get_by_role("link", name="vocabulary", exact=True).last.click()
        expect(page.get_by_role("heading", name=re.compile("^vocabulary ·"))).to_be_visible()
        page.goto(f"{site}/v2/artifacts/artifact/{lineage['id']}")
        page.get_by_role("link", name="annotations", exact=True).last.click()
        expect(page.get_by_role("heading", name=re.compile("^annotations ·"))).to_be_visible()
        expect(page.get_by_role("img", name="annotated pairs: person blue, object red")).to_be_visible()
        page.get_by_role("link", name="a run of ezhoi").click()
        expect(page).to_have_url(re.compile("/runs/flow-run/"))
        browser.close()
