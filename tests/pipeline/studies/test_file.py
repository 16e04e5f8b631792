"""Study files: what they say, and the message for each fault in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.studies import file
from pipeline.studies.study import Trial

GOOD = "seeds: [0]\nvariants:\n  a: {set: {seen.epochs: 3}}\n  b: {set: {seen.epochs: 4}}\n"
GRID = "seeds: [0]\ngrid:\n  seen.epochs: [1, 2]\n  seen.precision: [bf16, fp32]\n"


def read(folder: Path, text: str, **more: object) -> file.Study:
    path = folder / "My study!.yaml"
    path.write_text(text)
    return file.read(str(path), **more)  # type: ignore[arg-type]


def test_a_list_of_variants(tmp_path: Path) -> None:
    text = GOOD + "  plain:\n  c: {like: b, label: both, set: {utpl.steps: 9, seen.epochs: 5}}\nset: {seen.epochs: 8}\n"
    study = read(tmp_path, text + "settings: [uv, rf_uc]\nbaseline: b\n", given=("seen.batch_size=7",))
    assert study.name == "my-study" and [v.name for v in study.variants] == ["a", "b", "plain", "c"]
    assert study.variants[3].overrides == ("seen.epochs=5", "utpl.steps=9") and study.variants[3].shown == "both"
    epochs = {t.variant.name: study.config(t).seen.epochs for t in study.trials()}
    assert epochs == {"a": 3, "b": 4, "plain": 8, "c": 5}
    assert {study.config(t).seen.batch_size for t in study.trials()} == {7}
    assert [str(t) for t in study.trials()[:5]] == [
        "uv, seed 0, a",
        "uv, seed 0, b",
        "uv, seed 0, plain",
        "uv, seed 0, both",
        "rf_uc, seed 0, a",
    ]
    a, b, plain, _ = study.variants
    assert study.against(a) == b and study.against(b) is None and study.against(plain) == b


def test_a_grid_is_every_combination(tmp_path: Path) -> None:
    study = read(tmp_path, GRID)
    assert [v.name for v in study.variants] == [
        "seen.epochs=1, seen.precision=bf16",
        "seen.epochs=1, seen.precision=fp32",
        "seen.epochs=2, seen.precision=bf16",
        "seen.epochs=2, seen.precision=fp32",
    ]
    assert study.baseline == study.variants[0].name, "the first is the baseline if none is named"
    config = study.config(Trial(study.variants[2], "uv", 0))
    assert (config.seen.epochs, config.seen.precision) == (2, "bf16")
    assert study.settings == ("rf_uc",), "the profile's"


@pytest.mark.parametrize("value", ["true", "null", "3", "03", "yes", "[1, 2]", "a: b", "# no", "'quoted'", " x "])
def test_a_text_stays_the_text_that_it_is(value: str) -> None:
    from pipeline.outside import parsing

    (override,) = file._overrides({"key": value})
    assert parsing.yaml_scalar(override.partition("=")[2]) == value


def test_a_part_keeps_the_order_and_may_have_other_seeds(tmp_path: Path) -> None:
    study = read(tmp_path, GOOD).part(variants=["b", "a"], seeds=[5, 6], settings=["uo"])
    assert [v.name for v in study.variants] == ["a", "b"] and (study.seeds, study.settings) == ((5, 6), ("uo",))
    with pytest.raises(ConfigError, match="study my-study has no variant 'c'; variants: a, b"):
        study.part(variants=["c"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ": expected keys at the top level: name, profile"),
        ("[1]", ": expected keys at the top level"),
        ("seeds: [0", ": not valid YAML: line 1"),
        ("seeds: [0]\n", ": give either variants or a grid"),
        (GOOD + "grid: {seen.epochs: [1]}\n", ", line 5, grid: give either variants or a grid, not both"),
        (GOOD + "seed: 1\n", ", line 5, seed: unknown key 'seed'. Did you mean 'seeds'?"),
        ("variants: {a: }\n", ": no seeds; give at least one, for example seeds: "),
        (GOOD.replace("[0]", "[]"), ", line 1, seeds: is empty; give at least one"),
        (GOOD.replace("[0]", "[0, 0]"), ", line 1, seeds: 0 is given twice; keep one"),
        (GOOD.replace("[0]", "[zero]"), ", line 1, seeds: input should be a valid integer, got 'zero'"),
        (GOOD.replace("[0]", "[true]"), ", line 1, seeds: input should be a valid integer, got True"),
        (GOOD.replace("[0]", "[-1]"), ", line 1, seeds: input should be greater than or equal to 0, got -1"),
        (GOOD.replace("seeds: [0]", "seeds: &a [*a]"), ", line 1, seeds: input should be a valid integer"),
        (GOOD.replace("  b:", "  a:"), ": not valid YAML: the key 'a' is given twice, in lines 3 and 4; keep one"),
        (GOOD.replace("epochs: 4", "epochs: 3"), ", line 4, variant 'b': is the same as 'a': keep one"),
        (GOOD.replace("epochs: 4", "epoch: 4"), ", line 4, variant 'b': .*\n.*Did you mean 'seen.epochs'"),
        (GOOD.replace("epochs: 4", "epochs: no"), ", line 4, variant 'b': .*\n.*'seen.epochs': input .* got 'no'"),
        (
            GOOD.replace("seen.epochs: 4", "seed: 4"),
            ", line 4, variant 'b': 'seed' has its own place in a study: seeds",
        ),
        (GOOD.replace("seen.epochs: 4", "seen: {epochs: 4}"), ", line 4, variant 'b': .*nested keys have dots"),
        (GOOD.replace("b: {", "b: {lik: a, "), ", line 4, variant 'b': unknown key 'lik'. Did you mean 'like'?"),
        (GOOD.replace("b: {", "b: {like: c, "), ", line 4, variant 'b': is like 'c', which is no variant above it"),
        (GOOD.replace("b: {set: {seen.epochs: 4}}", "b: 3"), ", line 4, variant 'b': expected keys such as label"),
        (GOOD.replace("  b:", "  above:"), ", line 4, variant 'above': 'above' is no name"),
        (GOOD.replace("  b:", "  '<b>':"), ", line 4, variant '<b>': '<b>' is no name"),
        (GOOD + "set: {seen.epoch: 3}\n", ", line 5, set: .*\n.*Did you mean 'seen.epochs'"),
        (GOOD + "settings: [uv, uvv]\n", ", line 5, settings: .*Did you mean 'uv'"),
        (GOOD + "baseline: c\n", ", line 5, baseline: baseline 'c' is no variant; variants: a, b"),
        (GOOD + "profile: demmo\n", ", line 5, profile: no profile 'demmo'. Did you mean 'demo'"),
        (GOOD + "name: My study\n", ", line 5, name: string should match pattern"),
        (GRID.replace("[1, 2]", "[1, -2]"), ", line 3, grid: .*\n.*'seen.epochs': input should be greater"),
        (GRID.replace("[1, 2]", "[1, 1]"), ", line 3, grid: 1 is given twice; keep one"),
        (GRID.replace("[1, 2]", "[]"), ", line 3, grid: is empty; give at least one"),
        (GRID.replace("[1, 2]", str(list(range(1, 6000)))), ", line 2, grid: makes 11,998 variants, more than"),
        (GRID.replace("[0]", str(list(range(3000)))), ": 12,000 trials are more than the 10,000"),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=rf"(?s)My study!\.yaml{says}"):
        read(tmp_path, text)


def test_a_fault_of_the_command_line_is_not_the_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^configuration of profile 'demo':\n  unknown key 'seen.epoch'"):
        read(tmp_path, GOOD, given=("seen.epoch=3",))


def test_a_file_that_is_not_there_is_told_with_what_is() -> None:
    with pytest.raises(ConfigError, match=r"no study 'ablatoin': give the path .* come with ezhoi: ablation"):
        file.read("ablatoin")


@pytest.mark.parametrize("of", ["seeds", "settings"])
def test_a_run_is_no_two_runs(tmp_path: Path, of: str) -> None:
    """Equal runs have no spread, so a gain of theirs would never be chance."""
    twice: Any = {"seeds": (3, 4, 3), "settings": ("uv", "rf_uc", "uv")}[of]
    with pytest.raises(ConfigError, match=rf"{twice[0]!r} is twice among its {of}"):
        read(tmp_path, GOOD).part(**{of: twice})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("seed=3", r"'seed=3': its seeds are given as such \(--seeds\)"),
        ("setting=uv", r"'setting=uv': its settings are given as such \(--settings\)"),
        ("seen.epochs=9", "'seen.epochs=9' would change nothing: every variant sets seen.epochs itself"),
        ("seen={epochs: 9}", "'seen.epochs=9' would change nothing: every variant sets seen.epochs itself"),
        ("seen={}", "'seen' is a section, and the braces name no key of it"),
    ],
)
def test_a_change_without_an_effect_is_refused(tmp_path: Path, given: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(tmp_path, GOOD, given=(given,))
    assert read(tmp_path, GOOD + "  c: {}\n", given=("seen.epochs=9",)).given == ("seen.epochs=9",)


@pytest.mark.parametrize("given", ["store={root: x}", " store.root=x", "device = cpu"])
def test_what_is_told_of_a_study_has_no_place_and_no_device(tmp_path: Path, given: str) -> None:
    assert read(tmp_path, GOOD, given=(given,)).shown_overrides == read(tmp_path, GOOD).shown_overrides
