"""The real stages under a real server: what was cached, what was computed, what the pages say and where they lead."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from served_prefect import PASSWORD
from small_demo import SETTINGS

from pipeline.datasets.world.classes import unseen, world_classes
from pipeline.engine.graph import NAMES

pytestmark = pytest.mark.slow
TEXT = "A person stands beside it with one arm stretched forward. The hand touches the back, the eyes look down."
AGAIN = {"descriptions", "text_embeddings", "disparities", "utpl", "predictions", "evaluation", "bundle"}
"""What a changed description of an unseen class costs."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NO_BROWSER = "needs Chromium on PATH and the package playwright"


@dataclass
class Demo:
    """Two runs of the demo: all of it, and again with one unseen class's description changed."""

    recorded: Any
    first: dict[str, str]
    second: dict[str, str]
    pages: list[dict[str, str]]


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
        yield Demo(run, first, second, pages)


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


@pytest.mark.skipif(CHROMIUM is None or importlib.util.find_spec("playwright") is None, reason=NO_BROWSER)
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
