"""`ezhoi run --profile vcoco-vitb` through every stage, the bundle included, on V-COCO's real pair files. From the root:

    OMP_NUM_THREADS=1 python -m tests.benchmarks.vcoco_whole --data FOLDER --images 200

FOLDER has `instances_vcoco_{train,val,test}.json.gz`. COCO's pictures are not needed: every image is drawn, as large as its
boxes ask for, each box a patch of its object's colour, so that nothing of V-COCO's accuracy is measured. The model is the
project's tiny CLIP, with the parts of the true one; `--images 0` takes all images of all splits. Printed are the CPU-seconds of
each stage, the largest memory, and role AP by the official rules of the predictions on the test pairs.
"""

import argparse
import gzip
import json
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image, ImageDraw

from pipeline.config.loading import load
from pipeline.engine.graph import NAMES
from pipeline.engine.run import run
from pipeline.metrics.vcoco import detections, people, role_ap

SMALL = (
    *("clip.architecture=tiny", "clip.weights=tiny", "clip.image_size=112", "model.layers=3", "device=cpu"),
    *("detections.source=ground_truth", "descriptions.source=lexicon", "disparities.source=lexicon"),
    *("seen.epochs=1", "seen.drop_after=1", "utpl.steps=5", "evaluation.untrained=off"),
)


def draw(folder: Path, data: Path, count: int) -> None:
    """The first images of every split, with their pair files."""
    for split in ("train", "val", "test"):
        content = json.loads(gzip.decompress((data / f"instances_vcoco_{split}.json.gz").read_bytes()))
        content["annotations"] = content["annotations"][: count or None]
        (folder / f"instances_vcoco_{split}.json").write_text(json.dumps(content))
        for entry in content["annotations"]:
            _picture(folder, entry)


def _picture(folder: Path, entry: dict[str, Any]) -> None:
    boxes = [box for side in ("boxes_h", "boxes_o") for box in entry[side] if box]
    width, height = (max([64, *(int(box[i]) + 2 for box in boxes)]) for i in (2, 3))
    image = Image.new("RGB", (width, height), (200, 210, 220))
    pen = ImageDraw.Draw(image)
    for thing, box in zip(entry["objects"], entry["boxes_o"], strict=True):
        pen.rectangle(box, fill=(40 + thing * 37 % 200, 40 + thing * 91 % 200, 40 + thing * 53 % 200))
    for box in entry["boxes_h"]:
        pen.ellipse(box, fill=(180, 120, 90))
    path = folder / entry["file_name"].split("_")[1] / entry["file_name"]
    path.parent.mkdir(exist_ok=True)
    image.save(path, quality=60)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="folder of the pair files")
    parser.add_argument("--images", type=int, default=0, help="of every split; 0: all")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "coco"
        root.mkdir()
        draw(root, given.data, given.images)
        settings = [*SMALL, "setting=uv", f"data.root={root}", f"store.root={place}/store"]
        config = load(profile="vcoco-vitb", overrides=settings, environment={})
        made: dict[str, Any] = {}
        for name in NAMES:
            if name != "untrained":
                start = time.process_time()
                made |= run(config, targets=(name,))
                print(f"{name:18s}{time.process_time() - start:8.1f} CPU-s", flush=True)
        counts = made["annotations"].artifact.manifest.metrics
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(f"{counts['images']:,} images, {counts['pairs']:,} pairs; at most {memory:,} MiB")
        print(f"bundle: {made['bundle'].artifact.manifest.metrics['bytes']:,} bytes")
        truth = people.read(root / "instances_vcoco_test.json")
        table = pd.read_parquet(made["predictions"].artifact.path("predictions.parquet"))
        for scenario, found in role_ap.role_ap(detections.place(table, truth), truth).items():
            print(f"role AP, scenario {scenario}: {role_ap.mean_ap(found):.2f}")


if __name__ == "__main__":
    main()
