"""How good are classes that nobody trained? Verbs of the rendered world held out of training and vocabulary, added by name.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.open_classes FOLDER

FOLDER keeps pictures, stores and figures; the same command again goes on. The three verbs of the setting `uv`, which the tiny
CLIP was not shown either, are no words of the vocabulary that the models are trained with, and none of their pairs is
annotated. For each seed there is a second model that knows them: the same pictures, all words, all labels.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.config.data import World as WorldSection
from pipeline.config.loading import load
from pipeline.config.tree import Config
from pipeline.datasets.dataset import CORNERS, SplitTables
from pipeline.datasets.own import write
from pipeline.datasets.world.classes import unseen
from pipeline.datasets.world.dataset import World
from pipeline.datasets.world.scenes import Scene
from pipeline.datasets.world.scenes import draw as paint
from pipeline.datasets.world.scenes import sample as scene
from pipeline.engine.run import run
from pipeline.metrics.evaluation import Compared, Judged, judge
from pipeline.metrics.protocols import PROTOCOLS
from pipeline.metrics.resampling import Resampled
from pipeline.metrics.tables import read_pairs, read_scores
from pipeline.predict import adding
from pipeline.predict.boxes import Boxes
from pipeline.predict.examples import Example
from pipeline.predict.predictor import Predictor
from pipeline.predict.scoring import predictions
from pipeline.store.artifact import Artifact
from pipeline.store.store import Store
from pipeline.vocabulary import file as vocabulary_file
from pipeline.vocabulary.vocabulary import PERSON, Vocabulary, hoi

HELD = unseen("uv")
"""Ids of the classes of the held-out verbs."""
TRAIN, TEST = 600, 800
SEEDS = (0, 1, 2)
SHOTS = (1, 2, 4, 8)
RESAMPLES = 300
POOL, POOL_SIZE = 10_000, 1_200
"""Numbers of the scenes that examples are drawn from."""


def words(held: frozenset[int]) -> Vocabulary:
    """The world's words without those classes, and without verbs that no other class has; ids of classes stay."""
    world = World(WorldSection()).vocabulary
    kept = [c for c in world.classes if c.hoi_id not in held]
    numbers = sorted({c.verb_id for c in kept})
    verbs = tuple(world.verbs[n] for n in numbers)
    classes = tuple(
        hoi(c.hoi_id, numbers.index(c.verb_id), c.object_id, world.verbs[c.verb_id], world.objects[c.object_id])
        for c in kept
    )
    return Vocabulary("the rendered world's words", verbs, world.objects, classes)


def write_data(folder: Path, held: frozenset[int]) -> None:
    """Pictures, `vocabulary.yaml` and `own.json` as a user's folder has them; pairs of held-out classes are not annotated."""
    if (folder / "own.json").is_file():
        return
    world = World(WorldSection(train_images=TRAIN, test_images=TEST))
    vocabulary = words(held)
    images, boxes, relations = [], [], []
    for split in ("train", "test"):
        tables = world.tables(split)
        (folder / split).mkdir(parents=True, exist_ok=True)
        for image_id, name in tables.images[["image_id", "file_name"]].itertuples(index=False):
            world.open(image_id).save(folder / name)
        images.append(tables.images.assign(split=split))
        relations.append(_relations(tables, vocabulary, first=sum(map(len, boxes))))
        boxes.append(tables.boxes)
    content = write.value(
        pd.concat(images), pd.concat(boxes), pd.concat(relations), vocabulary=vocabulary, about="the rendered world"
    )
    # Image ids from 1, as the format wants them.
    for part, key in (("images", "id"), ("annotations", "image_id"), ("rel_annotations", "image_id")):
        content[part] = [row | {key: row[key] + 1} for row in content[part]]
    vocabulary_file.write(folder / "vocabulary.yaml", vocabulary)
    write.write(folder / "own.json", content)


def _relations(tables: SplitTables, vocabulary: Vocabulary, *, first: int) -> pd.DataFrame:
    """image_id, subject and object (rows of boxes) and verb_id of the pairs whose classes the vocabulary has."""
    place = {
        key: first + i
        for i, key in enumerate(tables.boxes[["image_id", "object_id", *CORNERS]].itertuples(index=False))
    }
    rows = []
    for pair in tables.pairs[tables.pairs["hoi_id"].isin(vocabulary.ids)].itertuples():
        human = place[(pair.image_id, 0, pair.hx1, pair.hy1, pair.hx2, pair.hy2)]
        thing = place[(pair.image_id, pair.object_id, pair.ox1, pair.oy1, pair.ox2, pair.oy2)]
        rows.append((pair.image_id, human, thing, vocabulary.hoi(pair.hoi_id).verb_id))
    return pd.DataFrame(rows, columns=["image_id", "subject", "object", "verb_id"])


def trained(folder: Path, store: Path, seed: int) -> dict[str, Artifact]:
    """A run on a folder of data, of a quarter of the demo's training; reused where it is in the store."""
    return {stage: outcome.artifact for stage, outcome in run(configuration(folder, store, seed)).items()}


def configuration(folder: Path, store: Path, seed: int) -> Config:
    """The configuration that a model is made with."""
    return load(
        overrides=[
            *("data.source=own", f"data.root={folder}", "setting=default", f"store.root={store}", f"seed={seed}"),
            *("seen.epochs=6", "seen.drop_after=5", "device=cpu", "evaluation.untrained=off"),
        ],
        environment={},
    )


def file_of(folder: Path, held: frozenset[int]) -> Path:
    """The vocabulary file that adds the held-out classes, as a user writes it; ids stay those of the world."""
    world = World(WorldSection()).vocabulary
    classes = [world.hoi(h) for h in sorted(held)]
    verbs = {c.verb: c.verb_ing for c in classes}
    content = {
        "format": vocabulary_file.FORMAT,
        "verbs": [{"name": name, "ing": ing} for name, ing in verbs.items()],
        "classes": [{"id": c.hoi_id, "verb": c.verb, "object": c.object} for c in classes],
    }
    path = folder / "added.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def examples(folder: Path, vocabulary: Vocabulary, *, most: int, draw: int) -> tuple[Example, ...]:
    """So many examples of each held-out class, from scenes that are in no split here, each with one pair of such a class."""
    pool: dict[int, list[tuple[int, Scene]]] = {h: [] for h in sorted(HELD)}
    for index in range(POOL, POOL + POOL_SIZE):
        found = scene(split="test", index=index)
        mine = [pair.hoi_id for pair in found.pairs if pair.hoi_id in HELD]
        if len(mine) == 1:
            pool[mine[0]].append((index, found))
    generator = np.random.default_rng(draw)
    shown = []
    for hoi_id, scenes in pool.items():
        for place in generator.permutation(len(scenes))[:most]:
            index, found = scenes[place]
            picture = folder / "examples" / f"{index}.png"
            picture.parent.mkdir(exist_ok=True)
            if not picture.is_file():
                paint(found).save(picture)
            pair = next(p for p in found.pairs if p.hoi_id == hoi_id)
            both = np.array([*found.humans[pair.human], *found.objects[pair.object][1]], np.float32)
            labels = [vocabulary.objects[PERSON].name] * len(found.humans) + [
                vocabulary.objects[number].name for number, _ in found.objects
            ]
            corners = [*found.humans, *(box for _, box in found.objects)]
            boxes = Boxes.of(vocabulary, corners, [1.0] * len(corners), labels)
            shown.append(Example(picture, boxes, np.array([hoi_id]), both[None]))
    return tuple(shown)


def tested(predictor: Predictor, made: dict[str, Artifact], root: Path) -> dict[str, Any]:
    """The pairs of all test pictures by a predictor, with image ids, from the run's own boxes."""
    images = made["annotations"].table("test-images.parquet")
    boxes = made["detections"].table("test.parquet")
    by_image = dict(tuple(boxes.groupby("image_id")))
    tables = []
    for start in range(0, len(images), 8):
        some = images.iloc[start : start + 8]
        prepared = []
        for image_id, name in some[["image_id", "file_name"]].itertuples(index=False):
            rows = by_image[image_id]
            found = Boxes(
                rows[CORNERS].to_numpy(np.float32),
                rows["score"].to_numpy(np.float32),
                rows["object_id"].to_numpy(np.int64),
            )
            prepared.append(predictor.prepare(root / name, found))
        table = predictor.pairs(prepared).table
        tables.append(table | {"image_id": some["image_id"].to_numpy()[table["image_id"]]})
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def judged(table: dict[str, Any], scores: NDArray[np.float64], vocabulary: Vocabulary, truth: pd.DataFrame) -> Judged:
    """The ranked detections of the held-out classes."""
    ids = np.array(sorted(HELD))
    rows = predictions(table, {"score": scores}, vocabulary.lookup(ids)[table["object_id"]])
    pairs = read_pairs(rows, ids, table="predictions")
    return judge(
        Compared(pairs, read_pairs(truth, ids, table="pairs")),
        scores=read_scores(rows, pairs, table="predictions"),
        rules=PROTOCOLS["official"],
    )


def measured(folder: Path, seed: int, truth: pd.DataFrame) -> dict[str, Judged]:
    """What each way of knowing the held-out classes ranks, for one seed."""
    config = configuration(folder / "without", folder / "store", seed)
    made = trained(folder / "without", folder / "store", seed)
    bundle, added = Predictor.open(made["bundle"]), file_of(folder, HELD)
    described = bundle.with_classes(added)
    vocabulary = described.vocabulary
    shots = {n: described.with_examples(examples(folder, vocabulary, most=n, draw=seed)) for n in SHOTS}
    table = tested(shots[max(SHOTS)], made, folder / "without")
    phrases = {hoi.name: f"{hoi.phrase}." for hoi in (vocabulary.hoi(h) for h in HELD)}
    pairs = adding.pairs_of(bundle.header, Store(folder / "store"))
    adapting = {
        name: adding.Adapting(config=config, pairs=found, scratch=folder)
        for name, found in (("adapted, without negatives", None), ("adapted", pairs))
    }
    ways = {"the bare phrase": bundle.with_classes(added, phrases), "its description": described}
    ways |= {name: bundle.with_classes(added, adapting=how) for name, how in adapting.items()}
    ways |= {f"its description and {n} example{'s' if n > 1 else ''}": found for n, found in shots.items()}
    random = np.random.default_rng(seed).random((len(table["prior"]), len(vocabulary.verbs)))
    scores = {"chance: a random order": random}
    scores["the boxes alone"] = described.words.scorer.scores("detector_only", table)
    scores |= {name: way.words.scorer.scores("adapted", table) for name, way in ways.items()}
    found = {name: judged(table, values, vocabulary, truth) for name, values in scores.items()}
    known_run = trained(folder / "with", folder / "store", seed)
    known = Predictor.open(known_run["bundle"])
    table = tested(known, known_run, folder / "with")
    return found | {
        "known in training": judged(table, known.words.scorer.scores("adapted", table), known.vocabulary, truth)
    }


def summary(seeds: list[dict[str, Judged]]) -> dict[str, dict[str, float]]:
    """mAP of every way: mean and deviation over the seeds, and the interval of the mean over draws of test pictures."""
    ids, generator = np.array(sorted(HELD)), np.random.default_rng(0)
    count = 1 + max(int(one.image.max()) for ways in seeds for one in ways.values())
    drawn = [np.ones(count, np.int64)]
    drawn += [generator.multinomial(count, np.full(count, 1 / count)) for _ in range(RESAMPLES)]
    table = {}
    for name in seeds[0]:
        resampled = [Resampled(ways[name], classes=ids, rule=PROTOCOLS["official"].rule) for ways in seeds]
        values = 100 * np.array([[np.nanmean(one.average_precision(w)) for one in resampled] for w in drawn])
        # AP of a draw with repetitions lies above that of all pictures: draws tell how far it may be off, not where it is.
        draws = values[1:].mean(axis=1)
        low, high = values[0].mean() + np.percentile(draws - draws.mean(), [2.5, 97.5])
        table[name] = {"mean": values[0].mean(), "deviation": values[0].std(ddof=1), "low": low, "high": high} | {
            f"seed {seed}": value for seed, value in zip(SEEDS, values[0], strict=True)
        }
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name, held in (("without", HELD), ("with", frozenset[int]())):
        write_data(folder / name, held)
    world = World(WorldSection(train_images=TRAIN, test_images=TEST)).tables("test").pairs
    truth = world[world["hoi_id"].isin(HELD)]
    truth = truth.assign(image_id=truth["image_id"] + 1)
    seeds = []
    for seed in SEEDS:
        start = time.process_time()
        seeds.append(measured(folder, seed, truth))
        print(f"seed {seed}: {time.process_time() - start:.0f} CPU-seconds", flush=True)
    table = summary(seeds)
    (folder / "figures.json").write_text(json.dumps(table, indent=1), encoding="utf-8")
    print(f"{len(truth)} annotated pairs of {len(HELD)} classes in {TEST} pictures")
    for name, row in table.items():
        each = ", ".join(f"{row[f'seed {seed}']:.1f}" for seed in SEEDS)
        print(
            f"| {name} | {row['mean']:.1f} ± {row['deviation']:.1f} | {row['low']:.1f} to {row['high']:.1f} | {each} |"
        )


if __name__ == "__main__":
    main()
