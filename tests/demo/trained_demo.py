"""A run of the smallest demo as somebody has it who predicts: its bundle, its test pictures as files, and their boxes."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from small_demo import small

from pipeline.engine.run import run
from pipeline.predict import bundle as bundles
from pipeline.predict.boxes import Boxes
from pipeline.store.artifact import Artifact


@dataclass
class Trained:
    """A run of the smallest demo, its test pictures as files, and their boxes as a file."""

    made: dict[str, Artifact]
    folder: Path

    @property
    def bundle(self) -> Path:
        """The bundle and nothing else, in a folder of its own."""
        return self.folder / "elsewhere" / "b.safetensors"

    @property
    def images(self) -> list[int]:
        return sorted(int(path.stem) for path in (self.folder / "pictures").glob("*.png"))

    def boxes(self, image_id: int) -> Boxes:
        rows = self.made["detections"].table("test.parquet").query("image_id == @image_id")
        corners = rows[["x1", "y1", "x2", "y2"]].to_numpy(np.float32)
        return Boxes(corners, rows["score"].to_numpy(np.float32), rows["object_id"].to_numpy(np.int64))

    def picture(self, image_id: int) -> Path:
        return self.folder / "pictures" / f"{image_id}.png"


def train(folder: Path) -> Trained:
    """Run the demo in a folder, whose `store` may have it."""
    made = {stage: outcome.artifact for stage, outcome in run(small(folder / "store")).items()}
    found = Trained(made, folder)
    found.bundle.parent.mkdir()
    shutil.copyfile(made["bundle"].path(bundles.FILE), found.bundle)
    (folder / "pictures").mkdir()
    for name in made["annotations"].names("pixels-test-*"):
        shard = made["annotations"].table(name)
        for image_id, png in zip(shard["image_id"], shard["png"], strict=True):
            found.picture(image_id).write_bytes(png)
    made["detections"].table("test.parquet").to_parquet(folder / "boxes.parquet")
    return found
