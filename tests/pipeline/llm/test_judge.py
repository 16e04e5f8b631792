"""The quality gate: the project's own lexicon passes it, what models do wrong does not."""

import pytest

from pipeline.hico.vocabulary import find, hoi_classes, objects
from pipeline.lexicon import lexicon
from pipeline.llm.judge import judge, names, normalised
from pipeline.llm.request import Answer

GOOD = "A person sits astride the horse with bent legs. Both hands hold the reins."


def verdict(text: str, *, object_name: str = "horse", finish: str = "stop") -> str | None:
    answer = Answer(
        text=text,
        finish_reason=finish,
        prompt_tokens=1,
        completion_tokens=1,
        latency_s=0.1,
        tries=1,
        asked_at="",
    )
    return judge(answer, object_name=object_name)


def test_all_lexicon_texts_pass() -> None:
    for hoi in hoi_classes():
        text = " ".join(lexicon.describe(hoi.hoi_id))
        assert verdict(text, object_name=hoi.object.replace("_", " ")) is None, text


def test_a_good_text_passes() -> None:
    assert verdict(GOOD) is None
    assert verdict(GOOD, finish="eos") is None
    assert verdict("The person stands beside two horses and pats the nearer one’s neck.") is None


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
        ("The photograph depicts a person who sits astride a horse with bent legs.", "boilerplate"),
        ("ASSISTANT: a person sits astride a horse and holds on with both hands.", "boilerplate"),
        ("A horse, a person.", "too short"),
        ("The person is standing on a horse. The person is standing on a horse.", "repeats itself"),
        ("A person sits astride a brown cow and holds on with both hands.", "wrong object"),
        ("A person rides a seahorse that swims below the waves of the sea.", "wrong object"),
        ("horse @@## $$ %% ^^ && ** (( )) __ ++ == [[ ]] {{ }} a b c d e f g", "not a text"),
        ("A person sits astride a horse \ufffd\ufffd and holds on with both hands.", "not a text"),
    ],
)
def test_what_is_surely_wrong_is_rejected(text: str, reason: str) -> None:
    assert (verdict(text) or "accepted").startswith(reason)


def test_unfinished_answers_are_rejected() -> None:
    assert verdict(GOOD, finish="length") == "cut off (finish reason 'length')"
    assert verdict(GOOD, finish="content_filter") == "refusal"


def test_every_object_is_named_by_its_own_word_and_its_plural() -> None:
    for name in objects():
        word = name.replace("_", " ")
        assert names(f"There is a {word}.", word) and names(f"Here are {word}s, two.", word)
    assert (
        names("a man on his bike", "bicycle")
        and names("a blue sofa", "couch")
        and names("two wine glasses", "wine glass")
    )
    assert not names("a fast carriage", "car") and not names("an oral brush", "toothbrush")


def test_normalised_texts_ignore_case_and_punctuation() -> None:
    assert normalised("A horse, standing.") == normalised("a HORSE standing!")
    assert normalised(find("ride horse").phrase) != normalised(find("ride cow").phrase)
