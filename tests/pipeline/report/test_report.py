"""The report's folder: self-contained, complete, honest about what is missing."""

import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import ConfigError
from pipeline.metrics import annotations, comparison, detections, results
from pipeline.metrics.evaluation import Judged
from pipeline.metrics.protocols import PROTOCOLS
from pipeline.report import evaluated_files, folder, svg
from pipeline.report.html import flat
from pipeline.report.sample import within_a_page

BOXES = ["hx1", "hy1", "hx2", "hy2", "ox1", "oy1", "ox2", "oy2"]
RIDE, HOLD, CAT = (HICO.find(name).hoi_id for name in ("ride horse", "hold horse", "pet cat"))


@pytest.fixture
def data(tmp_path):
    """Three annotated images; one is found, one confused, one missed."""
    box = [0.0, 0, 40, 60, 20, 20, 80, 60]
    pairs = pd.DataFrame([box] * 3, columns=BOXES).assign(
        file_name=["a.png", "b.png", "<i>.png"], hoi_id=[RIDE, HOLD, CAT]
    )
    pairs.to_parquet(tmp_path / "a.parquet")
    found = pairs.iloc[:2].assign(hoi_id=[RIDE, RIDE], score=[0.9, 0.4], prior=[0.5, 0.5])
    Image.new("RGB", (90, 70), "green").save(tmp_path / "a.png")
    truth = annotations.read(tmp_path / "a.parquet")
    return truth, detections.check(found, truth), tmp_path


def content(data, **options):
    truth, found, root = data
    evaluated = list(
        results.results(found, truth, protocols=[PROTOCOLS["exact"]], modes=results.MODES, setting="rf_uc")
    )
    digests = {"detections": "d1", "annotations": "a1"}
    report = results.report(evaluated, annotations=truth, detections=found, setting="rf_uc", digests=digests)
    given = {"pictures": root} | options
    return evaluated_files.content(evaluated, report=report, detections=found, annotations=truth, **given)


class Tags(HTMLParser):
    """Every start tag with its attributes, and whether tags are closed in order."""

    def __init__(self):
        super().__init__()
        self.tags, self.open = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_folder(data, tmp_path):
    out = tmp_path / "out"
    folder.write(out, content(data))
    files = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    charts = {f"plots/{name}.svg" for name in ("ap_by_class", "precision_recall", "training_count", "calibration")}
    tables = {"judged.parquet", "annotated.parquet", "per_class.csv"}
    assert files == charts | tables | {"report.html", "report.md", "report.json"}
    report = json.loads((out / "report.json").read_text())
    # Three annotated classes: one perfect, two with nothing.
    assert report["full"] == pytest.approx(100 / 3) and report["unseen"] is None and report["protocol"] == "exact"
    assert report["seen"] == report["full"] and report["digests"] == {"detections": "d1", "annotations": "a1"}
    assert [(r["protocol"], r["mode"]) for r in report["results"]] == [("exact", "default"), ("exact", "known-object")]
    assert len(report["per_class"]) == 600 and report["per_class"][RIDE]["ap"] == 100
    assert report["per_class"][0]["ap"] is None
    table = pd.read_csv(out / "per_class.csv")
    assert table["ap"].notna().sum() == 3 and "ap exact known-object" in table


def test_a_class_of_somebody_elses_is_no_formula_in_a_spreadsheet(data, tmp_path):
    given = content(data)
    folder.write(tmp_path / "out", replace(given, classes=given.classes.assign(name='=HYPERLINK("http://evil") horse')))
    table = pd.read_csv(tmp_path / "out" / "per_class.csv")
    assert set(table["name"]) == {'\'=HYPERLINK("http://evil") horse'} and table["ap"].notna().sum() == 3


def test_the_page_needs_nothing_but_itself(data, tmp_path):
    folder.write(tmp_path / "out", content(data))
    text = (tmp_path / "out" / "report.html").read_text()
    page = Tags()
    page.feed(text)
    assert page.open == []
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "iframe", "img", "object"}
    for tag, attributes in page.tags:
        for key in ("src", "href", "xlink:href"):
            if tag != "a" and key in attributes:
                assert attributes[key].startswith("data:image/jpeg;base64,")
    assert "@import" not in text and "url(" not in text
    assert text.count("data:image/jpeg") == 1, "only a.png is there; the others are boxes alone"
    assert "&lt;i&gt;.png" in text and "<i>.png" not in text


def test_the_page_says_all_of_it(data, tmp_path):
    folder.write(tmp_path / "out", content(data, curves=["pet cat"]))
    text = (tmp_path / "out" / "report.html").read_text()
    for said in (
        "these detections",
        "boxes alone, all verbs alike",
        "EZ-HOI, ViT-B/16 (paper)",
        "29.02",
        "No leakage report came with these annotations",
        "Went best",
        "1 of 1 right",
        "expected calibration error",
        "pet cat (seen)",
        "prefers-color-scheme: dark",
    ):
        assert said in text, said
    # The horse that is held was taken for one that is ridden.
    assert re.search(r"<td>horse</td><td class=\"left\">hold</td><td class=\"left\">ride</td><td>1 of 1</td>", text)
    assert "| horse | hold | ride | 1 of 1 |" in (tmp_path / "out" / "report.md").read_text()


def test_rows_stand_side_by_side(data):
    rows = {row.label: row for row in content(data).rows}
    own, floor = rows["these detections"].means, rows["boxes alone, all verbs alike"].means
    assert set(own) == {"exact", "official", "upt"} and set(floor) == {"official", "upt"}
    # The floor names every verb of both horses, so the held one is found too, at the price of false ones.
    assert floor["upt"]["full"] > own["upt"]["full"]
    assert set(rows["EZ-HOI, ViT-B/16 (paper)"].means) == {"upt"}


def test_an_unknown_class_for_a_curve(data):
    with pytest.raises(ConfigError, match="--curve ride hrse"):
        content(data, curves=["ride hrse"])


def test_charts_of_nothing_and_of_everything():
    empty = pd.DataFrame({"name": [], "ap": [], "unseen": [], "train_pairs": []})
    never = pd.DataFrame({"name": ["a"], "ap": [50.0], "unseen": [True], "train_pairs": [0]})
    alike = pd.DataFrame({"score": [0.5], "precision": [1.0], "count": [3]})
    charts = [
        svg.training_count(never),
        svg.calibration(alike),
        svg.lines({"loss": [2.0]}, title=""),
        svg.lines({}, title=""),
    ]
    for text in (svg.ap_by_class(empty), svg.training_count(empty), svg.precision_recall([]), *charts):
        assert text.startswith("<svg") and "nan" not in text
    rows = pd.DataFrame({"name": ["a & <b>"], "ap": [50.0], "unseen": [True], "train_pairs": [3]})
    text = svg.ap_by_class(rows)
    assert "a &amp; &lt;b&gt;" in text and text.count('class="bar unseen"') == 2
    curve = ("x", False, np.linspace(0, 1, 5000), np.linspace(1, 0, 5000))
    assert svg.precision_recall([curve]).count(",") < 250


def test_the_markdown_within_another_page(data, tmp_path):
    folder.write(tmp_path / "out", content(data), pictures=[("x", "x.png")])
    text = within_a_page((tmp_path / "out" / "report.md").read_text())
    assert "| these detections |" in text and "### Verbs taken for others" in text
    assert "![" not in text and "Classes" not in text and "Computed from" not in text and "\n# " not in text


def test_leakage_as_rows():
    value = {"labels": {"pairs": 3, "kept": [1, "two"]}, "touches": [{"what": "names"}] * 31, "says": "x"}
    rows = dict(flat(value))
    assert rows["labels.pairs"] == "3" and rows["labels.kept"] == "1, two" and rows["says"] == "x"
    assert rows["touches"].endswith("and 1 more")


def test_bars_are_as_high_as_their_means() -> None:
    drawn = svg.means([("first", {"unseen": 25.0, "full": 50.0}), ("<second>", {"unseen": 100.0})], ["unseen", "full"])
    bars = re.findall(r'y="([\d.]+)" width="[\d.]+" height="([\d.]+)"><title>([^<]+)', drawn)
    plot = svg.Plot("", "", "", (0, 2), (0, 100))
    whole = plot.y(0) - plot.y(100)
    assert [(float(height) / whole, title) for _, height, title in bars] == [
        (pytest.approx(0.25, abs=1e-3), "first: 25.0"),
        (pytest.approx(0.5, abs=1e-3), "first: 50.0"),
        (pytest.approx(1.0, abs=1e-3), "&lt;second&gt;: 100.0"),
    ], "a group without a mean has no bar"
    assert all(float(top) + float(height) == pytest.approx(plot.y(0), abs=0.02) for top, height, _ in bars)


def test_a_class_that_became_better_lies_above_the_line() -> None:
    classes = pd.DataFrame(
        {"name": ["ride horse", "feed cat", "no ap"], "ap": [80.0, 10.0, None], "unseen": [True, False, False]}
    )
    drawn = svg.before_and_after(classes, [20.0, 40.0, 5.0], "untrained")
    plot = svg.Plot("", "", "", (0, 100), (0, 100))
    assert drawn.count('class="unseen"') == 1 and drawn.count('class="seen"') == 1
    assert f'<rect class="unseen" x="{plot.x(20) - 3:.2f}" y="{plot.y(80) - 3:.2f}"' in drawn
    assert f'cx="{plot.x(40)}" cy="{plot.y(10)}"' in drawn
    assert "ride horse: 20.0 before, 80.0" in drawn and "AP, untrained (%)" in drawn


def test_a_report_shows_pictures_of_its_folder_alone(tmp_path):
    """Names come with the annotations, which somebody else made."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("RGB", (4, 4), "red").save(tmp_path / "private.png")
    for name in ("a.png", "b.png"):
        Image.new("RGB", (4, 4), "blue").save(folder / name)
    names = ["a.png", "there/b.png", "../private.png", str(tmp_path / "private.png"), "x\0.png", "n" * 5000]
    opened = evaluated_files._opener(folder, SimpleNamespace(images=pd.DataFrame({"file_name": names})))
    found = [opened(place) for place in range(len(names))]
    assert [None if image is None else image.getpixel((0, 0)) for image in found] == [(0, 0, 255)] * 2 + [None] * 4


def test_losses_lie_on_a_logarithmic_axis() -> None:
    """A decade is as wide anywhere, and what has no logarithm is left out."""
    drawn = svg.lines({"loss": [100.0, 10.0, 1.0, 0.1], "relation": [0.0, 1.0]}, title="losses")
    points = re.findall(r'points="([^"]*)"', drawn)[0]
    heights = [float(point.split(",")[1]) for point in points.split()]
    steps = [b - a for a, b in itertools.pairwise(heights)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.02) and steps[0] > 10
    assert all(f">{text}</text>" in drawn for text in ("100", "10", "1", "0.1"))
    assert len(re.findall(r'points="([^"]*)"', drawn)[1].split()) == 1


def test_intervals_hold_the_mean_and_narrow_with_agreement() -> None:
    """A class that is right in every image has no spread; one that is right in half of them has."""
    images = 60
    image, hoi = np.repeat(np.arange(images), 2), np.tile([1, 2], images)
    order = np.lexsort((image, hoi))
    image, hoi = image[order], hoi[order]
    hit = (hoi == 2) | (image % 2 == 0)
    judged = Judged(
        row=np.arange(len(image)),
        image=image,
        hoi=hoi,
        score=np.linspace(1, 0.1, len(image)),
        hit=hit,
        truth_image=image,
        truth_hoi=hoi,
    )
    table = pd.DataFrame({"hoi_id": [1, 2], "ap": [50.0, 100.0], "unseen": [True, False], "rare": [False, False]})
    found = comparison.intervals(judged, table, rule="all_points", images=images)
    assert found["seen"] == (100.0, 100.0)
    (low, high), hits = found["unseen"], np.flatnonzero(hit[hoi == 1])
    exact = 100 * np.mean([max((i + 1) / (hits[i:] + 1)[0] for i in [k]) for k in range(len(hits))]) / 2
    assert low < exact < high and 5 < high - low < 60 and "rare" not in found
    assert comparison.intervals(judged, table, rule="auc", images=images) == {}
    assert comparison.intervals(judged, table, rule="all_points", images=images) == found, "the same draws every time"


def test_an_interval_is_around_the_mean_though_drawing_twice_lifts_every_draw() -> None:
    """Forty classes with one pair each, found second: AP 1/2, and 2/3 where its image is drawn twice."""
    count = 40
    image, hoi = np.repeat(np.arange(count), 2), np.repeat(np.arange(count), 2)
    image[::2] = (image[::2] + 7) % count  # the false one that is ranked first lies in another image
    judged = Judged(
        row=np.arange(2 * count),
        image=image,
        hoi=hoi,
        score=np.tile([0.9, 0.5], count),
        hit=np.tile([False, True], count),
        truth_image=np.arange(count),
        truth_hoi=np.arange(count),
    )
    table = pd.DataFrame({"hoi_id": range(count), "ap": 50.0, "unseen": True, "rare": False})
    low, high = comparison.intervals(judged, table, rule="all_points", images=count)["unseen"]
    assert low < 50.0 < high and high - low < 30
