"""Annotations of one's own, as large as asked: seconds and peak memory of `data check` and `data import`. From the root:

    OMP_NUM_THREADS=1 python -m tests.benchmarks.own_large --megabytes 2000
    OMP_NUM_THREADS=1 python -m tests.benchmarks.own_large --pictures 50000

The file is `coco-rel/1.0` as the project writes it, without polygons, so that a gigabyte has as many boxes as it can have; each
picture has six to seven boxes and three to four relations of HICO-DET's classes. No picture file is there. The commands run in
processes of their own, whose largest resident memory is printed, and the imported file is compared with the first row for row.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pipeline.datasets.hico.vocabulary import HICO

BLOCK = 2_000
"""Pictures that are drawn and written at once."""


def write(path: Path, *, megabytes: float, pictures: int, seed: int = 0) -> tuple[int, int, int]:
    """Write a file of so many pictures, or so many megabytes; returns its pictures, boxes and relations."""
    rng = np.random.default_rng(seed)
    words = HICO
    pairs = np.array([(c.verb_id, c.object_id) for c in words.classes])
    counts = [0, 0, 0]
    sides = {name: path.with_name(f"{path.name}.{name}") for name in ("annotations", "rel_annotations")}
    with path.open("w") as file, sides["annotations"].open("w") as boxes, sides["rel_annotations"].open("w") as links:
        file.write('{"info": {"schema": "coco-rel/1.0", "description": "drawn"}, "licenses": [],\n "categories": ')
        objects = [{"id": i + 1, "name": o.noun, "supercategory": ""} for i, o in enumerate(words.objects)]
        verbs = [{"id": i, "name": v.name, "ing": v.ing, "supercategory": ""} for i, v in enumerate(words.verbs)]
        file.write(f'{json.dumps(objects)},\n "rel_categories": {json.dumps(verbs)},\n "images": [')
        while counts[0] < pictures or file.tell() + boxes.tell() + links.tell() < megabytes * 1e6:
            _block(rng, pairs, counts, file, boxes, links)
        file.write("\n ]")
        for key, side in sides.items():
            file.write(f',\n "{key}": [')
            file.flush()
            with side.open() as rows:
                while piece := rows.read(1 << 20):
                    file.write(piece)
            side.unlink()
            file.write("\n ]")
        file.write("\n}\n")
    return counts[0], counts[1], counts[2]


def _block(rng, pairs, counts, file, boxes, links) -> None:  # type: ignore[no-untyped-def]
    images, annotations, relations = counts
    shown = rng.integers(2, 5, size=BLOCK).tolist()  # pairs with a person and an object each
    for image, count in enumerate(shown, start=images + 1):
        file.write(",\n  " if image > 1 else "\n  ")
        name = f"yard/2026/{image:09d}.jpg"
        split = "train" if image % 5 else "test"
        file.write(f'{{"id": {image}, "file_name": "{name}", "width": 640, "height": 480, "split": "{split}"}}')
        places = np.round(rng.uniform(0, 300, size=(2 * count, 2)), 2).tolist()
        sizes = np.round(rng.uniform(20, 170, size=(2 * count, 2)), 2).tolist()
        chosen = pairs[rng.integers(0, len(pairs), size=count)].tolist()
        things = [thing for _, o in chosen for thing in (0, o)]
        for (x, y), (w, h), thing in zip(places, sizes, things, strict=True):
            annotations += 1
            boxes.write(",\n  " if annotations > 1 else "\n  ")
            boxes.write(
                f'{{"id": {annotations}, "image_id": {image}, "category_id": {thing + 1}, "bbox": [{x}, {y}, {w}, {h}], '
                f'"area": {w * h}, "iscrowd": 0, "segmentation": []}}'
            )
        for place, (verb, _) in enumerate(chosen):
            relations += 1
            links.write(",\n  " if relations > 1 else "\n  ")
            subject = annotations - 2 * count + 2 * place + 1
            links.write(
                f'{{"id": {relations}, "image_id": {image}, "subject_id": {subject}, "object_id": {subject + 1}, '
                f'"predicate_id": {verb}}}'
            )
    counts[:] = images + BLOCK, annotations, relations


def measured(*command: str) -> None:
    """Run a command of `ezhoi` and print what it took."""
    start = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "flows.cli.app", *command], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    cpu = used.ru_utime + used.ru_stime
    print(
        f"data {command[1]:7s} exit code {os.waitstatus_to_exitcode(status)}, {time.monotonic() - start:6.1f} s, "
        f"{cpu:6.1f} CPU-s, at most {used.ru_maxrss / 1024:,.0f} MiB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=float, default=0, help="size of the file, at least")
    parser.add_argument("--pictures", type=int, default=50_000, help="pictures, at least; 50,000 have 74 MB")
    parser.add_argument(
        "--folder", type=Path, help="where the files are made, and deleted; a temporary one if left out"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        path, to = Path(place) / "large.json", Path(place) / "out" / "own.json"
        images, boxes, relations = write(path, megabytes=given.megabytes, pictures=given.pictures)
        size = path.stat().st_size / 1e6
        print(f"{size:,.0f} MB: {images:,} pictures, {boxes:,} boxes, {relations:,} interactions", flush=True)
        measured("data", "check", str(path), "--no-images")
        to.parent.mkdir()
        measured("data", "import", str(path), "--to", str(to))
        with to.open() as written:
            print(f"written: {to.stat().st_size / 1e6:,.0f} MB, {sum(1 for _ in written):,} lines")


if __name__ == "__main__":
    main()
