"""A run's parameters: what Prefect's run form checks, what they resolve to, and how a shell passes them to a worker."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field, WithJsonSchema

from pipeline.config.loading import dotted, load, of_environment, profiles
from pipeline.config.places import absolute, path_of
from pipeline.config.section import at_home
from pipeline.config.tree import Config
from pipeline.datasets import configured
from pipeline.engine import plan
from pipeline.engine.choice import Choice
from pipeline.engine.graph import WHOLE, needed_for
from pipeline.engine.stage import Stage
from pipeline.engine.status import StageStatus
from pipeline.errors import StoreError
from pipeline.machine.home import workplace
from pipeline.outside.parsing import yaml_scalar, yaml_text
from pipeline.store import runs
from pipeline.store.opening import store_of
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store

# The server checks these schemas when a run is submitted and repeats the violated rule: so they are enumerations and
# patterns, which read well, and not unions, whose messages say only that nothing matched.
Profile = Annotated[str, Field(pattern=rf"^({'|'.join(profiles())}|.+\.ya?ml)$")]
AS_IN_PROFILE = "profile"
# A choice of its own and not null: the form sends what it shows, and a choice beside null it shows as text. A user's own
# settings are chosen among the overrides: data.settings=FILE, setting=NAME.
SettingName = Annotated[str, WithJsonSchema({"type": "string", "enum": [AS_IN_PROFILE, *configured.SETTINGS]})]
Seed = Annotated[int | None, WithJsonSchema({"type": ["integer", "null"], "minimum": 0, "title": "seed"})]
Override = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]*=")]
RunReference = Annotated[
    str | None, WithJsonSchema({"type": ["string", "null"], "pattern": "^[0-9a-fT-]+$", "title": "against"})
]
Fingerprint = Annotated[
    str | None, WithJsonSchema({"type": ["string", "null"], "pattern": "^(seen/)?[0-9a-f]+$", "title": "seen"})
]


@dataclass(frozen=True)
class Request:
    """What a run is asked to do, checked and resolved."""

    config: Config
    targets: tuple[str, ...] = WHOLE
    force: frozenset[str] = frozenset()
    given: Mapping[str, Choice] = field(default_factory=dict)
    against: RunRecord | None = None
    """The run to compare with, if one was named."""

    @property
    def store(self) -> Store:
        """The store that the configuration names."""
        return store_of(self.config)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of the run, in order."""
        return needed_for(self.targets, given=self.given, config=self.config)

    @property
    def title(self) -> str:
        return f"Profile {self.config.profile}, setting {self.config.setting}, seed {self.config.seed}"

    def plan(self) -> list[StageStatus]:
        """What the run would do, and why."""
        return plan.plan(self.config, self.store, targets=self.targets, force=self.force, given=self.given)


def resolve(
    *,
    profile: str = "demo",
    setting: str = AS_IN_PROFILE,
    seed: int | None = None,
    overrides: Sequence[str] = (),
    targets: Collection[str] = (),
    force: Collection[str] = (),
    reuse: Collection[str] = (),
    pins: Mapping[str, str] | None = None,
    against: str | None = None,
) -> Request:
    """Load the configuration and choose the artifacts that replace stages. `setting` and `seed` win over overrides.

    EzhoiError says which key is wrong, or why no artifact fits.
    """
    given = [] if setting == AS_IN_PROFILE else [f"setting={setting}"]
    given += [] if seed is None else [f"seed={seed}"]
    config = load(profile=profile, overrides=[*overrides, *given])
    wanted = tuple(map(str, targets)) or WHOLE
    chosen = plan.chosen(
        config,
        store_of(config),
        targets=wanted,
        reuse=frozenset(map(str, reuse)),
        pins={str(stage): reference for stage, reference in (pins or {}).items()},
        force=frozenset(map(str, force)),
    )
    other = None if against is None else runs.find(store_of(config), against)
    if other is not None and not other.complete:
        raise StoreError(f"run {other.id} was not evaluated ({other.status}), so there is nothing to compare with")
    return Request(config, wanted, frozenset(map(str, force)), chosen, other)


@dataclass(frozen=True)
class Parameters:
    """The parameters of the flow, and the configuration that follows from them."""

    profile: str
    overrides: list[str]
    config: Config


def portable(
    *, profile: str, overrides: Sequence[str], environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Parameters:
    """Check the configuration now; make EZHOI__* variables overrides, and paths such that they mean the same elsewhere.

    A worker may be another user's, so `~` is this user's home folder, written out. Runs of a deployment start in the
    checkout (`pipeline.machine.home.workplace`), so from there relative paths stay as they are.
    Raises ConfigError as `pipeline.config.loading.load` does.
    """
    variables = os.environ if environment is None else environment
    here = (folder or Path.cwd()).absolute()
    config = load(profile=profile, overrides=overrides, environment=variables, folder=here)
    configured.unseen(config)
    found = written_out([*of_environment(variables).values(), *overrides], config)
    found += [] if here == workplace() else absolute(config, here)
    if profile.endswith((".yaml", ".yml")):
        own = Path(at_home(profile))
        profile = profile if here == workplace() and str(own) == profile else str(here / own)
    return Parameters(profile, found, config)


def written_out(overrides: Iterable[str], config: Config) -> list[str]:
    """The overrides that lead to the configuration, with a single key each, and with `~` of a path as this user's folder."""
    found = []
    for override in dotted(overrides):
        key, _, text = override.partition("=")
        value = yaml_scalar(text)
        in_home = isinstance(value, str) and value.startswith("~") and path_of(config, key) is not None
        found.append(f"{key}={yaml_text(at_home(value))}" if in_home else override)
    return found
