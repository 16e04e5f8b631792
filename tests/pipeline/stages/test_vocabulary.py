"""The proof that names and numbers are only what the vocabulary says: other ones give permuted, otherwise equal results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL.Image import Image
from small_demo import small

from pipeline.config.tree import Config
from pipeline.datasets import classes, configured
from pipeline.datasets.dataset import SPLITS, SplitTables
from pipeline.datasets.world.dataset import World
from pipeline.engine.run import run
from pipeline.engine.selection import Choice
from pipeline.store.artifact import Artifact
from pipeline.tables import arrays
from pipeline.vocabulary.vocabulary import Vocabulary, hoi

SPLIT = "mine: [ride motorcycle, wear backpack, lie on bed, hold book, ride elephant]"
"""A user's own zero-shot setting, by names."""

FEW = ("data.world.train_images=24", "seen.epochs=1", "utpl.steps=4")


@dataclass(frozen=True)
class Renumbered:
    """The rendered world under other ids: `hois`, `verbs` and `objects` give the new id of each old one."""

    world: World
    hois: Mapping[int, int]
    verbs: tuple[int, ...]
    objects: tuple[int, ...]
    drawn = True
    upright = False
    rare = None

    @property
    def vocabulary(self) -> Vocabulary:
        old = self.world.vocabulary
        verbs = [old.verbs[i] for i in np.argsort(self.verbs)]
        objects = [old.objects[i] for i in np.argsort(self.objects)]
        found = []
        for c in old.classes:
            verb, thing = self.verbs[c.verb_id], self.objects[c.object_id]
            found.append(hoi(self.hois[c.hoi_id], verb, thing, verbs[verb], objects[thing], c.phrase))
        ordered = sorted(found, key=lambda c: c.hoi_id)
        return replace(old, verbs=tuple(verbs), objects=tuple(objects), classes=tuple(ordered))

    @property
    def settings(self) -> dict[str, frozenset[int]]:
        return {name: frozenset(self.hois[h] for h in hidden) for name, hidden in self.world.settings.items()}

    def tables(self, split: str) -> SplitTables:
        old = self.world.tables(split)
        return SplitTables(
            images=old.images, pairs=self._new(old.pairs), boxes=self._new(old.boxes), presence=self._new(old.presence)
        )

    def _new(self, table: pd.DataFrame) -> pd.DataFrame:
        maps = {"hoi_id": self.hois, "verb_id": dict(enumerate(self.verbs)), "object_id": dict(enumerate(self.objects))}
        return table.assign(**{c: table[c].map(maps[c]) for c in maps if c in table})

    def open(self, image_id: int) -> Image:
        return self.world.open(image_id)

    def about(self) -> dict[str, Any]:
        return {"source": "renumbered"}

    def faults(self) -> None:
        return None


def renumbered(world: World) -> Renumbered:
    """Verbs and classes in another order, and objects too, but for the person, which is 0 in every vocabulary."""
    rng = np.random.default_rng(7)
    words = world.vocabulary
    hois = dict(zip(words.ids, rng.permutation(words.ids).tolist(), strict=True))
    objects = (0, *(rng.permutation(len(words.objects) - 1) + 1).tolist())
    return Renumbered(world, hois, tuple(rng.permutation(len(words.verbs)).tolist()), objects)


class Renamed(World):
    """The rendered world with other names for its verbs and objects; the classes' phrases are as they were."""

    @property
    def vocabulary(self) -> Vocabulary:  # type: ignore[override]
        old = World(self._section).vocabulary
        verbs = [replace(v, name=f"verb_{v.name[::-1]}", ing=f"{v.name[::-1]}_ing") for v in old.verbs]
        objects = [replace(o, name=f"{o.name[::-1]}_thing") for o in old.objects]
        found = [
            hoi(c.hoi_id, c.verb_id, c.object_id, verbs[c.verb_id], objects[c.object_id], c.phrase) for c in old.classes
        ]
        return replace(
            old,
            verbs=tuple(verbs),
            objects=tuple(objects),
            classes=tuple(found),
            persons=(objects[0].name,),
        )


def configuration(root: Path, split: str, *more: str) -> Config:
    (root / "mine.yaml").write_text(split)
    return small(root / "store", *FEW, f"data.settings={root / 'mine.yaml'}", "setting=mine", *more)


@pytest.fixture(scope="module")
def made(tmp_path_factory: Any) -> dict[str, Artifact]:
    """The smallest demo in a user's own zero-shot setting."""
    outcomes = run(configuration(tmp_path_factory.mktemp("world"), SPLIT))
    return {name: outcome.artifact for name, outcome in outcomes.items()}


def under(
    dataset: Any, monkeypatch: pytest.MonkeyPatch, config: Config, given: Mapping[str, Choice] | None = None
) -> dict[str, Artifact]:
    """A run in which the world is another dataset."""
    monkeypatch.setattr(configured, "dataset", lambda data: dataset)
    return {name: outcome.artifact for name, outcome in run(config, given=given).items()}


def by_class(artifact: Artifact, name: str, hois: Mapping[int, int] | None = None) -> dict[int, dict[str, Any]]:
    """The rows of a table by their class, renumbered."""
    data = arrays.read(artifact.path(name))
    rows = [dict(zip(data, values, strict=True)) for values in zip(*data.values(), strict=True)]
    return {int(row["hoi_id"]) if hois is None else hois[int(row["hoi_id"])]: row for row in rows}


@pytest.mark.slow
def test_other_ids_give_permuted_otherwise_equal_results(
    made: dict[str, Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(configuration(tmp_path, SPLIT).data.world)
    other = renumbered(world)
    # What noise draws depends on the order of the objects' ids, so the second run is given the first one's boxes.
    boxes = pd.concat([made["detections"].table(f"{split}.parquet") for split in ("train", "test")])
    other._new(boxes).to_parquet(tmp_path / "boxes.parquet")
    settings = ("detections.source=parquet", f"detections.path={tmp_path / 'boxes.parquet'}")
    found = under(other, monkeypatch, configuration(tmp_path, SPLIT, *settings))
    hois = other.hois

    old, new = (classes.vocabulary(artifacts["vocabulary"]) for artifacts in (made, found))
    assert old != new and all(new.hoi(hois[c.hoi_id]).phrase == c.phrase for c in old.classes)
    assert new.hoi(new.find("ride horse").hoi_id).name == "ride horse"
    for table in (f"{split}-{name}" for split in SPLITS for name in ("pairs", "objects", "presence")):
        before, after = (a["annotations"].table(f"{table}.parquet") for a in (made, found))
        pd.testing.assert_frame_equal(other._new(before), after, check_dtype=False)
    assert found["image_embeddings"].digest == made["image_embeddings"].digest

    texts = by_class(made["descriptions"], "descriptions.parquet", hois)
    again = by_class(found["descriptions"], "descriptions.parquet")
    assert {h: (r["name"], r["text"], r["verdict"]) for h, r in texts.items()} == {
        h: (r["name"], r["text"], r["verdict"]) for h, r in again.items()
    }
    for name in ("seen-descriptions", "unseen-descriptions", "seen-phrases", "unseen-phrases"):
        compare(
            by_class(made["text_embeddings"], f"{name}.parquet", hois),
            by_class(found["text_embeddings"], f"{name}.parquet"),
            "pooled",
        )
    partners = by_class(made["disparities"], "disparities.parquet", hois)
    again = by_class(found["disparities"], "disparities.parquet")
    assert {h: hois[int(r["seen_hoi_id"])] for h, r in partners.items()} == {
        h: int(r["seen_hoi_id"]) for h, r in again.items()
    }
    assert {h: r["text"] for h, r in partners.items()} == {h: r["text"] for h, r in again.items()}

    phrases = [set(a["seen"].table("phrases.parquet")["hoi_id"]) for a in (made, found)]
    assert {hois[h] for h in phrases[0]} == phrases[1]
    losses = [a["seen"].table("history.parquet")["loss"].to_numpy() for a in (made, found)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    for split in ("train", "test"):
        before, after = (a["pair_features"].tables(f"{split}-*") for a in (made, found))
        assert [other.objects[i] for i in before["object_id"]] == after["object_id"].tolist()
        np.testing.assert_allclose(np.stack(after["feature"]), np.stack(before["feature"]), atol=1e-4)
    adapted, again = by_class(made["utpl"], "text.parquet", hois), by_class(found["utpl"], "text.parquet")
    for column in ("before", "after"):
        compare(adapted, again, column, atol=1e-4)
    assert {h: other.verbs[int(r["verb_id"])] for h, r in adapted.items()} == {
        h: int(r["verb_id"]) for h, r in again.items()
    }

    before, after = (a["evaluation"].table("predictions.parquet") for a in (made, found))
    keys = ["image_id", "hoi_id", *(f"{s}{c}" for s in "ho" for c in ("x1", "y1", "x2", "y2"))]
    joined = other._new(before).merge(after, on=keys, suffixes=("", "_again"))
    assert len(joined) == len(before) == len(after)
    np.testing.assert_allclose(joined["score_again"], joined["score"], atol=1e-4)
    for group in ("full", "seen", "unseen", "untrained_full", "detector_only_full"):
        metrics = [a["evaluation"].manifest.metrics[group] for a in (made, found)]
        assert metrics[1] == pytest.approx(metrics[0], abs=1e-3), group


def compare(before: Mapping[int, Any], after: Mapping[int, Any], column: str, atol: float = 1e-5) -> None:
    assert before.keys() == after.keys() and before
    for hoi_id, row in before.items():
        np.testing.assert_allclose(after[hoi_id][column], row[column], atol=atol)


@pytest.mark.slow
def test_other_names_give_equal_results_wherever_they_are_not_read_as_text(
    made: dict[str, Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts are given: what a lexicon and a CLIP make of other names is another text. All else must not look at names."""
    words = World(configuration(tmp_path, SPLIT).data.world)
    other = Renamed(words._section)
    split = SPLIT
    for c in words.vocabulary.classes:
        split = split.replace(c.name + ",", other.vocabulary.hoi(c.hoi_id).name + ",").replace(
            c.name + "]", other.vocabulary.hoi(c.hoi_id).name + "]"
        )
    given = {name: Choice(made[name], "pinned") for name in ("descriptions", "text_embeddings", "disparities")}
    found = under(other, monkeypatch, configuration(tmp_path, split), given)
    assert not set(classes.vocabulary(found["vocabulary"]).verb_names) & set(words.vocabulary.verb_names)
    for stage in ("image_embeddings", "seen", "pair_features", "utpl"):
        assert found[stage].digest == made[stage].digest, stage
    for stage, names in (
        ("annotations", [f"{s}-{name}" for s in SPLITS for name in ("images", "pairs", "objects", "presence")]),
        ("detections", ("train", "test")),
        ("evaluation", ("predictions",)),
    ):
        for name in names:
            pd.testing.assert_frame_equal(found[stage].table(f"{name}.parquet"), made[stage].table(f"{name}.parquet"))
    assert found["evaluation"].manifest.metrics == made["evaluation"].manifest.metrics
    named = found["evaluation"].table("classes.parquet")
    assert named["name"].tolist() == [c.name for c in other.vocabulary.classes]


def test_the_files_say_what_the_dataset_says(made: dict[str, Artifact], tmp_path: Path) -> None:
    artifact = made["vocabulary"]
    world = World(configuration(tmp_path, SPLIT).data.world)
    assert classes.vocabulary(artifact) == world.vocabulary and classes.objects(artifact) == world.vocabulary.objects
    names = ("ride motorcycle", "wear backpack", "lie on bed", "hold book", "ride elephant")
    mine = frozenset(world.vocabulary.find(name).hoi_id for name in names)
    assert classes.settings(artifact) == {**world.settings, "mine": mine}
    assert artifact.manifest.metrics["unseen_classes"] == {
        "default": 0,
        "rf_uc": 18,
        "nf_uc": 18,
        "uo": 10,
        "uv": 8,
        "mine": 5,
    }
    assert (artifact.manifest.metrics["classes"], artifact.manifest.metrics["digest"]) == (122, world.vocabulary.digest)
