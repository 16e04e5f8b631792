"""The names of files and folders under a folder of HICO-DET; `pipeline/datasets/folder.py` searches for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pipeline.datasets import folder
from pipeline.datasets.folder import Folder

USUAL = (
    "anno_bbox.mat",
    "instances_*2015*.json",
    "*pairs*.parquet",
    "hico-det-*instance-level*.json",
    "trainval_hico*.json",
    "test_hico*.json",
)
"""Names of annotation files; JSON may be gzipped. Where several have the same split, the first kind here is used."""
LABELS = "anno.mat"
"""The file with the labels of whole images."""
BESIDE = "*images*.parquet"
"""Tables of images, which are read along with a table of pairs."""
IMAGES: Mapping[str, str] = MappingProxyType({"train2015": "train", "test2015": "test"})
"""Names of folders with images, and the split of each."""


def look(root: Path) -> Folder:
    """What lies in a folder."""
    return folder.look(root, usual=USUAL, image_folders=IMAGES, labels_name=LABELS, beside_names=(BESIDE,))


def fingerprint(root: Path) -> str:
    """Digest of a folder: annotation files by content, images by name and size."""
    return folder.digest_of(look(root))
