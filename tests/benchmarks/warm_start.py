"""What a trained model is worth to few pictures of one's own: trained from scratch against from a bundle. From the root:

    OMP_NUM_THREADS=1 python -m tests.benchmarks.warm_start --pictures 12 48 --seeds 0 1 2

The bundle is of the rendered world in setting `uv`. One's own pictures are drawn with classes of that setting's unseen verbs
alone, so the bundle has learned no labelled pair of any of their classes; they are read as anybody's, from PNG files and a
`coco-rel` file, with a split that is told. Printed is the mAP (percent, protocol `official`) over all classes of the own
pictures, of each seed and as mean and standard deviation. Every training is of equal length: `--epochs` times all pictures.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import pandas as pd

from pipeline.config.loading import load
from pipeline.datasets.own import write
from pipeline.datasets.world import scenes
from pipeline.datasets.world.dataset import World
from pipeline.engine.run import run
from pipeline.predict.bundle import FILE
from pipeline.vocabulary.vocabulary import PERSON

CORNERS = ["x1", "y1", "x2", "y2"]
COMMON = [
    "evaluation.untrained=off",
    "evaluation.protocol=official",
    "device=cpu",
    "seen.batch_size=12",
    "utpl.steps=2",
]


def draw(root: Path, world: World, hois: frozenset[int], counts: dict[str, int]) -> None:
    """Pictures of these classes alone, and `own.json`."""
    images: list[tuple[int, str, int, int, str]] = []
    boxes: list[tuple[float, ...]] = []
    relations: list[tuple[int, int, int, int]] = []
    for split, count in counts.items():
        for index in range(count):
            scene = scenes.sample(split=split, index=index, classes=hois)
            number, name = len(images) + 1, f"{split}-{index:04d}.png"
            scenes.draw(scene).save(root / name)
            first = len(boxes)
            images.append((number, name, scene.width, scene.height, split))
            boxes += [(number, PERSON, *box) for box in scene.humans]
            boxes += [(number, thing, *box) for thing, box in scene.objects]
            for pair in scene.pairs:
                verb, thing = world.vocabulary.hoi(pair.hoi_id).verb_id, first + len(scene.humans) + pair.object
                relations.append((number, first + pair.human, thing, verb))
    content = write.value(
        pd.DataFrame(images, columns=["image_id", "file_name", "width", "height", "split"]),
        pd.DataFrame(boxes, columns=["image_id", "object_id", *CORNERS]),
        pd.DataFrame(relations, columns=["image_id", "subject", "object", "verb_id"]),
        vocabulary=world.vocabulary.subset(hois, name="own"),
        about="drawings of unseen verbs",
    )
    write.write(root / "own.json", content)


def means(root: Path, store: Path, seeds: list[int], epochs: int, *more: str) -> list[float]:
    """mAP of every seed."""
    own = [f"store.root={store}", "data.source=own", f"data.root={root}", "setting=default", *COMMON, *more]
    schedule = [f"seen.epochs={epochs}", f"seen.drop_after={max(1, epochs * 5 // 6)}"]
    found = []
    for seed in seeds:
        made = run(load(overrides=[*own, *schedule, f"seed={seed}"], environment={}), targets=("evaluation",))
        found.append(float(made["evaluation"].artifact.manifest.metrics["full"]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, nargs="+", default=[12, 48], help="one's own, for training")
    parser.add_argument("--tested", type=int, default=150, help="one's own, for testing")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=12, help="of the trainings on one's own pictures")
    parser.add_argument("--before", type=int, default=400, help="scenes that the bundle is trained on, for 4 epochs")
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3, 3e-4], help="learning rates from the bundle")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        first = load(
            overrides=[
                *(f"store.root={store}", "setting=uv", "seen.epochs=4", "seen.drop_after=3", *COMMON),
                *(f"data.world.train_images={given.before}", "data.world.test_images=60"),
            ],
            environment={},
        )
        bundle = run(first, targets=("bundle",))["bundle"].artifact.path(FILE)
        world = World(first.data.world)
        hois = frozenset(world.settings["uv"])
        print(f"{len(hois)} classes of unseen verbs; {given.tested} test pictures", flush=True)
        for count in given.pictures:
            root = Path(folder) / f"own-{count}"
            root.mkdir()
            draw(root, world, hois, {"train": count, "test": given.tested})
            variants: dict[str, list[str]] = {"from scratch": []} | {
                f"from the bundle, lr {rate:g}": [f"seen.init={bundle}", f"seen.optimiser.lr={rate}"]
                for rate in given.rates
            }
            for name, more in variants.items():
                found = means(root, store, given.seeds, given.epochs, *more)
                spread = statistics.stdev(found) if len(found) > 1 else 0.0
                each = ", ".join(f"{value:.1f}" for value in found)
                print(
                    f"{count:4d} pictures  {name:28s} {statistics.mean(found):5.1f} ± {spread:.1f}   ({each})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
