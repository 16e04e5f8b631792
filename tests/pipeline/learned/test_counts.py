"""The parameter table: the published counts, part by part, and what the built models really hold."""

import pytest

from pipeline.config import loading
from pipeline.errors import ConfigError
from pipeline.learned.counts import summarise


@pytest.mark.parametrize(
    ("profile", "all_of_it", "live"), [("hico-vitb", 6_854_337, 6_364_289), ("hico-vitl", 14_076_353, 13_419_905)]
)
def test_the_released_columns_are_the_published_counts(profile: str, all_of_it: int, live: int) -> None:
    table = summarise(loading.load(profile=profile, environment={}))
    assert (table.total("released"), table.total("released_live")) == (all_of_it, live)
    assert table.published in ("6.85 M", "14.07 M")
    assert all(row.paper > 0 for row in table.rows)


def test_released_parts_at_vit_b() -> None:
    table = summarise(loading.load(profile="hico-vitb", environment={}))
    counts = {row.part: row.released for row in table.rows}
    assert counts["visual_prompts"] == 393_984 + 3_151_872
    assert counts["adapters"] == 1_602_048
    assert counts["intra"] == 787_456
    assert counts["visual_guidance"] == 223_168
    assert counts["text_guidance"] == 190_144
    assert counts["inter"] == counts["unseen"] == 206_784
    assert counts["instance_prior"] == 91_072


def test_parts_that_are_off_count_nothing() -> None:
    chosen = loading.load(profile="demo", overrides=["model.parts.vlm_guidance=false"], environment={})
    counts = {row.part: row.paper for row in summarise(chosen).rows}
    assert counts["visual_guidance"] == 0 and counts["text_guidance"] > 0


def test_an_unknown_architecture_is_an_error() -> None:
    given = ["clip.architecture=ViT-Z-1", "clip.weights=openai"]
    with pytest.raises(ConfigError, match="ViT-Z-1"):
        summarise(loading.load(profile="hico-vitb", overrides=given, environment={}))


def test_the_locality_adapter_and_the_patterns_are_told_where_they_are_chosen() -> None:
    """By hand, of ViT-B/16: twelve blocks of 768 channels around LAIN's width of 32."""
    chosen = ["model.adapter=locality", "model.patterns=10"]
    counts = {
        row.part: row.paper
        for row in summarise(loading.load(profile="hico-vitb", overrides=chosen, environment={})).rows
    }
    block = (768 * 32 + 32) + 2 * 2 * 32 + (32 * 32 + 32) + (32 * 32 * 9 + 32) + (32 * 32 * 25 + 32) + (32 * 768 + 768)
    assert counts["adapters"] == 12 * (block + 768) and counts["layout"] == 32
    layer = 2 * (4 * 32 * 32 + 4 * 32) + 3 * 2 * 32 + (32 * 64 + 64) + (64 * 32 + 32)
    assert counts["patterns"] == 10 * 36 + (36 * 64 + 64) + (64 * 32 + 32) + layer
    plain = summarise(loading.load(profile="hico-vitb", environment={}))
    assert not {"layout", "patterns"} & {row.part for row in plain.rows}
