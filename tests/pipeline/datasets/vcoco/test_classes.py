"""The 236 compositions, their names, and the zero-shot settings."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from pipeline.datasets.vcoco import classes
from pipeline.datasets.vcoco.actions import ROLES
from pipeline.datasets.vcoco.settings import by_rule, settings
from pipeline.vocabulary import file

SHARED = Path(__file__).parents[5] / "shared" / "data" / "vcoco"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no V-COCO annotations under {SHARED}")


def test_names_and_phrases(tmp_path):
    words = classes.vocabulary()
    assert (len(words.verbs), len(words.objects), len(words.classes)) == (28, 80, 236)
    assert [words.verbs[i].name for i in words.without_object] == ["stand", "walk", "run", "smile"]
    assert words.find("lie on dining table").phrase == "a person lying on a dining table"
    assert words.find("ski on skis").phrase == "a person skiing on skis"
    assert words.find("eat orange").phrase == "a person eating an orange"
    assert {words.find(f"cut_with {name}").verb_id for name in ("fork", "knife", "scissors")} == {
        ROLES.index("cut instr")
    }
    file.write(tmp_path / "vocabulary.json", words)
    assert file.read(tmp_path / "vocabulary.json") == words


def test_settings():
    found, words = settings(), classes.vocabulary()
    sizes = {name: len(hidden) for name, hidden in found.items()}
    assert sizes == {"sg1": 70, "sg2": 69, "sg3": 72, "rf_uc": 47, "nf_uc": 47, "uv": 54, "default": 0}
    hidden = {words.hoi(i).verb for i in found["uv"]}
    assert hidden == {"sit_on", "eat", "carry", "work_on", "kick"}
    assert not {c.verb for c in words.classes if c.hoi_id not in found["uv"]} & hidden
    for name in ("rf_uc", "nf_uc"):  # combinations: every verb and object that has training pairs keeps some
        rows = [row for i, row in enumerate(classes.compositions()) if i not in found[name] and int(row["train_count"])]
        trained = [row for row in classes.compositions() if int(row["train_count"])]
        for key in ("verb", "object"):
            assert {row[key] for row in rows} == {row[key] for row in trained}


def test_vcls_rule_by_hand():
    """Four classes, two verbs, two objects; counts 5, 3, 2, 1."""
    counts, verbs, things = [5, 3, 2, 1], ["a", "a", "b", "b"], ["x", "y", "x", "y"]
    # frequent first: 0 may go (a keeps y, x keeps b); 1 may not (a would have nothing); 2 may not (x); 3 may (b, y keep)
    assert by_rule(counts, verbs, things, count=4, frequent_first=True) == {0, 3}
    assert by_rule(counts, verbs, things, count=1, frequent_first=True) == {0}
    # rare first: 3 goes; 2 may not (b); 1 may not (y); 0 may
    assert by_rule(counts, verbs, things, count=4, frequent_first=False) == {0, 3}
    assert by_rule([1, 1], ["a", "a"], ["x", "x"], count=2, frequent_first=True) == {0}


@needs_data
def test_counts_and_settings_are_those_of_the_files():
    counted = Counter()
    for split in ("train", "val", "test"):
        value = json.loads(gzip.decompress((SHARED / f"instances_vcoco_{split}.json.gz").read_bytes()))
        assert tuple(value["classes"]) == ROLES
        words = classes.vocabulary()
        listed = {(a, o - 1) for a, things in enumerate(value["action_to_object"]) for o in things}
        assert listed == {(c.verb_id, c.object_id) for c in words.classes}
        for entry in value["annotations"]:
            pairs = zip(entry["actions"], entry["objects"], strict=True)
            counted.update((split == "test", words.of(action, thing - 1)) for action, thing in pairs)
    for hoi_id, row in enumerate(classes.compositions()):
        assert (counted[False, hoi_id], counted[True, hoi_id]) == (int(row["train_count"]), int(row["test_count"]))
    by_hand = json.loads((SHARED / "zero_shot_vcl_rule.json").read_text())
    held_out = json.loads((SHARED / "sg" / "heldout_compositions.json").read_text())
    for name in ("rf_uc", "nf_uc"):
        assert settings()[name] == {row[0] for row in by_hand[name]}
    rows = classes.compositions()
    for number in (1, 2, 3):
        hidden = {(rows[i]["role"], rows[i]["object"].replace("_", " ")) for i in settings()[f"sg{number}"]}
        assert hidden == {tuple(entry) for entry in held_out[f"split_{number}"]["held_out"]}
