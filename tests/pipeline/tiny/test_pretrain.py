"""The tiny CLIP: learned from allowed classes only, a short rebuild learns, the shipped one knows something."""

import json

import numpy as np
import pytest
import torch

from models import clip_loading as clips
from pipeline.config.data import Data
from pipeline.config.packaged import TINY_CLIP
from pipeline.datasets import configured
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.datasets.world.classes import WORLD_VERSION, held_out, unseen, world_classes
from pipeline.tiny import captions, pretrain
from pipeline.tiny.zero_shot import measure


def test_no_picture_and_no_caption_of_a_held_out_class() -> None:
    hidden = held_out()
    assert hidden >= {h for s in ("rf_uc", "nf_uc", "uo", "uv") for h in unseen(s)}
    named = {HICO.classes[h].phrase for h in hidden}
    rng = np.random.default_rng(0)
    for index in range(150):
        picture = captions.scene_picture(index)
        for subject in picture.subjects:
            assert subject.group not in hidden
            for kind in pretrain.KINDS:
                assert not any(phrase in captions.caption(subject.group, kind, rng, HICO).lower() for phrase in named)


def test_objects_of_held_out_classes_appear_alone() -> None:
    pizza = next(c.object_id for c in world_classes() if c.object == "pizza")
    picture = captions.object_alone(pizza, 0)
    assert captions.caption(picture.subjects[0].group, "phrase", np.random.default_rng(0), HICO) == "a pizza"


def test_contrastive_loss_counts_all_members_of_a_group_as_positives() -> None:
    unit = torch.eye(3)
    groups = torch.tensor([0, 0, 1])
    same = unit[[0, 0, 1]]
    assert pretrain.contrastive(same, same, groups, torch.tensor(100.0)).item() == pytest.approx(
        np.log(2) * 2 / 3, abs=1e-4
    )


def test_batches_are_a_function_of_seed_and_step() -> None:
    recipe = pretrain.Recipe(scenes=6, object_views=1, batch=8)
    pool = pretrain.pictures(recipe)
    world = configured.dataset(Data(source="world")).vocabulary
    first, again, other = (pretrain.batch(pool, recipe, step, world) for step in (3, 3, 4))
    assert torch.equal(first[0], again[0]) and first[1] == again[1]
    assert not torch.equal(first[0], other[0])


def test_the_shipped_checkpoint_says_what_it_was_trained_on() -> None:
    manifest = json.loads(TINY_CLIP.with_suffix(".json").read_text())
    # A later version may change what scenes show together, but not which classes pre-training has seen.
    assert manifest["world_version"] <= WORLD_VERSION
    assert manifest["classes_shown_or_named"] == sorted(captions.allowed())
    assert manifest["held_out_classes"] == sorted(held_out())
    assert not set(manifest["classes_shown_or_named"]) & held_out()
    assert TINY_CLIP.stat().st_size < 5_000_000


@pytest.mark.slow
def test_the_shipped_checkpoint_is_above_chance_on_held_out_classes() -> None:
    figures = measure(clips.load(architecture="tiny", weights=TINY_CLIP, image_size=112), scenes=250)
    for group in ("shown", "held_out"):
        assert figures[group]["mAP"] > 3 * figures[group]["chance"], figures
        # Among the pairs with the same object only the verb can tell.
        assert figures[group]["mAP_given_object"] > 1.2 * figures[group]["chance_given_object"], figures


@pytest.mark.slow
def test_a_short_rebuild_learns_and_is_saved_whole(tmp_path) -> None:
    recipe = pretrain.Recipe(scenes=300, object_views=2, steps=150, batch=32, warmup=10, image_size=56, width=64)
    net, losses = pretrain.train(recipe, pretrain.pictures(recipe))
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.2
    pretrain.save(tmp_path / "own.safetensors", net, recipe, losses)
    loaded = clips.load(architecture="tiny", weights=tmp_path / "own.safetensors", image_size=56)
    assert loaded.tokenizer.kept == net.tokenizer.kept
    texts = ["a person riding a horse", "a dog"]
    torch.testing.assert_close(loaded.embed_texts(texts)[0], net.embed_texts(texts)[0], atol=2e-2, rtol=0)
