"""Prompt templates: rendered for every class, unknown names are errors."""

import pytest

from pipeline.errors import ConfigError
from pipeline.hico.vocabulary import find, hoi_classes
from pipeline.lexicon.lexicon import CONTRASTS
from pipeline.llm.templates import CONTRAST, DESCRIBE, contrast_template, describe_template


def test_every_class_has_its_own_prompt() -> None:
    for template in DESCRIBE.values():
        prompts = {template.render(hoi) for hoi in hoi_classes()}
        assert len(prompts) == 600 and not any("{" in prompt or "_" in prompt for prompt in prompts)


def test_contrasts_name_both_classes() -> None:
    ride, hug = find("ride horse"), find("hug person")
    for template in CONTRAST.values():
        prompt = template.render(hug, seen=ride, text="Two persons stand close.", seen_text="One sits on a horse.")
        assert hug.phrase in prompt and ride.phrase in prompt and prompt.index(hug.phrase) < prompt.index(ride.phrase)
        assert ("Two persons stand close." in prompt) == template.shows_descriptions
    assert [template.shows_descriptions for template in CONTRAST.values()] == [False, True]


def test_no_interaction_is_told_as_such() -> None:
    prompt = describe_template("describe-v1").render(find("no_interaction horse"))
    assert "a person and a horse that have nothing to do with each other" in prompt


def test_wordings_and_prompts_of_disparities_have_the_same_names() -> None:
    assert set(CONTRAST) == set(CONTRASTS)


def test_unknown_templates_name_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match=r"descriptions\.template: no prompt template 'x'; valid: describe-v1"):
        describe_template("x")
    with pytest.raises(ConfigError, match=r"disparities\.template.*contrast-v1, contrast-v2"):
        contrast_template("describe-v1")
