"""The quality gate: the project's own lexicon passes it, what models do wrong does not."""

from pathlib import Path

import pytest

from pipeline.datasets.hico.vocabulary import HICO
from pipeline.texts.given import texts
from pipeline.texts.judge import PASSED, Owners, judge, normalised, usable
from pipeline.texts.lexicon import lexicon
from pipeline.texts.synonyms import names_object, names_verb

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "descriptions" / "llava"

GOOD = "A person sits astride the horse with bent legs. Both hands hold the reins."


def verdict(text: str, *, name: str = "ride horse", finish: str = "stop") -> str:
    return judge(text, finish_reason=finish, about=HICO.find(name), among=HICO)


def verdicts(found: dict[int, str]) -> dict[str, str]:
    """Verdicts of texts by class, duplicates included."""
    owners, given = Owners(), {}
    for hoi_id, text in found.items():
        hoi = HICO.classes[hoi_id]
        owner = owners.duplicate_of(hoi.name, text, hoi.object)
        given[hoi.name] = judge(text, about=hoi, among=HICO) if owner is None else f"duplicate of {owner!r}"
    return given


def test_all_lexicon_texts_pass() -> None:
    found = verdicts({hoi.hoi_id: " ".join(lexicon.describe(hoi)) for hoi in HICO.classes})
    assert set(found.values()) == {PASSED}


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published LLaVA texts (../shared/data) are not here")
@pytest.mark.parametrize(
    ("file", "failing"),
    [
        ("hico_HOI_descrip.txt", {"pay parking meter": "wrong object ('parking meter' is not named)"}),
        ("hico_HOI_descrip_2.txt", {}),
    ],
)
def test_published_texts_pass(file: str, failing: dict[str, str]) -> None:
    """The one that fails speaks of paying for parking and names no parking meter."""
    found = verdicts({hoi_id: given.text for hoi_id, given in texts.descriptions(PUBLISHED / file, HICO).items()})
    assert len(found) == 600 and {name: v for name, v in found.items() if v != PASSED} == failing


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published LLaVA texts (../shared/data) are not here")
def test_published_texts_of_other_classes_do_not_pass() -> None:
    """Each text given to the class 37 further on: the object is another one nearly always."""
    found = texts.descriptions(PUBLISHED / "hico_HOI_descrip.txt", HICO)
    wrong = sum(judge(found[(h + 37) % 600].text, about=HICO.classes[h], among=HICO) != PASSED for h in range(600))
    assert wrong > 570


def test_a_good_text_passes() -> None:
    assert verdict(GOOD) == PASSED
    assert verdict(GOOD, finish="eos") == PASSED
    assert verdict("The person stands beside two horses and pats the nearer one’s neck.") == PASSED


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("... !!! 123", "empty"),
        ("I cannot describe a person on a horse because no picture was given.", "refusal"),
        ("I’m sorry, I am unable to see a picture of any horse at all here.", "refusal"),
        ("As an AI language model I have never looked at a horse with my own eyes.", "refusal"),
        ("Sure! A person sits astride a horse and holds the reins with both hands.", "boilerplate"),
        ("Okay, a person sits astride a horse. Let me know if you need more.", "boilerplate"),
        ("ASSISTANT: a person sits astride a horse and holds on with both hands.", "boilerplate"),
        ("A horse, a person.", "too short"),
        ("The person is standing on a horse. The person is standing on a horse.", "repeats itself"),
        ("A person sits astride a brown cow and holds on with both hands.", "wrong object"),
        ("A person rides a seahorse that swims below the waves of the sea.", "wrong object"),
        ("A person is walking a horse along a path between two high trees.", "wrong verb ('walking', not 'riding')"),
        ("Une personne monte un horse et tient les rênes avec les deux mains.", "not English"),
        ("A person rides a horse. " + "The legs hang down on the left and the arms are up. " * 20, "too long"),
        ("horse @@## $$ %% ^^ && ** (( )) __ ++ == [[ ]] {{ }} a b c d e f g", "not a text"),
        ("A person sits astride a horse \ufffd\ufffd and holds on with both hands.", "not a text"),
    ],
)
def test_what_is_surely_wrong_is_rejected(text: str, reason: str) -> None:
    assert verdict(text).startswith(reason)


def test_unfinished_answers_are_rejected() -> None:
    assert verdict(GOOD, finish="length") == "cut off (finish reason 'length')"
    assert verdict(GOOD, finish="content_filter") == "refusal"


def test_what_a_description_may_say_besides() -> None:
    assert verdict("In this image, a person stands beside a horse and lifts one leg over it.") == PASSED
    assert verdict("A person is riding a horse while another is feeding a horse.") == PASSED
    assert (
        judge(
            "Unlike feeding a horse, this person sits high on the horse.", about=HICO.find("ride horse"), compared=True
        )
        == PASSED
    )
    assert verdict("A person and a horse, and nobody is feeding the horse here.", name="no_interaction horse") == PASSED
    assert judge("The body leans forward and both arms reach out.") == PASSED


def test_two_classes_of_an_object_may_not_have_nearly_the_same_text() -> None:
    owners = Owners()
    long = " The body leans forward, both arms are bent, the eyes look ahead, and the feet stand on the ground."
    assert owners.duplicate_of("ride horse", "A person is riding a horse." + long, "horse") is None
    assert owners.duplicate_of("feed horse", "A person is feeding a horse." + long, "horse") is None
    assert owners.duplicate_of("hug horse", "A person is riding a horse." + long + " Now.", "horse") == "ride horse"
    assert owners.duplicate_of("ride horse", "A person is riding a horse." + long, "horse") is None, "it is its own"
    assert owners.duplicate_of("ride cow", "a person is riding a HORSE" + long, "cow") == "ride horse"


def test_what_may_stay() -> None:
    assert usable("wrong object ('horse' is not named)") and usable("duplicate of 'ride cow'")
    assert not usable("empty") and not usable("refusal") and not usable("rejected by the server: 400")


def test_every_object_is_named_by_its_own_word_and_its_plural() -> None:
    for name in HICO.object_names:
        word = name.replace("_", " ")
        assert names_object(f"There is a {word}.", name) and names_object(f"Here are {word}s, two.", name)
    others = (("a man on his bike", "bicycle"), ("a blue sofa", "couch"), ("two wine glasses", "wine_glass"))
    assert all(names_object(*pair) for pair in others) and names_object("one who is snowboarding", "snowboard")
    assert not names_object("a fast carriage", "car") and not names_object("an oral brush", "toothbrush")


def test_every_class_phrase_names_its_verb() -> None:
    assert [
        hoi.name for hoi in HICO.classes if hoi.verb != "no_interaction" and not names_verb(hoi.phrase, hoi.verb)
    ] == []
    assert (
        names_verb("he rode off", "ride") and names_verb("she flies a kite", "fly") and not names_verb("on top", "ride")
    )


def test_normalised_texts_ignore_case_and_punctuation() -> None:
    assert normalised("A horse, standing.") == normalised("a HORSE standing!")
    assert normalised(HICO.find("ride horse").phrase) != normalised(HICO.find("ride cow").phrase)
