"""The stage on HICO-DET from disk: the real annotation, and what changes its fingerprint."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.config import loading
from pipeline.datasets.hico import settings
from pipeline.engine import graph
from pipeline.engine import run as runner
from pipeline.engine.ingredients import ingredients
from pipeline.errors import DataError
from pipeline.store.artifact import Artifact

SHARED = Path(__file__).parents[4] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no real data at {SHARED}")
PHOTOGRAPH = "HICO_test2015_00003124.jpg"


def run(store: Path, root: Path, *more: str) -> Artifact:
    settings = [f"data.root={root}", f"store.root={store}", *more]
    configuration = loading.load(profile="hico-vitb", overrides=settings, environment={})
    return runner.run(configuration, targets=("annotations",))["annotations"].artifact


@pytest.fixture(scope="module")
def made(tmp_path_factory: Any) -> Artifact:
    return run(tmp_path_factory.mktemp("store"), SHARED / "hico")


@needs_data
class TestReal:
    def test_counts(self, made: Artifact) -> None:
        first = 0
        for split, images, empty, pairs in (("train", 38_118, 485, 117_654), ("test", 9_658, 112, 33_405)):
            listed, annotated = made.table(f"{split}-images.parquet"), made.table(f"{split}-pairs.parquet")
            assert len(listed) == images and listed["image_id"].is_unique
            assert (listed["n_pairs"] == 0).sum() == empty and listed["n_pairs"].sum() == pairs
            assert annotated["pair_id"].tolist() == list(range(first, first + pairs))
            assert set(annotated["image_id"]) <= set(listed["image_id"])
            first += pairs
        assert made.manifest.metrics["images"] == 47_776 and made.manifest.metrics["pairs"] == 151_059

    def test_boxes_are_continuous(self, made: Artifact) -> None:
        pairs = made.table("train-pairs.parquet").merge(made.table("train-images.parquet"), on="image_id")
        first = pairs[pairs["file_name"].str.endswith("HICO_train2015_00000001.jpg")].iloc[0]
        # 1-based inclusive 208, 33, 427, 300
        assert first[["hx1", "hy1", "hx2", "hy2"]].tolist() == [207, 32, 427, 300]
        assert pairs[["hx1", "hy1", "ox1", "oy1"]].min().min() == 0
        assert (pairs["ox2"] - pairs["width"]).max() == 0 and (pairs["oy2"] - pairs["height"]).max() == 0
        metadata = pq.read_schema(made.path("train-pairs.parquet")).metadata
        assert metadata[b"box_convention"] == b"continuous"

    def test_classes(self, made: Artifact) -> None:
        counts = made.table("classes.parquet")
        assert counts["hoi_id"].tolist() == list(range(600))
        for setting in ("rf_uc", "nf_uc", "uo", "uv"):
            assert set(counts.loc[counts[setting], "hoi_id"]) == settings.SETTINGS[setting]
        assert set(counts.loc[counts["rare"], "hoi_id"]) == settings.RARE
        assert counts["train_count"].sum() == 117_654 and "test_count" not in counts
        tested = made.table("test-counts.parquet")
        assert tested["hoi_id"].tolist() == list(range(600)) and tested["test_count"].sum() == 33_405
        of_last = (made.table("test-pairs.parquet")["hoi_id"] == 599).sum()
        assert tested["test_count"].iloc[-1] == of_last > 0
        assert made.manifest.metrics["classes_with_test_pairs"] == (tested["test_count"] > 0).sum()

    def test_objects_and_presence(self, made: Artifact) -> None:
        for split, labels in (("train", 70_373), ("test", 20_268)):
            presence = made.table(f"{split}-presence.parquet")
            assert not made.table(f"{split}-objects.parquet").duplicated().any() and len(presence) == labels
            pairs = made.table(f"{split}-pairs.parquet", ["image_id", "hoi_id"]).drop_duplicates()
            shown = pd.MultiIndex.from_frame(presence[["image_id", "hoi_id"]])
            assert pd.MultiIndex.from_frame(pairs).isin(shown).all(), "every annotated class is labelled in its image"

    def test_leakage_is_stored_for_every_setting(self, made: Artifact) -> None:
        found = made.json("leakage.json")
        assert list(found) == ["rf_uc", "nf_uc", "uo", "uv", "default"]
        assert found["rf_uc"]["images"]["keep_a_pair"] == 37_528


def one_image(root: Path) -> Path:
    """A dataset folder with the real annotation of both splits and the one photograph."""
    root.mkdir()
    shutil.copy(SHARED / "hico" / "instances_test2015.json.gz", root)
    shutil.copy(SHARED / "hico" / "instances_train2015_reconstructed.json.gz", root)
    (root / "images" / "test2015").mkdir(parents=True)
    shutil.copy(SHARED / "images" / "hico" / PHOTOGRAPH, root / "images" / "test2015")
    return root


@needs_data
def test_missing_images_stop_or_are_left_out(tmp_path: Path) -> None:
    root = one_image(tmp_path / "hico")
    with pytest.raises(DataError, match="47775 image files are missing, for example images/train2015/HICO_train2015"):
        run(tmp_path / "store", root)
    made = run(tmp_path / "store", root, "data.faults=skip")
    images = made.table("test-images.parquet")
    assert images["file_name"].tolist() == [f"images/test2015/{PHOTOGRAPH}"] and images["file_bytes"].item() == 100_358
    assert len(made.table("test-pairs.parquet")) == 1 and len(made.table("faults.parquet")) == 47_775
    for name in ("images", "pairs", "objects", "presence"):
        of_train, of_test = (pq.read_schema(made.path(f"{split}-{name}.parquet")) for split in ("train", "test"))
        assert made.table(f"train-{name}.parquet").empty and of_train.types == of_test.types, name


def test_without_a_folder(tmp_path: Path) -> None:
    configuration = loading.load(profile="hico-vitb", overrides=[f"store.root={tmp_path}"], environment={})
    with pytest.raises(DataError, match=r"--set data\.root="):
        runner.run(configuration, targets=("annotations",))


class TestFingerprint:
    """The part of `data.root` that the stage's fingerprint covers."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        (tmp_path / "images" / "train2015").mkdir(parents=True)
        (tmp_path / "images" / "train2015" / "HICO_train2015_00000001.jpg").write_bytes(b"12345")
        (tmp_path / "anno_bbox.mat").write_bytes(b"boxes")
        (tmp_path / "notes.txt").write_text("mine")
        return tmp_path

    def of(self, root: Path) -> str:
        configuration = loading.load(profile="hico-vitb", overrides=[f"data.root={root}"], environment={})
        return ingredients(replace(graph.stage("annotations"), inputs=()), config=configuration, inputs={}).fingerprint

    def test_annotation_content_and_image_sizes_count(self, root: Path) -> None:
        seen = [self.of(root)]
        (root / "anno_bbox.mat").write_bytes(b"bodes")
        seen.append(self.of(root))
        image = root / "images" / "train2015" / "HICO_train2015_00000001.jpg"
        image.write_bytes(b"123456")
        seen.append(self.of(root))
        image.rename(image.with_name("HICO_train2015_00000002.jpg"))
        seen.append(self.of(root))
        assert len(set(seen)) == 4

    def test_images_are_not_read_and_the_place_and_other_files_do_not_count(self, root: Path, tmp_path: Path) -> None:
        before = self.of(root)
        (root / "images" / "train2015" / "HICO_train2015_00000001.jpg").write_bytes(b"54321")
        (root / "notes.txt").write_text("changed")
        assert self.of(root) == before
        moved = tmp_path.parent / f"{tmp_path.name}-moved"
        shutil.copytree(root, moved)
        assert self.of(moved) == before
