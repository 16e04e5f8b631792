"""The page of predictions in a real browser: filters, the enlarged picture, and texts that are nothing but texts."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.predict import page, records, scoring
from pipeline.predict.records import Picture
from tests.pipeline.predict.bundles import VOCABULARY

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NASTY = "</script><b id=x>.png"
ABOUT = {"says": "A model <i>of</i> drawings.", "idle": False}


def picture(name: str, thing: int, scores: list[float]) -> Picture:
    found = {"object_id": np.array([thing]), "person_score": np.array([0.5]), "object_score": np.array([1.0])}
    found |= {column: np.array([i], dtype=np.float32) for i, column in enumerate(scoring.BOXES)}
    return records.picture(name, (64, 48), found, np.array([scores]), VOCABULARY, persons=1, things=1, threshold=0.05)


PICTURES = [
    picture("horse.png", 1, [0.75, 0.0, 0.0]),
    picture("dog.png", 2, [0.0, 0.5, 0.25]),
    picture("idle.png", 2, [0.0, 0.0, 0.9]),
    picture(NASTY, 1, [0.0, 0.0, 0.0]),
]


def written(folder: Path) -> Path:
    (folder / "drawn").mkdir()
    for one in PICTURES:
        Image.new("RGB", (64, 48), "green").save(folder / "drawn" / one.name.replace("/", "-"))
    with (folder / "index.html").open("w", encoding="utf-8") as file:
        page.write(file, ABOUT, [(one, f"drawn/{one.name.replace('/', '-')}") for one in PICTURES])
    return folder / "index.html"


def test_what_is_written_is_a_script_of_json() -> None:
    file = io.StringIO()
    page.write(file, ABOUT, [(one, "drawn/x.png") for one in PICTURES])
    text = file.getvalue()
    assert text.count("</script>") == 1 and "<b id=x>" not in text and "http:" not in text and "https:" not in text
    body = text.partition("const PICTURES = [")[2].partition("\n];")[0]
    told: list[dict[str, Any]] = json.loads(f"[{body}]")
    assert told[0]["pairs"] == [["horse", [["ride", 0.75, False]]]] and told[3]["name"] == NASTY
    assert told[3]["note"] == "no interaction was kept"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on PATH and the package playwright")
def test_a_person_filters_and_enlarges(tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        asked: list[str] = []
        faults: list[str] = []
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        tab.goto(written(tmp_path).as_uri())
        expect = sync_api.expect
        cards = tab.locator(".card")
        expect(cards).to_have_count(4)
        expect(tab.locator("#count")).to_have_text("4 pictures, 2 interactions")
        expect(tab.get_by_text(NASTY, exact=True)).to_be_visible()
        assert tab.locator("#x").count() == 0 and tab.locator("#about i").count() == 0
        tab.select_option("#verb", "walk")
        expect(cards).to_have_count(1)
        expect(cards).to_contain_text("walk dog")
        tab.select_option("#verb", "no interaction")
        expect(tab.locator("#count")).to_have_text("2 pictures, 2 interactions")
        tab.select_option("#verb", "")
        tab.locator("#least").fill("0.6")
        tab.locator("#found").check()
        expect(tab.locator("#count")).to_have_text("1 picture, 1 interaction")
        tab.locator("#least").fill("0")
        cards.first.click()
        dialog = tab.locator("dialog")
        expect(dialog).to_contain_text("person and horse")
        tab.keyboard.press("ArrowRight")
        expect(dialog).to_contain_text("walk dog")
        tab.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        for width in (400, 1280, 1920):
            tab.set_viewport_size({"width": width, "height": 900})
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        assert not tab.locator("#more").is_visible(), "all pictures are shown already"
        browser.close()
    assert faults == [] and all(url.startswith("file:") for url in asked)
