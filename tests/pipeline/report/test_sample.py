"""Samples for the pages: small, drawn once, and never the end of a run."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.run import run
from pipeline.report import sample as samples
from pipeline.report.sample import curve, sample

PICTURE = re.compile(r"data:image/([a-z+]+);base64,([A-Za-z0-9+/=]+)")


def test_a_curve_has_a_line_a_column_and_its_extremes() -> None:
    kind, content = PICTURE.findall(curve({"loss": [3.0, 2.0, 1.0], "<b>": [1.5, 1.5, 1.5]}, title="t"))[0]
    svg = base64.b64decode(content).decode()
    assert kind == "svg+xml" and svg.count("<polyline") == 2 and ">3<" in svg and ">1<" in svg
    assert "&lt;b&gt;" in svg and ">step<" in svg and ">3</text>" in svg
    first, last = re.findall(r'points="([^"]+)"', svg)[0].split()[::2]
    assert float(first.split(",")[1]) < float(last.split(",")[1]), "a falling loss falls"
    assert ">5,000<" in base64.b64decode(PICTURE.findall(curve({"x": [0.0] * 5000}, title=""))[0][1]).decode()
    assert len(curve({"x": [0.1] * 100_000}, title="")) < 20_000


def test_pictures_with_boxes(tmp_path: Path) -> None:
    from PIL import Image
    from small_demo import small

    made = run(
        small(tmp_path / "store", "data.world.train_images=6", "data.world.test_images=4"), targets=("detections",)
    )
    artifacts = {name: outcome.artifact for name, outcome in made.items()}
    for stage in ("annotations", "detections"):
        text = sample(artifacts[stage], artifacts, root=tmp_path / "store")
        kind, content = PICTURE.findall(text)[0]
        picture = Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")
        assert kind == "jpeg" and picture.width > 400 and len(content) < 100_000
        colours = picture.getcolors(1 << 20)
        assert colours is not None
        assert any(c[0] > 170 and c[1] < 90 and c[2] < 90 for _, c in colours), "no red box"
        assert any(c[2] > 170 and c[0] < 100 for _, c in colours), "no blue box"


def test_it_is_drawn_once(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {name: o.artifact for name, o in run(fake.config(), targets=("descriptions",)).items()}
    drawn: list[str] = []
    monkeypatch.setattr(samples, "_draw", lambda artifact, inputs, images: drawn.append(artifact.stage) or "text")
    for _ in range(2):
        assert sample(made["descriptions"], made, root=fake.root) == "text"
    assert drawn == ["descriptions"]


@pytest.mark.parametrize(("error", "tries"), [(OSError("the disk is away"), 2), (KeyError("text"), 1)])
def test_what_cannot_be_drawn_is_left_out(
    fake: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, tries: int
) -> None:
    made = {name: o.artifact for name, o in run(fake.config(), targets=("descriptions",)).items()}
    tried: list[int] = []

    def refuse(*arguments: object) -> str:
        tried.append(1)
        raise error

    monkeypatch.setattr(samples, "_draw", refuse)
    assert [sample(made["descriptions"], made, root=fake.root) for _ in range(2)] == ["", ""]
    assert len(tried) == tries
