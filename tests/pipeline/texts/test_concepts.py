"""Region concepts: answers are parsed into phrases, faults are told, and the lexicon has some for every verb."""

import pytest

from pipeline.config.sources import template as source
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.texts import concept_tables
from pipeline.texts.concepts import ASKED, MOST, REGIONS, judge_answer, parse
from pipeline.texts.judge import PASSED
from pipeline.texts.lexicon.concepts import concepts
from pipeline.texts.llm.templates import names, template

LIST = "They are:\n1. Both arms are stretched forward.\n2) the legs are bent\n- the eyes look ahead;\n\n• The legs are bent"


def test_an_answer_is_parsed_into_phrases_whatever_its_marks() -> None:
    assert parse(LIST) == ("Both arms are stretched forward", "the legs are bent", "the eyes look ahead")
    assert parse("arms out; legs bent; 'eyes ahead.'") == ("arms out", "legs bent", "eyes ahead")
    assert parse("<think>which?</think>a\nb") == ("a", "b")
    assert len(parse("\n".join(f"phrase {'abcdefghijklmno'[i]}" for i in range(15)))) == MOST
    assert parse("so many words " * 6) == () and parse("...\n--\n12.") == ()


@pytest.mark.parametrize(
    ("answer", "finish", "verdict"),
    [
        (LIST, "stop", PASSED),
        ("I'm sorry, I cannot help with that.", "stop", "refusal"),
        ("", "stop", "empty"),
        ("one arm is up and the\nlegs of it are bent", "stop", "no list of phrases (2 found, 3 at least)"),
        ("the arms are up\nthe legs are bent\nthe eyes look", "length", "cut off (finish reason 'length')"),
        ("the arms are up\nthe legs are bent\nthe eyes look down\nthe hea", "length", PASSED),
        ("los brazos arriba\nlas piernas dobladas\nlos ojos abajo", "stop", "not English"),
    ],
)
def test_the_gate_says_what_is_wrong_with_a_list(answer: str, finish: str, verdict: str) -> None:
    assert judge_answer(answer, finish) == verdict


def test_the_lexicon_tells_concepts_of_every_verb_about_the_object_whatever_it_is() -> None:
    found = concepts([HICO.find("ride horse"), HICO.find("ride bicycle"), HICO.find("ride skis")])
    assert found["human"][:3] == (
        "a person who sits astride the object with bent legs",
        "both arms are stretched forward and hold on",
        "the eyes look ahead",
    )
    assert found["object"][:2] == ("the hips rest on the object", "an object below the person")
    assert "a wide meadow with a fence" in found["context"] and "a scene with the horse" not in found["context"]
    for verb in HICO.verbs:
        own = concepts([hoi for hoi in HICO.classes if hoi.verb == verb.name])
        for region in REGIONS:
            assert 1 <= len(own[region]) <= MOST and len(set(own[region])) == len(own[region])
            assert not any(set(phrase) & set("{}_") for phrase in own[region])


def test_the_table_has_three_rows_a_verb_and_none_of_an_idle_one() -> None:
    classes = [hoi for hoi in HICO.classes if hoi.object == "horse"]
    rows = concept_tables.rows(classes, {})
    verbs = sorted({hoi.verb_id for hoi in classes if not hoi.idle})
    assert [(row["verb_id"], row["region"]) for row in rows] == [(v, r) for v in verbs for r in REGIONS]
    assert all(row["sentences"] and row["source"] == "lexicon" and row["verdict"] == PASSED for row in rows)


@pytest.mark.parametrize("name", names("concept"))
def test_every_verb_and_region_has_its_own_question(name: str) -> None:
    wording = template(source(name), "concept", key="descriptions.concept_template")
    asked = concept_tables.questions(HICO.classes, wording)
    assert len(asked) == 116 * 3 == len({question.rendered for question in asked.values()})
    ride = next(verb for verb, one in enumerate(HICO.verbs) if one.name == "ride")
    assert ASKED["human"] in asked[ride, "human"].rendered.prompt and "riding" in asked[ride, "human"].rendered.prompt
