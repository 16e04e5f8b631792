"""The visual lexicon: complete, well-formed, distinct, and made of shared words."""

import re
from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.sources import DESCRIBED
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.datasets.vcoco import classes as vcoco
from pipeline.errors import ConfigError, DataError
from pipeline.texts.lexicon import entries
from pipeline.texts.lexicon.lexicon import (
    CONTRASTS,
    DESCRIBE,
    DESCRIPTIONS,
    LEXICON_VERSION,
    check,
    contrast,
    describe,
    look,
)

MOST_WORDS = 22
ALL = range(600)
VCOCO = vcoco.vocabulary()


def test_every_verb_and_object_has_an_entry() -> None:
    assert len(entries.verbs()) == 117 + 9
    assert {c.verb for c in (*HICO.classes, *VCOCO.classes)} == set(entries.verbs())
    assert len(entries.objects()) == 80
    assert LEXICON_VERSION >= 1


def test_every_description_is_well_formed() -> None:
    for hoi in (*HICO.classes, *VCOCO.classes):
        sentences = describe(hoi)
        assert len(sentences) == 3
        assert sentences[0].lower().startswith(hoi.phrase)
        assert look(hoi).object.called in sentences[2]
        for sentence in sentences:
            assert sentence[0].isupper() and sentence.endswith(".")
            assert 4 <= len(sentence.split()) <= MOST_WORDS, sentence
            assert not set(sentence) & set("{}_"), sentence
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|,,|  ", sentence), sentence


def test_every_description_fits_the_context_of_clip() -> None:
    tokens = pytest.importorskip("open_clip").tokenizer.SimpleTokenizer()
    assert max(len(tokens.encode(" ".join(describe(c)))) + 2 for c in (*HICO.classes, *VCOCO.classes)) <= 77


def test_the_wording_in_slots_has_a_sentence_each_on_human_contact_object_and_scene() -> None:
    assert describe(HICO.find("ride horse"), "describe-slots-v1") == (
        "A person riding a horse sits astride it with bent legs, and the eyes look ahead.",
        "Both arms are stretched forward and hold on, and the hips rest on the horse.",
        "The horse, a tall four-legged animal with a mane, is below the person.",
        "The scene is a wide meadow with a fence.",
    )
    assert describe(HICO.find("wash horse"), "describe-slots-v1")[3] == "The scene is a yard with water and soap."
    assert describe(HICO.find("ride horse"), "my.yaml") == describe(HICO.find("ride horse"), DESCRIBE)
    assert set(DESCRIPTIONS) == {DESCRIBE, *DESCRIBED}


def test_every_description_in_slots_is_well_formed_distinct_and_fits_clip() -> None:
    tokens = pytest.importorskip("open_clip").tokenizer.SimpleTokenizer()
    for vocabulary in (HICO, VCOCO):
        texts = [describe(hoi, "describe-slots-v1") for hoi in vocabulary.classes]
        assert len(set(texts)) == len(texts)
        assert max(len(tokens.encode(" ".join(text))) + 2 for text in texts) <= 77
        for hoi, text in zip(vocabulary.classes, texts, strict=True):
            assert len(text) == 4 and text[0].lower().startswith(hoi.phrase)
            for sentence in text:
                assert sentence[0].isupper() and sentence.endswith(".")
                assert 4 <= len(sentence.split()) <= MOST_WORDS + 1, sentence
                assert not set(sentence) & set("{}_"), sentence
                assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|,,|  ", sentence), sentence


def test_pronouns_of_a_sentence_refer_to_an_object_that_it_names() -> None:
    for hoi in (*HICO.classes, *VCOCO.classes):
        for sentence in describe(hoi):
            if set(re.findall(r"\w+", sentence)) & {"it", "its", "them", "their"}:
                assert hoi.object.replace("_", " ") in sentence, sentence


def test_plural_objects_and_other_persons_read_well() -> None:
    assert "The skis, two long thin boards" in describe(HICO.find("ride skis"))[2]
    assert ", are below the person" in describe(HICO.find("ride skis"))[2]
    assert "the other person" in describe(HICO.find("hug person"))[1]
    assert describe(HICO.find("no_interaction horse"))[0].startswith("A person and a horse, where the person stands")


def test_descriptions_are_distinct_and_deterministic() -> None:
    texts = [describe(HICO.hoi(hoi_id)) for hoi_id in ALL]
    assert len(set(texts)) == 600
    # Distinct even without the class's phrase, for classes of one object: the words say what the picture shows.
    looks = defaultdict(list)
    for words in (HICO, VCOCO):
        for hoi in words.classes:
            looks[words.name, hoi.object].append(tuple(sorted(look(hoi).fields.items())))
    for name, fields in looks.items():
        assert len(set(fields)) == len(fields), name
    assert texts == [describe(HICO.hoi(hoi_id)) for hoi_id in ALL]


def test_verbs_share_their_words() -> None:
    uses = Counter(text for verb in entries.verbs().values() for text in set(verb.fields.values()))
    shared = [verb for verb, entry in entries.verbs().items() if sum(uses[t] > 1 for t in entry.fields.values()) >= 2]
    assert len(shared) >= 105, sorted(set(entries.verbs()) - set(shared))


@given(st.sampled_from(ALL), st.sampled_from(ALL), st.sampled_from(sorted(CONTRASTS)))
def test_any_two_classes_differ_in_words(unseen: int, seen: int, template: str) -> None:
    if unseen == seen:
        with pytest.raises(ValueError, match="differ from itself"):
            contrast(HICO.hoi(unseen), HICO.hoi(seen), template)
        return
    sentences = contrast(HICO.hoi(unseen), HICO.hoi(seen), template)
    assert 1 <= len(sentences) <= 4
    assert HICO.classes[seen].phrase in sentences[0]
    assert all(s[0].isupper() and s.endswith(".") and not set(s) & set("{}_") for s in sentences)
    assert sentences == contrast(HICO.hoi(unseen), HICO.hoi(seen), template)


def test_classes_of_one_object_always_contrast() -> None:
    for first in HICO.classes:
        for second in HICO.classes:
            if first.object_id == second.object_id and first.hoi_id < second.hoi_id:
                assert all(contrast(first, second, template) for template in CONTRASTS)


def test_contrast_speaks_of_what_differs_only() -> None:
    hug, ride, cow = (HICO.find(name) for name in ("hug horse", "ride horse", "ride cow"))
    text = " ".join(contrast(hug, ride, "contrast-v1"))
    assert "Unlike a person riding a horse" in text and "wrapped around the horse" in text and "mane" not in text
    assert contrast(ride, cow, "contrast-v1")[0].startswith("Unlike a person riding a cow, the object is a horse")
    assert contrast(hug, ride, "contrast-v1") != contrast(hug, ride, "contrast-v2")


def test_unknown_wording_names_the_valid_ones() -> None:
    with pytest.raises(ConfigError, match=r"'contrast-v9'.*contrast-v1, contrast-v2"):
        contrast(HICO.hoi(0), HICO.hoi(1), "contrast-v9")


def test_a_class_without_interaction_is_not_called_one() -> None:
    text = " ".join(contrast(HICO.find("ride horse"), HICO.find("no_interaction horse"), "contrast-v1"))
    assert "Unlike a person and a horse without interaction" in text


@pytest.mark.parametrize(
    ("damage", "says"),
    [("  gaze: the eyes look at {the}\n", ""), ("of: [board]", "of: [bord]")],
)
def test_a_damaged_file_is_named(damage: str, says: str, tmp_path, monkeypatch) -> None:
    things = entries.objects()
    text = (entries.FOLDER / "verbs.yaml").read_text().replace(damage, says, 1)
    (tmp_path / "verbs.yaml").write_text(text)
    monkeypatch.setattr(entries, "FOLDER", tmp_path)
    monkeypatch.setattr(entries, "objects", lambda: things)
    with pytest.raises(DataError, match=r"verbs\.yaml"):
        entries.verbs.__wrapped__()


def test_it_knows_all_of_hico_and_names_the_classes_that_it_does_not_know() -> None:
    check(HICO.classes, key="descriptions.source")
    wave = replace(HICO.find("ride horse"), verb="wave_at")
    with pytest.raises(DataError, match=r"not those of 1 classes: wave at horse\. Use descriptions\.source=llm or"):
        check([*HICO.classes, wave], key="descriptions.source")
