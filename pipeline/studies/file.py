"""The file of a study, parsed once into a `Study`: a fault is one error that names the file, the line and the variant.

    name: epochs                     # the name of the table; that of the file if left out
    profile: demo                    # or hico-vitb, hico-vitl, or the path of a YAML file
    set: {seen.batch_size: 12}       # changes to the profile in all trials
    settings: [uv, rf_uc]            # zero-shot settings; the profile's if left out
    seeds: [0, 1, 2]
    baseline: short                  # the variant with which the others are compared, or `above`; the first if left out
    variants:
      short: {set: {seen.epochs: 3}}
      long: {label: twelve epochs, like: short, set: {seen.epochs: 12}}

`grid: {seen.epochs: [3, 12], utpl.steps: [30, 60]}` in place of `variants` makes a variant of every combination.
"""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path
from typing import Annotated, Any, NoReturn

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from pipeline.config.loading import dotted, load
from pipeline.config.section import LARGEST_NUMBER
from pipeline.datasets import configured
from pipeline.errors import ConfigError
from pipeline.machine.home import expanded
from pipeline.outside import parsing, reading
from pipeline.outside.parsing import nearest, shown
from pipeline.studies.study import ABOVE, RESULT, Reading, Study, Trial, Variant

PACKAGED = Path(__file__).parent / "packaged"
"""The folder of the studies that come with the project, `<name>.yaml` each."""
MOST_TRIALS = 10_000
_NAME = re.compile(r"[A-Za-z0-9][\w .,=+/()-]{0,79}")
_EXPECTED = {"model_type": "expected keys such as label, like and set", "dict_type": "expected keys and their values"}
"""Our words for faults that pydantic describes in terms of Python."""
_OWN_PLACE = {"setting": "settings", "seed": "seeds", "profile": "profile"}
"""Keys of the configuration that have their own key in a study."""


def _value(value: Any) -> Any:
    """A value for a key of the configuration: a number, a text, true or false, null, or a list of these."""
    entries = value if isinstance(value, list) else [value]
    if any(isinstance(entry, list | dict) for entry in entries):
        raise ValueError(
            "expected a number, a text, true, false, null or a list of these; nested keys have dots: a.b: 1"
        )
    return value


def _key(key: str) -> str:
    if key.split(".")[0] in _OWN_PLACE:
        raise ValueError(f"{shown(key)} has its own place in a study: {_OWN_PLACE[key.split('.')[0]]}")
    return key


def _name(name: str) -> str:
    if _NAME.fullmatch(name) is None or name == ABOVE:
        raise ValueError(f"{shown(name)} is no name: letters, digits, spaces and -_.,=+/(), not {shown(ABOVE)}")
    return name


Value = Annotated[Any, AfterValidator(_value)]
Key = Annotated[StrictStr, AfterValidator(_key)]
Name = Annotated[StrictStr, AfterValidator(_name)]
Text = Annotated[StrictStr, Field(max_length=80)]
Seed = Annotated[StrictInt, Field(ge=0, lt=LARGEST_NUMBER)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Variant(_Part):
    label: Text = ""
    like: StrictStr | None = None
    """A variant above this one, whose changes this one has too."""
    set: dict[Key, Value] = {}
    reading: Reading = RESULT


class _File(_Part):
    name: Annotated[StrictStr, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")] | None = None
    profile: StrictStr = "demo"
    set: dict[Key, Value] = {}
    settings: Annotated[list[StrictStr], Field(min_length=1)] | None = None
    seeds: Annotated[list[Seed], Field(min_length=1)]
    baseline: StrictStr | None = None
    variants: Annotated[dict[Name, _Variant], Field(min_length=1)] | None = None
    grid: Annotated[dict[Key, Annotated[list[Value], Field(min_length=1)]], Field(min_length=1)] | None = None


def packaged() -> tuple[str, ...]:
    """Names of the studies that come with the project."""
    return tuple(sorted(path.stem for path in PACKAGED.glob("*.yaml")))


def read(name: str, *, given: tuple[str, ...] = (), folder: Path | None = None) -> Study:
    """Read the study in a file, or the packaged study of that name; every trial of it can be run.

    Args:
        name: Path of a YAML file (relative to `folder`), or a name of `packaged`.
        given: Overrides of the command line, `key=value` each.
        folder: Where relative paths start; None: the current folder.

    Raises:
        ConfigError: names the file, the line and the variant, and says what was expected.
    """
    if name in packaged():
        path = PACKAGED / f"{name}.yaml"
    else:
        path = (folder or Path()) / expanded(name)
    if not path.is_file():
        raise ConfigError(
            f"no study {shown(name)}: give the path of a YAML file, or one of those that come with ezhoi: "
            f"{', '.join(packaged())}"
        )
    return _Reader(path, tuple(dotted(given)), folder).study()


class _Reader:
    """A file, its values, and their lines."""

    def __init__(self, path: Path, given: tuple[str, ...], folder: Path | None) -> None:
        self.path, self.given, self.folder = path, given, folder
        self.node = reading.yaml_node(path, error=ConfigError)
        tree = reading.yaml_value(path, error=ConfigError)
        if not isinstance(tree, dict):
            raise ConfigError(f"{path}: expected keys at the top level: {', '.join(_File.model_fields)}")
        if isinstance(tree.get("variants"), dict):  # `plain:` with nothing behind it is the profile as it is
            tree["variants"] = {name: {} if own is None else own for name, own in tree["variants"].items()}
        try:
            self.file = _File.model_validate(tree)
        except ValidationError as error:
            self._refuse(error)

    def study(self) -> Study:
        file = self.file
        for key in ("settings", "seeds"):
            self._demand_once(getattr(file, key) or [], key)
        if (file.variants is None) == (file.grid is None):
            both = file.grid is not None
            self.fail("give either variants or a grid" + (", not both" if both else ""), *(("grid",) if both else ()))
        try:
            load(profile=file.profile, folder=self.folder)
        except ConfigError as error:
            self.fail(str(error), "profile")
        common = _overrides(file.set)
        self._load(common, "set", file.set)
        usual = load(profile=file.profile, overrides=[*common, *self.given], folder=self.folder)
        settings = tuple(file.settings or [usual.setting])
        variants = self._of_grid(file.grid) if file.grid is not None else self._of_list(file.variants or {})
        names = [variant.name for variant in variants]
        baseline = file.baseline or names[0]
        if baseline not in (ABOVE, *names):
            self.fail(f"baseline {parsing.shown(baseline)} is no variant; variants: {', '.join(names)}", "baseline")
        name = file.name or re.sub(r"[^a-z0-9_-]+", "-", self.path.stem.lower()).strip("-")[:40] or "study"
        study = Study(
            name, variants, settings, tuple(file.seeds), file.profile, common, self.given, baseline, self.folder
        )
        self._demand_runnable(study)
        return study

    def _of_list(self, variants: dict[str, _Variant]) -> tuple[Variant, ...]:
        changes: dict[str, dict[str, Any]] = {}
        found = []
        for name, own in variants.items():
            at = ("variants", name)
            if own.like is not None and own.like not in changes:
                known = ", ".join(changes) or "none"
                self.fail(f"is like {parsing.shown(own.like)}, which is no variant above it ({known})", *at, "like")
            changes[name] = {**(changes[own.like] if own.like is not None else {}), **own.set}
            self._load(_overrides(changes[name]), *at, "set", own.set)
            found.append(Variant(name, _overrides(changes[name]), own.label, own.reading))
        return tuple(found)

    def _of_grid(self, grid: dict[str, list[Any]]) -> tuple[Variant, ...]:
        count = math.prod(map(len, grid.values()))
        if count > MOST_TRIALS:
            self.fail(f"makes {count:,} variants, more than the {MOST_TRIALS:,} that a study has", "grid")
        for key, values in grid.items():
            self._demand_once(values, "grid", key)
            for place, value in enumerate(values):
                self._load(_overrides({key: value}), "grid", key, place, {key: value})
        points = [dict(zip(grid, point, strict=True)) for point in itertools.product(*grid.values())]
        return tuple(Variant(", ".join(_overrides(point)), _overrides(point)) for point in points)

    def _demand_runnable(self, study: Study) -> None:
        """Every variant in every setting can be run, and no two variants are the same."""
        count = len(study.variants) * len(study.settings) * len(study.seeds)
        if count > MOST_TRIALS:
            raise ConfigError(f"{self.path}: {count:,} trials are more than the {MOST_TRIALS:,} that a study has")
        same: dict[tuple[Any, ...], str] = {}
        for variant in study.variants:
            at = ("grid",) if self.file.grid is not None else ("variants", variant.name)
            for place, setting in enumerate(study.settings):
                try:
                    config = study.config(Trial(variant, setting, study.seeds[0]))
                except ConfigError as error:
                    self.fail(str(error), *at)
                try:
                    configured.unseen(config)
                except ConfigError as error:
                    self.fail(str(error), "settings", place)
            twin = same.setdefault((config, variant.prefix), variant.name)
            if twin != variant.name:
                self.fail(f"is the same as {shown(twin)}: keep one", *at)

    def _load(self, overrides: tuple[str, ...], *at: Any) -> None:
        """Demand that the profile takes these changes; the error names the first key that it refuses.

        The last part of `at` is {key: value} at this place of the file.
        """
        *place, own = at
        base = () if place == ["set"] else _overrides(self.file.set)
        try:
            load(profile=self.file.profile, overrides=[*base, *overrides], folder=self.folder)
        except ConfigError as error:
            for key, value in own.items():
                try:
                    load(profile=self.file.profile, overrides=_overrides({key: value}), folder=self.folder)
                except ConfigError as first:
                    self.fail(str(first), *place, *(() if place[0] == "grid" else (key,)))
            self.fail(str(error), *place)

    def _demand_once(self, values: list[Any], *at: Any) -> None:
        for place, value in enumerate(values):
            if value in values[:place]:
                self.fail(f"{parsing.shown(value)} is given twice; keep one", *at, place)

    def _refuse(self, error: ValidationError) -> NoReturn:
        """Raise the first fault that pydantic found, in our words."""
        fault = error.errors()[0]
        at = [part for part in fault["loc"] if part != "[key]"]
        if fault["type"] == "missing":
            self.fail(f"no {at[-1]}; give at least one, for example seeds: [0, 1, 2]")
        if fault["type"] == "extra_forbidden":
            known = list((_Variant if at[0] == "variants" else _File).model_fields)
            near = nearest(str(at[-1]), known)
            hint = f"Did you mean {shown(near)}?" if near else f"Keys: {', '.join(known)}"
            self.fail(f"unknown key {parsing.shown(at[-1])}. {hint}", *at)
        if fault["type"] == "too_short":
            self.fail("is empty; give at least one", *at)
        says = _EXPECTED.get(fault["type"], fault["msg"].removeprefix("Value error, "))
        got = "" if fault["type"] == "value_error" else f", got {parsing.shown(fault['input'])}"
        self.fail(f"{says[0].lower()}{says[1:]}{got}", *at)

    def fail(self, says: str, *at: Any) -> NoReturn:
        """Raise ConfigError with the file, the line and the variant of a place, which is given from the top."""
        line, where = _line(self.node, at), [str(self.path)]
        if line:
            where.append(f"line {line}")
        if at[:1] == ("variants",) and len(at) > 1:
            where.append(f"variant {parsing.shown(at[1])}")
        elif at:
            where.append(str(at[0]))
        raise ConfigError(f"{', '.join(where)}: {says}")


def _overrides(changes: dict[str, Any]) -> tuple[str, ...]:
    """`key=value` of each change."""
    return tuple(f"{key}={parsing.yaml_text(value)}" for key, value in changes.items())


def _line(node: yaml.Node | None, at: tuple[Any, ...]) -> int | None:
    """The line of a place in a file, or of the nearest place above it that exists; None for the whole file."""
    line = None
    for part in at:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if str(k.value) == str(part)), None)
            if found is None:
                break
            key, node = found
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
