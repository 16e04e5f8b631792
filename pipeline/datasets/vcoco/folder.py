"""Where things are under a folder of V-COCO: pair files by their names, and COCO's two folders of images.

Light on purpose, as `pipeline/datasets/folder.py` is: the fingerprint is taken whenever a run is planned.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets import folder
from pipeline.datasets.folder import Folder

USUAL = ("instances_vcoco_*.json",)
"""Names of pair files, gzipped or not."""
IMAGES = {"train2014": "train2014", "val2014": "val2014"}
"""Train and val of V-COCO are images of COCO's train2014, test of val2014."""


def look(root: Path) -> Folder:
    """What lies in a folder; `annotations` are pair files, copies last."""
    found = folder.look(root, usual=USUAL, image_folders=IMAGES)
    named = [path for path in found.annotations if "vcoco" in path.name]  # a single file that is named may be anything
    return Folder(found.root, tuple(named), None, found.images, nowhere=found.nowhere, passed=found.passed)
