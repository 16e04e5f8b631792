"""The image-embedding stage against the bare model, against one image at a time, and reading its cache. From the root:

    OMP_NUM_THREADS=1 python -m tests.benchmarks.embeddings --photographs ../shared/data/images
    OMP_NUM_THREADS=1 python -m tests.benchmarks.embeddings --architecture ViT-B-16-quickgelu --size 224 --images 40

Weights are random: speed does not depend on them. The photographs (or noise of their size, if there are none) are repeated
under many names. Each comparison alternates its two sides in one process, `--rounds` times, and prints the ratio of the
medians of wall and of CPU seconds; on a loaded machine only the latter mean something.
`one at a time` is the released extraction's way: batch 1, float32 patch tokens, a
file an image; it is written with torch.save.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import torch
from PIL import Image

from models.clip import Clip, Tokenizer
from pipeline.config.loading import load
from pipeline.datasets.images import read_rgb
from pipeline.learned import build
from pipeline.learned.tokens import FrozenTokens
from pipeline.stages import image_embeddings
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import Manifest
from pipeline.store.store import describe_files
from pipeline.work.work import Work
from tests.demo.split_tables import one_a_split


def artifact(folder: Path, stage: str) -> Artifact:
    """The files of a folder as an artifact."""
    text = dict.fromkeys(("fingerprint", "digest", "made_at", "host", "device", "code"), stage)
    maps = {name: {} for name in ("config", "sources", "metrics", "seconds", "packages")}
    none = {"git_commit": None, "git_dirty": None, "seed": 0, "version": 1, "inputs": ()}
    return Artifact(folder, Manifest(stage=stage, files=describe_files(folder), **text, **maps, **none))


def dataset(folder: Path, photographs: list[Path], count: int) -> Artifact:
    """`count` names of the photographs, all in the training split."""
    images = folder / "images"
    (folder / "annotations").mkdir(parents=True)
    images.mkdir()
    if not photographs:
        noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "noise.jpg", quality=90)
        photographs = [folder / "noise.jpg"]
    rows = []
    for i in range(count):
        source = photographs[i % len(photographs)]
        (images / f"{i}.jpg").symlink_to(source.resolve())
        rows.append((i, "train", f"{i}.jpg", *Image.open(source).size))
    table = pd.DataFrame(rows, columns=["image_id", "split", "file_name", "width", "height"])
    for name, part in one_a_split(images=table).items():
        part.to_parquet(folder / "annotations" / f"{name}.parquet")
    return artifact(folder / "annotations", "annotations")


class Bench:
    """A CLIP with random weights, a dataset and a place to write."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        torch.manual_seed(0)
        net = open_clip.create_model(options.architecture, pretrained=None, force_image_size=options.size)
        self.clip = Clip(net.eval().requires_grad_(False).to(options.device), Tokenizer())
        build.frozen_clip = image_embeddings.frozen_clip = lambda config: self.clip
        self.folder, self.options, self.made = folder, options, 0
        photographs = sorted(options.photographs.rglob("*.jpg")) if options.photographs else []
        self.annotations = dataset(folder, photographs, options.images)
        self.paths = [folder / "images" / f"{i}.jpg" for i in range(options.images)]
        prepare = self.clip.preprocess()
        size = image_embeddings.BATCH
        pixels = [prepare(read_rgb(path)) for path in self.paths]
        self.batches = [torch.stack(pixels[i : i + size]) for i in range(0, len(pixels), size)]

    def stage(self) -> Path:
        """Decode, compute and write all images as the pipeline does."""
        self.made += 1
        out, scratch = (self.folder / f"{name}{self.made}" for name in ("out", "scratch"))
        out.mkdir()
        scratch.mkdir()
        config = load(
            overrides=[f"data.root={self.folder / 'images'}", f"device={self.options.device}"], environment={}
        )
        work = Work(
            stage="image_embeddings", config=config, inputs={"annotations": self.annotations}, out=out, scratch=scratch
        )
        image_embeddings.run(work)
        self.seconds = work.clock.seconds
        return out

    def bare(self) -> None:
        """The model's forward on the same batches, decoded before."""
        for batch in self.batches:
            self.clip.embed_images(batch.to(self.clip.device)).cpu()

    def one_at_a_time(self) -> Path:
        """Embed the images in the way of the released extraction."""
        out = self.folder / "files"
        out.mkdir(exist_ok=True)
        prepare = self.clip.preprocess()
        for i, path in enumerate(self.paths):
            tokens = self.clip.embed_images(prepare(Image.open(path).convert("RGB"))[None].to(self.clip.device))
            torch.save(tokens[0, 1:].cpu().clone(), out / f"{i}_clip.pt")
        return out


def seconds(work: Callable[[], object]) -> np.ndarray:
    """Wall and CPU time of a call."""
    start = np.array([time.perf_counter(), time.process_time()])
    work()
    return np.array([time.perf_counter(), time.process_time()]) - start


def compared(first: Callable[[], object], second: Callable[[], object], rounds: int) -> np.ndarray:
    """Median wall and CPU seconds of both, (2, 2), their calls alternating."""
    return np.median([(seconds(first), seconds(second)) for _ in range(rounds)], axis=0)


def reading(cache: Path, files: Path, count: int, batch: int = 16, rounds: int = 100) -> np.ndarray:
    """Median wall and CPU milliseconds of a random training batch, (2, 2): from the cache, from a file an image."""
    tokens = FrozenTokens(artifact(cache, "image_embeddings"), "train")
    draw = np.random.default_rng(0)
    picks = [draw.choice(count, min(batch, count), replace=False).tolist() for _ in range(rounds)]

    def from_files(ids: list[int]) -> torch.Tensor:
        return torch.stack([torch.load(files / f"{i}_clip.pt", weights_only=True) for i in ids])

    times = [(seconds(lambda ids=ids: tokens.of(ids)), seconds(lambda ids=ids: from_files(ids))) for ids in picks]
    return 1e3 * np.median(times, axis=0)


def main() -> None:
    """Prints three ratios and the bytes an image."""
    parser = argparse.ArgumentParser(description="Speed of the image-embedding stage and its cache.")
    parser.add_argument("--architecture", default="ViT-B-16-quickgelu")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--photographs", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        bench.bare()
        print(
            f"{options.architecture}, {options.images} images, {options.device}, {torch.get_num_threads()} torch threads"
        )
        stage, bare = compared(bench.stage, bench.bare, options.rounds)
        print(f"stage {ratio(stage, options.images)}; bare forward {ratio(bare, options.images)}")
        share = 100 * bare / stage
        print(f"the stage reaches {share[0]:.1f} % of the bare forward by wall, {share[1]:.1f} % by CPU")
        print("seconds of its last run: " + ", ".join(f"{kind} {value:.2f}" for kind, value in bench.seconds.items()))
        stage, single = compared(bench.stage, bench.one_at_a_time, options.rounds)
        times = single / stage
        print(f"one at a time {ratio(single, options.images)}")
        print(f"the stage is {times[0]:.2f} times as fast by wall, {times[1]:.2f} by CPU")
        cache, files = bench.folder / f"out{bench.made}", bench.folder / "files"
        size = sum(p.stat().st_size for p in cache.glob("*.parquet")) / options.images
        print(
            f"bytes an image: {size:,.0f} in the cache, {(files / '0_clip.pt').stat().st_size:,} in a file of float32 patches"
        )
        ours, theirs = reading(cache, files, options.images)
        print("a random batch of 16, wall and CPU milliseconds:")
        print(f"  {ours[0]:.2f} and {ours[1]:.2f} from the cache, {theirs[0]:.2f} and {theirs[1]:.2f} from files")


def ratio(seconds_of: np.ndarray, images: int) -> str:
    """Images a second of wall time and CPU seconds an image."""
    return f"{images / seconds_of[0]:.2f} images/s ({seconds_of[1] / images:.3f} CPU s an image)"


if __name__ == "__main__":
    main()
