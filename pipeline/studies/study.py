"""A study: variants of a profile, each in every zero-shot setting with every seed, and their comparisons.

A trial is an ordinary run of the pipeline, so what is in the store is not computed again and an interrupted study goes on
where it was. `pipeline/studies/file.py` reads studies, `pipeline/studies/table.py` holds their results.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pipeline.config.changed import changed
from pipeline.config.loading import key_of, load
from pipeline.config.places import absolute
from pipeline.config.tree import Config
from pipeline.datasets import configured
from pipeline.engine import graph, plan
from pipeline.errors import ConfigError, DataError
from pipeline.outside.parsing import shown
from pipeline.store import digest
from pipeline.store.artifact import Artifact
from pipeline.store.opening import store_of

ABOVE = "above"
"""The baseline of a study in which each variant is compared with the one before it."""
Reading = Literal["after_utpl", "before_utpl", "plain_phrases", "seen_phrases", "untrained", "memory", "detector_only"]
"""The variant of an evaluation whose numbers are read: the adapted model, or one beside it (stage `evaluation`)."""
RESULT: Reading = "after_utpl"


@dataclass(frozen=True)
class Variant:
    """A variant: a profile with some changes."""

    name: str
    overrides: tuple[str, ...] = ()
    """Its changes to the study's profile, `key=value` each."""
    label: str = ""
    """Its name in tables."""
    reading: Reading = RESULT
    """Which numbers of the run's evaluation it has."""

    @property
    def shown(self) -> str:
        """Its name in tables: its label, or else its name."""
        return self.label or self.name

    @property
    def prefix(self) -> str:
        """The prefix of its metrics in an evaluation's manifest."""
        return "" if self.reading == RESULT else f"{self.reading}_"


@dataclass(frozen=True)
class Trial:
    """A variant in a zero-shot setting with a seed: one run."""

    variant: Variant
    setting: str
    seed: int

    @property
    def overrides(self) -> list[str]:
        """The overrides that make the study's profile this trial."""
        return [*self.variant.overrides, f"setting={self.setting}", f"seed={self.seed}"]

    def __str__(self) -> str:
        return f"{self.setting}, seed {self.seed}, {self.variant.shown}"


@dataclass(frozen=True)
class Study:
    """Variants x settings x seeds of a profile.

    Overrides of the command line (`given`) win over those of the file (`common`), and a trial's own over both.
    """

    name: str
    variants: tuple[Variant, ...]
    settings: tuple[str, ...]
    seeds: tuple[int, ...]
    profile: str = "demo"
    common: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    baseline: str = ABOVE
    """The variant with which the others are compared, or `above`."""
    folder: Path | None = None
    """Where relative paths of the configuration start; None: the current folder."""

    def __post_init__(self) -> None:
        for what in ("variants", "settings", "seeds"):
            if not getattr(self, what):
                raise ConfigError(f"study {self.name} without {what} has nothing to run")
        for what in ("settings", "seeds"):
            values = getattr(self, what)
            if twice := [shown(value) for place, value in enumerate(values) if value in values[:place]]:
                raise ConfigError(
                    f"study {self.name}: {twice[0]} is twice among its {what}, and one run is not two; keep one"
                )
        self._demand_effect()

    def _demand_effect(self) -> None:
        """ConfigError for a change of the command line that every trial changes back."""
        for text in self.given:
            key = key_of(text)
            if key in ("seed", "setting"):
                raise ConfigError(f"study {self.name}: {shown(text)}: its {key}s are given as such (--{key}s)")
            if self.settles(key):
                raise ConfigError(
                    f"study {self.name}: {shown(text)} would change nothing: every variant sets {key} itself"
                )

    def settles(self, key: str) -> bool:
        """Whether every trial sets the key itself, so that nothing else has an effect on it."""
        trials = (Trial(variant, self.settings[0], self.seeds[0]) for variant in self.variants)
        return all(key in map(key_of, trial.overrides) for trial in trials)

    @property
    def title(self) -> str:
        """The title, such as `study epochs · 3 variants · uv, rf_uc · seeds 0, 1, 2`."""
        seeds = ", ".join(map(str, self.seeds)) if len(self.seeds) < 10 else f"{len(self.seeds)} of them"
        return f"study {self.name} · {len(self.variants)} variants · {', '.join(self.settings)} · seeds {seeds}"

    def trials(self) -> list[Trial]:
        """All runs; a seed is finished in all settings before the next one starts, so early tables compare."""
        return [Trial(v, setting, seed) for seed in self.seeds for setting in self.settings for v in self.variants]

    def overrides_of(self, trial: Trial) -> list[str]:
        """Every override that makes the profile the trial; later ones win."""
        return [*self.common, *self.given, *trial.overrides]

    def config(self, trial: Trial) -> Config:
        """The configuration of a run, its paths absolute if the study has a folder; ConfigError says which key is wrong."""
        overrides = self.overrides_of(trial)
        found = load(profile=self.profile, overrides=overrides, folder=self.folder)
        if self.folder is None:
            return found
        return load(profile=self.profile, overrides=[*overrides, *absolute(found, self.folder)], folder=self.folder)

    def check(self) -> None:
        """Load every variant in every setting; ConfigError names the variant that cannot run, before anything does."""
        for variant in self.variants:
            for setting in self.settings:
                try:
                    configured.unseen(self.config(Trial(variant, setting, self.seeds[0])))
                except ConfigError as error:
                    raise ConfigError(f"study {self.name}, variant {variant.name}: {error}") from None

    def against(self, variant: Variant) -> Variant | None:
        """The variant with which this one is compared; None for the baseline itself and for the first row."""
        if self.baseline == ABOVE:
            position = self.variants.index(variant)
            return self.variants[position - 1] if position else None
        return next((v for v in self.variants if v.name == self.baseline and v != variant), None)

    def part(
        self, *, variants: Collection[str] = (), settings: Collection[str] = (), seeds: Collection[int] = ()
    ) -> Study:
        """The same study with only these variants, settings and seeds; what is left empty stays complete.

        Settings and seeds may be others than the study's. ConfigError for a variant that it does not have.
        """
        known = [variant.name for variant in self.variants]
        for name in variants:
            if name not in known:
                raise ConfigError(f"study {self.name} has no variant {shown(name)}; variants: {', '.join(known)}")
        chosen = tuple(v for v in self.variants if not variants or v.name in variants)
        return replace(
            self, variants=chosen, settings=tuple(settings) or self.settings, seeds=tuple(seeds) or self.seeds
        )

    @cached_property
    def digest(self) -> str:
        """The digest of the study; it does not depend on where its store is or how its overrides are written.

        Only the last part of a path counts, as in the records of runs.
        """
        trials = [Trial(variant, setting, self.seeds[0]) for variant in self.variants for setting in self.settings]
        asked = [[t.variant.name, t.variant.prefix, t.setting, changed(self.config(t))] for t in trials]
        return digest.of_value([self.profile, asked, list(self.seeds), self.baseline])

    @property
    def shown_overrides(self) -> list[str]:
        """The overrides of all trials that say what is made, without those that say where or on which device."""
        every = (*self.common, *self.given)
        return [text for text in every if key_of(text).split(".")[0] not in ("store", "device")]

    def as_json(self) -> dict[str, Any]:
        """The study as plain JSON; equal studies are equal there."""
        return {
            "study": self.name,
            "profile": self.profile,
            "common": list(self.common),
            "overrides": list(self.given),
            "variants": {v.name: [*v.overrides, *([v.prefix] if v.prefix else [])] for v in self.variants},
            "baseline": self.baseline,
            "settings": list(self.settings),
            "seeds": list(self.seeds),
        }


def identity(config: Config) -> str:
    """The digest of what a run makes and where; runs with one identity are the same work."""
    tree = config.subset(tuple(name for name in Config.model_fields if name != "device"))
    return digest.of_value(tree)


def training(config: Config) -> str:
    """The digest of everything from which stage `seen` is made; trials with one digest share their training."""
    stages = graph.needed_for(("seen",), config=config)
    return digest.of_value({stage.name: stage.config_subset(config) for stage in stages})


def evaluation(config: Config) -> Artifact | None:
    """The intact evaluation that a run of the configuration would find in the store; None if the run would compute."""
    return _stored(config, "evaluation")


def is_trained(config: Config) -> bool:
    """Whether the store has the trained `seen` that a run of the configuration needs."""
    return _stored(config, "seen") is not None


def _stored(config: Config, stage: str) -> Artifact | None:
    try:
        return plan.stored(config, store_of(config), stage)
    except DataError:  # a file that it names is not there, as its run will say
        return None
