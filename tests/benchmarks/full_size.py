"""The pipeline on HICO-DET's own annotation with the tiny CLIP: CPU-seconds, peak memory and bytes of every stage.

    python -m tests.benchmarks.full_size ANNOTATION FOLDER --train 0.1 --test 0.1
    python -m tests.benchmarks.full_size ANNOTATION FOLDER --ezhoi now=.venv/bin/ezhoi --ezhoi before=../old/.venv/bin/ezhoi

ANNOTATION holds `hico_det_{images,train2015_pairs,test2015_pairs}.parquet`. FOLDER/data is made once: for each picture of a
fraction of the splits a JPEG of the annotated size (the same noise with the spectrum of photographs, about 68 kB; hard links
where sizes are equal), and what a DETR would say: 100 boxes a picture, 11 of them above 0.2. Each stage runs as a command of
its own with one thread of arithmetic; CPU-seconds include its children's and about three seconds of start. Memory is the
largest of its processes. Several programs (`--ezhoi NAME=PATH`, e.g. of another checkout) take turns at each stage, each with
its own store, so that both meet the same machine.

Phases: `first` makes everything; `seed` another model; `edit` changes one description of an unseen class; `cached` finds all.
`at full size` divides by the fraction what grows with the pictures; it is arithmetic.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

QUERIES, ABOVE = 100, 11
"""Boxes a picture, and those of them above `pairing.score_threshold`."""
CORNERS = ["x1", "y1", "x2", "y2"]
BYTES = 76_000
"""Most bytes of a picture of 640 x 480, others in proportion; about 68,000 are then a picture's on average."""
EVERYWHERE = ("vocabulary", "descriptions", "text_embeddings", "disparities", "utpl", "bundle")
"""Stages whose cost does not depend on the pictures, or hardly: `utpl` reads the pairs of all, and trains for 60 steps."""
OF_TEST = ("untrained", "predictions", "evaluation")
"""Stages that see test pictures alone."""
PHASES = {"first": [], "seed": ["seed=1"], "edit": ["descriptions.edits={folder}/edits.yaml"], "cached": []}
EDIT = "sail boat: A person sits at the back of a small boat under a white sail, one hand on the rudder.\n"
"""Of a class that is unseen in `uv`."""
SETTINGS = (
    *("data.source=hico", "data.root={folder}/data", "detections.source=parquet"),
    "detections.path={folder}/data/boxes.parquet",
    *("device=cpu", "setting=uv", "seen.epochs=1", "seen.drop_after=1", "seen.augment.colour=0.4"),
    *("seen.augment.scale=true", "seen.augment.crop=0.5", "store.root={store}"),
)


# --- the folder ------------------------------------------------------------------------------------------------------


def make(annotation: Path, folder: Path, fractions: dict[str, float]) -> None:
    """Write annotation, pictures and boxes of pictures all over each split; nothing if they are there."""
    done = folder / "made.json"
    if done.exists() and json.loads(done.read_text()) == fractions:
        return
    shutil.rmtree(folder, ignore_errors=True)
    images = pd.read_parquet(annotation / "hico_det_images.parquet").fillna({"width": 640, "height": 480})
    kept = []
    for split, fraction in fractions.items():
        of_split = images[images["split"] == split]
        places = np.linspace(0, len(of_split) - 1, round(fraction * len(of_split)))  # neighbours show the same object
        mine = of_split.iloc[np.round(places).astype(int)]
        (folder / "images" / split).mkdir(parents=True)
        pairs = pd.read_parquet(annotation / f"hico_det_{split}_pairs.parquet")
        pairs = pairs[pairs["file_name"].isin(mine["file_name"])]
        pairs.to_parquet(folder / f"{split}_pairs.parquet", index=False)
        kept.append((mine, pairs))
    every = pd.concat([mine for mine, _ in kept], ignore_index=True)
    every.to_parquet(folder / "images.parquet", index=False)
    _pictures(folder / "images", every)
    _boxes(every, pd.concat([pairs for _, pairs in kept])).to_parquet(folder / "boxes.parquet", index=False)
    done.write_text(json.dumps(fractions))


def _pictures(folder: Path, images: pd.DataFrame) -> None:
    """A JPEG of each annotated size, and hard links to it."""
    noise = photograph_like(1024)
    made: dict[tuple[int, int], Path] = {}
    for split, name, *size in images[["split", "file_name", "width", "height"]].itertuples(index=False):
        path = folder / split / name
        width, height = int(size[0]), int(size[1])
        if (width, height) in made:
            os.link(made[width, height], path)
            continue
        path.write_bytes(_jpeg(noise, width, height))
        made[width, height] = path


def photograph_like(side: int) -> np.ndarray:
    """Noise (side, side, 3), uint8, whose amplitudes fall with one over the frequency, as those of photographs do."""
    frequencies = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequencies[0, 0] = 1.0
    noise = np.random.default_rng(0).normal(size=(3, side, side))
    shaped = np.fft.ifft2(np.fft.fft2(noise) / frequencies).real
    shaped = 128 + 50 * shaped / shaped.std(axis=(1, 2), keepdims=True)
    grey = shaped.mean(axis=0)
    return np.clip(grey + 0.3 * (shaped - grey), 0, 255).astype(np.uint8).transpose(1, 2, 0)


def _jpeg(noise: np.ndarray, width: int, height: int) -> bytes:
    rows, columns = np.arange(height) % len(noise), np.arange(width) % len(noise)
    image, wanted = Image.fromarray(noise[rows][:, columns]), BYTES * width * height / (640 * 480)
    for quality in (95, 93, 91, 88, 84, 80, 75, 70, 60, 50):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        if file.tell() <= wanted:
            break
    return file.getvalue()


def _boxes(images: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """A detector's boxes: annotated ones first, a little off; then others, of which some pictures have more people."""
    source = np.random.default_rng(0)
    sides = [
        pairs[["file_name", *(f"{side}{c}" for c in CORNERS)]].set_axis(["file_name", *CORNERS], axis=1)
        for side in "ho"
    ]
    sides[0]["object_id"], sides[1]["object_id"] = 0, pairs["object_id"]
    true = pd.concat(sides).drop_duplicates()
    true["place"] = true.groupby("file_name").cumcount()
    true = true[true["place"] < ABOVE]
    row = true["file_name"].map(pd.Series(np.arange(len(images)), images["file_name"])).to_numpy() * QUERIES
    row = row + true["place"].to_numpy()
    extent = np.repeat(images[["width", "height"]].to_numpy(np.float64), QUERIES, axis=0)
    size = source.uniform(0.08, 0.6, extent.shape) * extent
    start = source.uniform(0, 1, extent.shape) * (extent - size)
    corners = np.concatenate([start, start + size], axis=1)
    exact = true[CORNERS].to_numpy(np.float64)
    corners[row] = exact + source.normal(0, 0.04, exact.shape) * np.tile(exact[:, 2:] - exact[:, :2], 2)
    corners = np.clip(corners, 0, np.tile(extent, 2))
    sound = (corners[:, 2:] - corners[:, :2] > 2).all(axis=1)
    corners[~sound] = np.concatenate([np.zeros_like(extent), extent], axis=1)[~sound]
    people = np.repeat(source.uniform(0.2, 0.9, len(images)), QUERIES)
    labels = np.where(source.random(len(corners)) < people, 0, source.integers(1, 80, len(corners)))
    labels[row] = true["object_id"]
    place = np.tile(np.arange(QUERIES), len(images))
    scores = np.where(place < ABOVE, source.uniform(0.2, 1.0, len(place)), source.beta(1, 12, len(place)) * 0.2)
    return pd.DataFrame(
        {"file_name": np.repeat(images["file_name"].to_numpy(), QUERIES), "object_id": labels, "score": scores}
        | {corner: corners[:, i] for i, corner in enumerate(CORNERS)}
    )


# --- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spent:
    """What a command cost: CPU seconds, the largest process's memory and the bytes that its stage keeps."""

    seconds: float
    memory: int
    stored: int


def measure(program: Path, stage: str | None, settings: Sequence[str], folder: Path, store: Path) -> Spent:
    """Run up to a stage (all of it if None) and wait; an error ends the benchmark with what the program said."""
    chosen = [s.format(folder=folder, store=store) for s in settings]
    command = [str(program), "run", *(part for s in chosen for part in ("--set", s))]
    command += [] if stage is None else ["--target", stage]
    before = _bytes(store / stage) if stage else 0
    log = store.with_suffix(".log")
    with log.open("w") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)}\n{log.read_text()[-3000:]}")
    stored = (_bytes(store / stage) - before) if stage else 0
    return Spent(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, stored)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def stages(program: Path, settings: Sequence[str], folder: Path, store: Path) -> list[str]:
    """The stages of a program, in running order."""
    chosen = [s.format(folder=folder, store=store) for s in settings]
    command = [str(program), "status", "--json", *(part for s in chosen for part in ("--set", s))]
    said = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": ""})
    if said.returncode:
        sys.exit(f"{' '.join(command)}\n{said.stderr[-3000:]}")
    return [entry["stage"] for entry in json.loads(said.stdout)]


def phase(name: str, options: argparse.Namespace, fractions: dict[str, float]) -> Iterator[str]:
    """The lines of a phase's table."""
    programs = [(label, Path(path), options.folder / f"store-{label}") for label, path in options.ezhoi]
    settings = [*SETTINGS, *PHASES[name], *options.set]
    named = {label: stages(program, settings, options.folder, store) for label, program, store in programs}
    order = list(dict.fromkeys(stage for found in named.values() for stage in found))
    total = {label: [0.0, 0.0] for label, _, _ in programs}
    yield f"\n{name}: {' '.join(PHASES[name]) or 'as it is'}\n"
    yield f"| stage | {' | '.join(f'{x}: CPU s | at full size | peak GB | MB' for x in total)} |"
    yield "|---|" + "---:|" * 4 * len(programs)
    if options.stages:
        order = [stage for stage in order if stage in options.stages]
    for stage in [None] if name == "cached" else order:
        cells = []
        for label, program, store in programs:
            if stage is not None and stage not in named[label]:
                cells.append("| | | ")
                continue
            spent = measure(program, stage, settings, options.folder, store)
            whole = _whole(stage, spent.seconds, options.start, fractions)
            total[label] = [total[label][0] + spent.seconds, total[label][1] + whole]
            cells.append(f"{spent.seconds:.1f} | {whole:.0f} | {spent.memory / 1e9:.2f} | {spent.stored / 1e6:.1f}")
        yield f"| {stage or 'everything'} | {' | '.join(cells)} |"
    yield f"| sum | {' | '.join(f'{here:.1f} | {whole:.0f} | |' for here, whole in total.values())} |"


def _whole(stage: str | None, seconds: float, start: float, fractions: dict[str, float]) -> float:
    """What a stage would cost with every picture; the start of the command stays as it is."""
    counts = {"train2015": 38118, "test2015": 9658}
    if stage is None or stage in EVERYWHERE:
        return seconds
    of = {"test2015"} if stage in OF_TEST else {"train2015"} if stage == "seen" else set(counts)
    share = sum(counts[s] * fractions[s] for s in of) / sum(counts[s] for s in of)
    return start + max(seconds - start, 0.0) / share


def main() -> None:
    """Make the folder and print a table a phase."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotation", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=float, default=0.05, help="fraction of the training pictures")
    parser.add_argument("--test", type=float, default=0.05, help="fraction of the test pictures")
    parser.add_argument("--phases", nargs="+", choices=PHASES, default=list(PHASES))
    parser.add_argument("--stages", nargs="+", help="only these (with what they need)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of ezhoi")
    parser.add_argument("--start", type=float, default=3.0, help="CPU-seconds of a command that do not grow")
    parser.add_argument(
        "--ezhoi", action="append", default=[], metavar="NAME=PATH", type=lambda given: given.split("=", 1)
    )
    options = parser.parse_args()
    options.folder = options.folder.absolute()
    options.ezhoi = options.ezhoi or [["now", str(Path(sys.executable).with_name("ezhoi"))]]
    fractions = {"train2015": options.train, "test2015": options.test}
    make(options.annotation, options.folder / "data", fractions)  # a store in it would be a part of it
    (options.folder / "edits.yaml").write_text(EDIT)
    for name in options.phases:
        for line in phase(name, options, fractions):
            print(line, flush=True)


if __name__ == "__main__":
    main()
