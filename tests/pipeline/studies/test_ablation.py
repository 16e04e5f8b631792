"""The ablation's runs and its table, by hand."""

import itertools
import json
import statistics
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.engine.graph import stage
from pipeline.errors import ConfigError
from pipeline.store import runs
from pipeline.store.store import Store
from pipeline.studies import file
from pipeline.studies.ablation import KEYS, SCHEDULE, SEEDS, SETTINGS, study
from pipeline.studies.cost import Cost, as_json
from pipeline.studies.study import Study, Trial
from pipeline.studies.table import Table


def evaluation(**metrics: float) -> Any:
    return SimpleNamespace(manifest=SimpleNamespace(metrics=metrics), fingerprint="f" * 32)


def trial(design: Study, row: str, setting: str, seed: int) -> Trial:
    return Trial(next(v for v in design.variants if v.name == row), setting, seed)


def test_the_short_forms_words_are_those_of_the_file() -> None:
    whole = file.read("ablation")
    assert tuple(variant.name for variant in whole.variants) == KEYS
    assert (whole.common, whole.settings, whole.seeds) == (SCHEDULE, SETTINGS, SEEDS)
    assert study() == whole


def test_rows_are_cumulative() -> None:
    design = study()
    on = []
    for key in KEYS:
        parts = asdict(design.config(trial(design, key, "uv", 0)).model.parts)
        on.append({name for name, there in parts.items() if there})
    assert on[0] == set() and on[-1] == set(parts)
    added = [now - before for before, now in itertools.pairwise(on)]
    assert [len(a) for a in added] == [1, 1, 1, 0, 1, 1], "UTPL is no part of the seen model"
    assert all(before <= now for before, now in itertools.pairwise(on))


def test_llm_guidance_and_utpl_are_two_readings_of_one_run() -> None:
    design = study()
    llm, utpl = (design.config(trial(design, key, "uv", 0)) for key in ("llm", "utpl"))
    assert llm == utpl
    seen = {json.dumps(stage("seen").config_subset(design.config(t)), sort_keys=True) for t in design.trials()}
    assert len(design.trials()) == 42 and len(seen) == 36


def test_own_settings_go_before_the_schedule_and_the_trial_before_both() -> None:
    design = study(overrides=("seen.epochs=9", "utpl.steps=70"))
    config = design.config(trial(design, "baseline", "uv", 2))
    assert (config.seen.epochs, config.seed, config.setting) == (9, 2, "uv")
    assert config.seen.drop_after == 2 and config.utpl.steps == 1
    assert (full := study(full=True)).config(trial(full, "vlm", "uv", 0)).seen.epochs == 12


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rows": ("inta",)}, "no row 'inta' in the ablation; rows: baseline, intra"),
        ({"seeds": ()}, "without seeds"),
        ({"settings": ("uvv",)}, "setting"),
        ({"overrides": ("seen.epoch=3",)}, "Did you mean 'seen.epochs'"),
    ],
)
def test_a_wrong_design_is_refused_before_anything_runs(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        study(**wrong)


def test_the_table_by_hand(tmp_path: Path) -> None:
    design = study(rows=("utpl", "llm"), settings=("uv",), seeds=(0, 1))
    table = Table(design)
    assert "| + LLM guidance | – | – | – | – | – | 0 | – | – |" in table.as_markdown()
    for seed, unseen, before in ((0, 30.0, 28.0), (1, 33.0, 29.0)):
        metrics = {"unseen": unseen, "seen": 50.0, "full": 45.0, "before_utpl_unseen": before}
        for row in ("llm", "utpl"):
            table.add(
                trial(design, row, "uv", seed), evaluation(**metrics, before_utpl_seen=51.0, before_utpl_full=45.5)
            )
    text = table.as_markdown()
    spread = statistics.stdev([28.0, 29.0])
    assert f"| + LLM guidance | 28.50 ± {spread:.2f} | – | 51.00 ± 0.00 | – | 45.50 ± 0.00 | 2 |" in text
    spread, gain = statistics.stdev([30.0, 33.0]), statistics.stdev([2.0, 4.0])
    assert f"| + UTPL | 31.50 ± {spread:.2f} | +3.00 ± {gain:.2f} | 50.00 ± 0.00 | -1.00 ± 0.00 |" in text
    assert "not done" not in text and ", ".join(SCHEDULE) in text
    page = Path(table.write(Store(tmp_path)))
    assert page.read_text() == text
    assert runs.records(Store(tmp_path)) == [], "the table passes for a run"
    tree = json.loads(page.with_suffix(".json").read_text())
    assert tree["runs"] == tree["of"] == 4
    last = tree["settings"]["uv"][1]
    assert last["row"] == "utpl" and last["gain"]["unseen"]["mean"] == 3.0
    of_run = {"unseen": 33.0, "seen": 50.0, "full": 45.0, "evaluation": "f" * 32}
    assert last["runs"]["1"] == of_run | {"cost": as_json(Cost())}


def test_a_seed_alone_has_no_spread_and_a_gap_is_told() -> None:
    table = Table(study(rows=("vlm", "inter"), settings=("uv",), seeds=(0, 1)))
    table.add(trial(table.study, "inter", "uv", 0), evaluation(unseen=30.0, seen=50.0, full=45.0))
    table.add(trial(table.study, "vlm", "uv", 1), evaluation(unseen=31.0, seen=50.0, full=45.0))
    text = table.as_markdown()
    assert "| + VLM guidance | 31.00 | – | 50.00 | – | 45.00 | 1 |" in text, "gains compare equal seeds only"
    assert "2 of 4 runs are not done yet." in text
