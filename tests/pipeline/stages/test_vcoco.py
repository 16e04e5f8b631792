"""V-COCO through every stage, with made-up pair files, drawn pictures and the demo's tiny models."""

import json

import pandas as pd
import pytest
from PIL import Image, ImageDraw

from pipeline.config import loading
from pipeline.datasets.vcoco.actions import ROLES
from pipeline.engine import run as runner
from pipeline.engine.graph import STAGES
from pipeline.metrics.vcoco import detections, people, role_ap

SMALL = (
    "clip.architecture=tiny",
    "clip.weights=tiny",
    "clip.image_size=112",
    "model.layers=3",
    "detections.source=ground_truth",
    "descriptions.source=lexicon",
    "disparities.source=lexicon",
    "seen.epochs=1",
    "seen.drop_after=1",
    "seen.batch_size=4",
    "utpl.steps=1",
    "device=cpu",
)
SHOWN = (("ride instr", 18, 0), ("hold obj", 42, 1), ("kick obj", 33, 2), ("sit instr", 57, 3))
"""Role, object as the pair files number it, and a hue; kick is an unseen verb of `uv`, and so is sit on."""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coco")
    number = 0
    for split, part in (("train", "train2014"), ("val", "train2014"), ("test", "val2014")):
        (folder / part).mkdir(exist_ok=True)
        entries = []
        for role, thing, hue in SHOWN:
            number += 1
            name = f"COCO_{part}_{number:012d}.jpg"
            person, box = [10.0, 10, 60, 90], [40.5, 50, 110, 95]
            image = Image.new("RGB", (120, 100), (200, 210, 220))
            ImageDraw.Draw(image).rectangle(person, fill=(180, 120, 90))
            ImageDraw.Draw(image).ellipse(box, fill=(60 * hue, 200, 250 - 60 * hue))
            image.save(folder / part / name)
            entry = {"file_name": name, "boxes_h": [person], "boxes_o": [box]}
            entries.append(entry | {"actions": [ROLES.index(role)], "objects": [thing]})
        content = {"annotations": entries, "classes": list(ROLES), "action_to_object": []}
        (folder / f"instances_vcoco_{split}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.slow
def test_every_stage_and_role_ap_of_its_predictions(root, tmp_path):
    settings = [*SMALL, "setting=uv", f"data.root={root}", f"store.root={tmp_path / 'store'}"]
    done = runner.run(loading.load(profile="vcoco-vitb", overrides=settings, environment={}))
    assert set(done) == {stage.name for stage in STAGES}
    report = json.loads(done["evaluation"].artifact.path("report.json").read_text())
    assert report["counts"]["classes"] == 236 and report["unseen"] is not None
    table = pd.read_parquet(done["predictions"].artifact.path("predictions.parquet"))
    truth = people.read(root / "instances_vcoco_test.json")
    found = role_ap.role_ap(detections.place(table, truth), truth)
    annotated = found[1][found[1]["n_truth"] > 0]
    assert set(annotated["role"]) == {role for role, _, _ in SHOWN} and (annotated["ap"] > 0).all()
    with pytest.raises(Exception, match="row 0: hoi_id 236 is none of V-COCO's 236 compositions"):
        detections.place(table.assign(hoi_id=236), truth)
