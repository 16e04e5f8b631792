"""The ablation, a study of what each part of the model is worth; its file comes with the project.

The rows are cumulative and in the order of the paper's ablation table. UTPL acts after the seen stage, and an evaluation
tells the mAP without it too, so `+ LLM guidance` and `+ UTPL` are two readings of the same run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

from pipeline.errors import ConfigError
from pipeline.outside.parsing import shown
from pipeline.studies import file
from pipeline.studies.study import Study

RowKey = Literal["baseline", "intra", "adapter", "llm", "utpl", "inter", "vlm"]
KEYS: tuple[RowKey, ...] = get_args(RowKey)
"""The variants of the file, in its order; they are written here too, since Prefect's form offers them."""
SETTINGS, SEEDS = ("uv", "rf_uc"), (0, 1, 2)
SCHEDULE = ("seen.epochs=3", "seen.drop_after=2")
"""The short schedule of the file: every run of the demo in about a minute on two cores, not the profile's full training."""


def study(
    *,
    profile: str = "demo",
    overrides: Sequence[str] = (),
    rows: Sequence[str] = KEYS,
    settings: Sequence[str] = SETTINGS,
    seeds: Sequence[int] = SEEDS,
    full: bool = False,
) -> Study:
    """The ablation of a profile; with `full` it trains as long as the profile says, instead of SCHEDULE.

    ConfigError for a part that cannot run, before anything runs.
    """
    for row in rows:
        if row not in KEYS:
            raise ConfigError(f"no row {shown(row)} in the ablation; rows: {', '.join(KEYS)}")
    for name, chosen in (("rows", rows), ("settings", settings), ("seeds", seeds)):
        if not chosen:
            raise ConfigError(f"an ablation without {name} has nothing to run")
    whole = file.read("ablation")
    changed = replace(whole, profile=profile, common=() if full else whole.common, given=tuple(overrides))
    found = changed.part(variants=rows, settings=settings, seeds=seeds)
    found.check()
    return found
