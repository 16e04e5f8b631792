"""Scenes have themes that their pairs share and that tell verbs apart; test scenes are balanced, training is long-tailed."""

from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pytest

from pipeline.datasets.world.classes import SETTINGS, held_out, unseen, world_classes
from pipeline.datasets.world.drawing.backdrop import background, far_things
from pipeline.datasets.world.drawing.scenery import THEMES
from pipeline.datasets.world.drawing.styles import Ink, style_named
from pipeline.datasets.world.scenes import draw, sample
from pipeline.datasets.world.seeds import generator
from pipeline.datasets.world.themes import LOYALTY, Cast, cast

CLASSES = world_classes()


def casts(split: str, count: int) -> list[Cast]:
    """The casts of the first scenes of a split, without drawing anything."""
    return [cast(CLASSES, split=split, index=k, max_pairs=3, rng=generator("cast", split, k)) for k in range(count)]


@pytest.fixture(scope="module")
def trained() -> list[Cast]:
    return casts("train", 4000)


def counted(found: list[Cast]) -> Counter[int]:
    return Counter(one.hoi_id for _, chosen in found for one in chosen)


def information(pairs: list[tuple[str, str]]) -> float:
    """The mutual information of two things in nats."""
    total = len(pairs)
    both, first, second = Counter(pairs), Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    return sum(n / total * np.log(n * total / (first[a] * second[b])) for (a, b), n in both.items())


def test_every_class_has_a_drawn_theme_and_every_theme_has_classes() -> None:
    assert {one.theme for one in CLASSES} == set(THEMES)


def test_pairs_are_at_home_in_their_theme_as_often_as_loyalty_says(trained: list[Cast]) -> None:
    total = sum(one.weight for one in CLASSES)
    share = {theme: sum(one.weight for one in CLASSES if one.theme == theme) / total for theme in THEMES}
    expected = LOYALTY + (1 - LOYALTY) * sum(s * s for s in share.values())
    at_home = [one.theme == theme for theme, chosen in trained for one in chosen]
    assert np.mean(at_home) == pytest.approx(expected, abs=0.02)


def test_a_pair_tells_what_the_others_of_its_scene_are(trained: list[Cast]) -> None:
    together = [(a.theme, b.theme) for _, chosen in trained for a, b in combinations(chosen, 2)]
    strangers = [(a[1][0].theme, b[1][0].theme) for a, b in pairwise(trained)]
    assert information(together) > 0.4
    assert information(strangers) < 0.03


def test_the_theme_tells_verbs_of_one_object_apart(trained: list[Cast]) -> None:
    """With the object known, guessing its most frequent verb is right less often than with the theme known too."""
    alone: Counter[tuple[str, str]] = Counter()
    themed: Counter[tuple[str, str, str]] = Counter()
    for theme, chosen in trained:
        for one in chosen:
            alone[one.object, one.verb] += 1
            themed[one.object, theme, one.verb] += 1
    best_alone: dict[str, int] = {}
    best_themed: dict[tuple[str, str], int] = {}
    for (thing, _), n in alone.items():
        best_alone[thing] = max(n, best_alone.get(thing, 0))
    for (thing, theme, _), n in themed.items():
        best_themed[thing, theme] = max(n, best_themed.get((thing, theme), 0))
    total = sum(alone.values())
    assert sum(best_themed.values()) / total - sum(best_alone.values()) / total > 0.15


def test_themes_do_not_change_how_often_a_class_occurs(trained: list[Cast]) -> None:
    counts = counted(trained)
    weights = np.array([one.weight for one in CLASSES])
    drawn = np.array([counts[one.hoi_id] for one in CLASSES])
    assert np.corrcoef(weights, drawn)[0, 1] > 0.97


def test_the_training_split_has_a_long_tail_as_hico_det_has() -> None:
    """138 of HICO-DET's 600 classes, 23 percent, have fewer than ten training pairs; here of the demo's 1,200 scenes."""
    counts = counted([_cast_of_scene("train", k) for k in range(1200)])
    rare = np.mean([counts[one.hoi_id] < 10 for one in CLASSES])
    assert 0.15 < rare < 0.35


def _cast_of_scene(split: str, index: int) -> Cast:
    """The cast that `sample` draws first, from the same generator."""
    ids = ",".join(str(one.hoi_id) for one in CLASSES)
    rng = generator("scene", split, index, ids, "outlined", 3)
    return cast(CLASSES, split=split, index=index, max_pairs=3, rng=rng)


def test_casts_are_those_of_the_scenes() -> None:
    for split in ("train", "test"):
        for index in range(6):
            scene, (theme, chosen) = sample(split=split, index=index), _cast_of_scene(split, index)
            assert scene.theme == theme
            assert sorted(pair.hoi_id for pair in scene.pairs) == sorted(one.hoi_id for one in chosen)


@pytest.mark.parametrize(("split", "scenes", "least"), [("test", 600, 10), ("test", 2400, 50), ("validation", 600, 10)])
def test_every_unseen_class_of_every_setting_has_test_pairs(split: str, scenes: int, least: int) -> None:
    """600 scenes are the demo's, 2,400 those of the tables in the docs."""
    counts = counted([_cast_of_scene(split, k) for k in range(scenes)])
    for setting in SETTINGS:
        assert min((counts[hoi] for hoi in unseen(setting)), default=least) >= least, setting


def test_the_smallest_test_splits_have_unseen_pairs_of_every_setting() -> None:
    shown = {one.hoi_id for k in range(24) for one in _cast_of_scene("test", k)[1]}
    for setting in SETTINGS[1:]:
        assert shown & unseen(setting), setting


def test_a_balanced_split_without_held_out_classes_is_drawn_as_any_other() -> None:
    ids = {one.hoi_id for one in CLASSES} - held_out()
    assert {pair.hoi_id for k in range(20) for pair in sample(split="test", index=k, classes=ids).pairs} <= ids


@pytest.mark.parametrize("theme", sorted(THEMES))
def test_every_prop_can_be_drawn_within_reach_of_the_picture(theme: str) -> None:
    scenery, style = THEMES[theme], style_named("outlined")
    for k, prop in enumerate({*scenery.wide, *scenery.small}):
        rng = generator("prop", theme, k)
        shapes = prop(Ink(style=style, rng=rng), rng, 256.0 if prop in scenery.wide else 128.0, 110.0)
        points = np.concatenate([shape.points for shape in shapes])
        assert shapes and points.min() > -60 and points.max() < 330


def test_the_plain_style_of_pretraining_shows_no_theme() -> None:
    """The tiny CLIP learned from scenes without scenery, so that what a place says is left for the task to learn."""
    for name, told in (("flat", False), ("outlined", True)):
        seen = set()
        for theme in THEMES:
            colours = background(style=style_named(name), theme=theme, rng=generator("colours"))
            shapes = far_things(theme, style=style_named(name), rng=generator("far"), width=256.0, horizon=110.0)
            seen.add((colours, *(shape.points.tobytes() for shape in shapes)))
        assert (len(seen) == len(THEMES)) if told else (len(seen) == 1)


def test_scenery_shows_in_the_whole_picture() -> None:
    """Upper strips of pictures, where few actors are, are more alike within a theme than between themes."""
    strips: dict[str, list[np.ndarray]] = {}
    for k in range(70):
        scene = sample(split="strips", index=k)
        strips.setdefault(scene.theme, []).append(np.asarray(draw(scene), dtype=float)[100:, :, :].mean(axis=(0, 1)))
    found = [np.stack(rows) for rows in strips.values() if len(rows) > 3]
    within = np.mean([rows.std(axis=0).mean() for rows in found])
    between = np.stack([rows.mean(axis=0) for rows in found]).std(axis=0).mean()
    assert between > 0.4 * within
