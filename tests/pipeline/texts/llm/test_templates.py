"""Prompt templates: rendered for every class, a user's own, and errors that name the file."""

from pathlib import Path

import pytest

from pipeline.config.packaged import PROMPTS
from pipeline.config.sources import WORDINGS, Source
from pipeline.config.sources import template as source
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import ConfigError
from pipeline.texts.lexicon.lexicon import CONTRASTS
from pipeline.texts.llm import templates
from pipeline.texts.llm.templates import FIELDS, names, template


def describing(name: str) -> templates.Template:
    return template(source(name), "describe", key="descriptions.template")


def contrasting(name: str) -> templates.Template:
    return template(source(name), "contrast", key="disparities.template")


@pytest.mark.parametrize("name", names("describe"))
def test_every_class_has_its_own_prompt(name: str) -> None:
    prompts = {describing(name).render(hoi) for hoi in HICO.classes}
    assert len(prompts) == 600 and len({rendered.system for rendered in prompts}) == 1
    assert not any("{" in rendered.prompt or "_" in rendered.prompt for rendered in prompts)


@pytest.mark.parametrize("name", names("contrast"))
def test_contrasts_name_both_classes(name: str) -> None:
    ride, hug = HICO.find("ride horse"), HICO.find("hug person")
    wording = contrasting(name)
    prompt = wording.render(hug, other=ride, text="Two persons stand close.", other_text="One sits on a horse.").prompt
    mine, others = (templates.fields(hoi)["act"] for hoi in (hug, ride))
    assert mine in prompt and others in prompt and prompt.index(mine) < prompt.index(others)
    assert ("Two persons stand close." in prompt) == ("One sits on a horse." in prompt) == wording.shows_descriptions


def test_the_papers_prompts() -> None:
    assert describing("paper-describe-v1").render(HICO.find("ride horse")).prompt == (
        "Describe a person riding a horse and focus on the action."
    )
    prompt = contrasting("paper-contrast-v1").render(HICO.find("hose dog"), other=HICO.find("wash dog")).prompt
    assert prompt == (
        "Describe the definition of the phrase: hosing a dog, and please focus on the attributes different from another "
        "phrase: washing a dog."
    )


def test_what_is_the_same_for_all_classes_comes_first() -> None:
    """Servers keep the computed beginning of a prompt; it is of use only where classes share it."""
    wording = describing("describe-v2")
    assert len(wording.system) > 4 * len(wording.render(HICO.find("ride horse")).prompt)


def test_actions() -> None:
    wording = template(source("action-v1"), "action", key="descriptions.action_template")
    prompts = {wording.render_verb(hoi.verb, hoi.verb_ing).prompt for hoi in HICO.classes}
    assert (
        len(prompts) == len(HICO.verb_names)
        and "What does a photograph of a person sitting on something look like?" in prompts
    )


def test_fields_of_a_class() -> None:
    assert templates.fields(HICO.find("stand_on skateboard")) == {
        "verb": "stand on",
        "verb_ing": "standing on",
        "object": "skateboard",
        "article": "a",
        "phrase": "a person standing on a skateboard",
        "scene": "a person standing on a skateboard",
        "act": "standing on a skateboard",
    }
    assert templates.fields(HICO.find("peel apple"))["article"] == "an"
    idle = templates.fields(HICO.find("no_interaction horse"))
    assert idle["scene"] == "a person and a horse that have nothing to do with each other"
    assert idle["act"] == "having nothing to do with a horse"


def test_wordings_of_the_lexicon_have_prompts_of_the_same_names() -> None:
    assert set(CONTRASTS) == set(WORDINGS) < set(names("contrast"))


def test_a_users_own_template(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("kind: describe\nversion: 3\nprompt: 'See {scene} {{here}}.'\nsystem: You see {object}s.\n")
    wording = describing(str(path))
    rendered = wording.render(HICO.find("ride horse"))
    assert (wording.name, wording.version) == ("mine", 3)
    assert (rendered.prompt, rendered.system) == ("See a person riding a horse {here}.", "You see horses.")


def test_unknown_templates_name_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match=r"descriptions\.template: no prompt template 'x'; valid: describe-slots-v1"):
        template(Source("x"), "describe", key="descriptions.template")
    with pytest.raises(ConfigError, match=r"disparities\.template.*contrast-v1, contrast-v2"):
        contrasting("describe-v1")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: describe\nversion: 1\nprompt: '{verb_in} x'\n", r"no field \{verb_in\}; describe has .*\{verb_ing\}"),
        ("kind: describe\nversion: 1\nprompt: '{other_verb} x'\n", r"no field \{other_verb\}"),
        ("kind: describe\nversion: 1\nprompt: '{object.__class__} x'\n", r"no field \{object\.__class__\}"),
        ("kind: describe\nversion: 1\nprompt: '{object'\n", r"prompt: .*brace"),
        ("kind: describe\nversion: 1\n", "expected kind, version, prompt"),
        ("kind: describe\nversion: 1\nprompt: x\npromt: y\n", "found kind, version, prompt, promt"),
        ("kind: tell\nversion: 1\nprompt: x\n", "kind is one of describe, contrast, action, concept"),
        ("kind: describe\nversion: 1\nprompt: 12\n", "prompt is no text"),
        ("kind: contrast\nversion: 1\nprompt: x\n", "kind 'contrast'; expected 'describe'"),
        ("- x\n", "found no mapping"),
        ("a: 'b\n", "not valid YAML"),
    ],
)
def test_faults_of_a_template_are_named(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        describing(str(path))
    assert "mine.yaml" in str(caught.value)


def test_a_template_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        describing(str(tmp_path / "none.yaml"))


def test_every_kind_has_fields() -> None:
    assert {templates.read(path).kind for path in PROMPTS.glob("*.yaml")} == set(FIELDS)


@pytest.mark.parametrize(
    "field",
    [
        "{verb:>99999999}",
        "{verb.__class__}",
        "{verb!r}",
        "{verb[0]}",
        "{verb:d}",
        "{verb:{object}}",
        "{0}",
        "{}",
        "{ verb }",
    ],
)
def test_a_field_is_a_name_and_nothing_more(field: str, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    for key in ("prompt", "system"):
        texts = {"prompt": "A {verb}.", "system": "A {verb}."} | {key: f"A {field}."}
        path.write_text("kind: describe\nversion: 1\n" + "".join(f"{k}: '{text}'\n" for k, text in texts.items()))
        with pytest.raises(ConfigError, match=rf"own\.yaml: {key}: (no field \{{|.*brace)"):
            template(source(str(path)), "describe", key="x")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"kind: [describe]\nversion: 1\nprompt: x\n", "kind is one of"),
        (b"kind: describe\nversion: true\nprompt: x\n", "version a whole number"),
        (b'kind: describe\nversion: 1\nprompt: "a \\e[31m horse"\n', r"prompt .* control character U\+001B"),
        (b"kind: describe\nversion: 1\nprompt: \xe0\n", "not UTF-8"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_a_file_that_is_no_template_is_named(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"own\.yaml.*{says}"):
        template(source(str(tmp_path / "own.yaml")), "describe", key="x")
