"""The configuration: one frozen tree, loaded from a YAML profile, the environment and `--set key=value`, in that order.

Every stage declares which part of this tree it reads (`pipeline/engine/graph.py`); only that part enters its fingerprint.
Keys under a `runtime` heading (and `device`, `store`) say how to compute, never what, so they enter none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from models.heads.kinds import KINDS, REGIONS, Column
from models.sizes import Scope
from pipeline.config import keys as listed
from pipeline.config.data import Clip, Data, Detections, Images, Store
from pipeline.config.evaluation import Evaluation
from pipeline.config.heads import Heads
from pipeline.config.language import Descriptions, Disparities, Llm
from pipeline.config.model import Model, Pairing
from pipeline.config.section import LARGEST_NUMBER, Section, at_home
from pipeline.config.sources import Source, sources
from pipeline.config.training import Seen, Utpl
from pipeline.errors import ConfigError
from pipeline.outside import parsing, reading
from pipeline.outside.addresses import shown_address
from pipeline.outside.parsing import nearest, shown

PROFILES = Path(__file__).parent / "profiles"
ENVIRONMENT_PREFIX = "EZHOI__"


class Config(Section):
    """Everything a run depends on."""

    profile: str = Field(description="name of the profile from which the values come")
    seed: int = Field(0, ge=0, lt=LARGEST_NUMBER, description="seed of initial weights, batches and detection noise")
    setting: str = Field(
        "rf_uc", description="zero-shot setting, the dataset's or your own (data.settings): which classes are unseen"
    )
    device: str = Field("auto", description="'auto', 'cpu', 'cuda' or 'cuda:N'")
    store: Store = Field(default_factory=Store)
    data: Data = Data()
    images: Images = Images()
    detections: Detections = Detections()
    clip: Clip = Clip()
    descriptions: Descriptions = Descriptions()
    disparities: Disparities = Disparities()
    llm: Llm = Llm()
    pairing: Pairing = Pairing()
    model: Model = Model()
    seen: Seen = Seen()
    utpl: Utpl = Utpl()
    heads: Heads = Heads()
    evaluation: Evaluation = Evaluation()

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        if not is_device(value):
            raise ValueError("expected 'auto', 'cpu', 'cuda' or 'cuda:N'")
        return value

    @model_validator(mode="before")
    @classmethod
    def _own_pictures_are_evaluated_exactly(cls, given: object) -> object:
        """There are no published numbers to compare with on one's own pictures, so the exact protocol is the default there."""
        if not (
            isinstance(given, dict) and isinstance(data := given.get("data"), dict) and data.get("source") == "own"
        ):
            return given
        asked = given.get("evaluation", {})
        if not isinstance(asked, dict) or "protocol" in asked:
            return given
        return given | {"evaluation": {"protocol": "exact", **asked}}

    @model_validator(mode="after")
    def _released_as_published(self) -> Self:
        if self.model.preset == "released" and self.clip.tokens == "cls":
            raise ValueError("model.preset = released reads the patches' tokens, which clip.tokens = cls leaves out")
        if self.model.preset == "released" and self.seen.joint:
            raise ValueError("seen.joint trains unseen prompts, which model.preset = released does not have")
        if self.model.preset == "released" and (self.seen.consistency_weight or self.utpl.consistency_weight):
            raise ValueError("consistency_weight holds learned phrases, which model.preset = released does not have")
        return self

    @model_validator(mode="after")
    def _classes_are_added_to_what_takes_them(self) -> Self:
        if self.data.classes is not None and not self.utpl_trains:
            taken = "model.preset = released" if self.model.preset == "released" else "seen.joint"
            raise ValueError(
                f"data.classes adds classes to a model that is trained already, and {taken} has no place for them: leave "
                "one of the two out"
            )
        return self

    @model_validator(mode="after")
    def _store_and_pictures_apart(self) -> Self:
        """All files of a folder of one's own pictures count as data, so a store in it would make its own artifacts stale.

        A folder of pictures in the store's folder, beside the stages, does no harm.
        """
        if self.data.source != "own" or not isinstance(self.store.root, Path):
            return self
        store = Path(os.path.realpath(self.store.root))
        for key, place in (("data.root", self.data.root), ("data.annotations", self.data.annotations)):
            if place is not None and store.is_relative_to(os.path.realpath(place)):
                raise ValueError(
                    f"store.root = {self.store.root} lies in {key} = {place}, whose files all count as data, so that every "
                    "run would make the next one begin anew; choose a store outside of it, --set store.root=FOLDER"
                )
        return self

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        if self.seen.weights is not None and self.seen.init is not None:
            raise ValueError(
                "seen.weights takes the place of training, and seen.init is the start of one; give only one"
            )
        return self

    @model_validator(mode="after")
    def _a_head_has_what_it_reads(self) -> Self:
        if self.model.head == "ezhoi":
            return self
        if not self.utpl_trains:
            taken = "model.preset = released" if self.model.preset == "released" else "seen.joint"
            raise ValueError(
                f"model.head = {self.model.head} is made from cached training pairs, and {taken} makes none"
            )
        if self.clip.tokens != "all" and set(KINDS[self.model.head].reads) & set(REGIONS):
            raise ValueError(
                f"model.head = {self.model.head} reads regions of the frozen CLIP's tokens, which clip.tokens = "
                f"{self.clip.tokens} leaves out"
            )
        return self

    @property
    def remembers(self) -> bool:
        """Whether the report has the row `memory`: it is asked for, and there are training pairs and tokens of patches."""
        return self.evaluation.memory and self.utpl_trains and self.clip.tokens == "all"

    @property
    def pair_columns(self) -> tuple[Column, ...]:
        """The further columns of the record of a pair: those that the head or the row `memory` reads."""
        read = {*KINDS[self.model.head].reads, *(KINDS["memory"].reads if self.remembers else ())}
        return tuple(column for column in get_args(Column) if column in read)

    @property
    def draws_pairs(self) -> bool:
        """Whether training pairs are also cached that match no annotation: a head learns from them what is no interaction."""
        return KINDS[self.model.head].trains and self.model.head != "ezhoi"

    @property
    def utpl_trains(self) -> bool:
        """Whether the stage `utpl` trains: not after joint training, and not under the preset without unseen prompts."""
        return self.model.preset != "released" and not self.seen.joint

    @property
    def scope(self) -> Scope:
        """Which pairs the phrase of an unseen class speaks for: all, as in training, where `utpl` does not train."""
        return self.utpl.scope if self.utpl_trains else "verb"

    @property
    def reads_concepts(self) -> bool:
        """Whether the head reads region concepts, which are made for it alone."""
        return KINDS[self.model.head].concepts

    def subset(self, keys: Sequence[str]) -> dict[str, Any]:
        """The values under dotted `keys` as plain JSON, without any `runtime` section."""
        tree = self.model_dump(mode="json")
        return {key: _without_runtime(_lookup(tree, key)) for key in keys}

    def sources(self) -> dict[str, Source]:
        """{dotted key: what it names outside of the store} of all keys that name something."""
        return dict(sources(self))


def is_device(text: str) -> bool:
    """Whether a text names a device that may be computed on, whether it is there or not."""
    return re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", text) is not None


def profiles() -> tuple[str, ...]:
    """Names of the profiles that come with the project."""
    return tuple(sorted(p.stem for p in PROFILES.glob("*.yaml")))


def load(
    *,
    profile: str = "demo",
    overrides: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Config:
    """Resolve a profile (a name, or the path of a YAML file), `EZHOI__A__B` variables and `a.b=value` overrides.

    `folder` is where relative paths of the configuration start, if it is not the current folder. Raises ConfigError naming
    the key, what was expected and the nearest valid name.
    """
    tree = _read_profile(profile, folder)
    variables = os.environ if environment is None else environment
    _demand_known_variables(variables)
    for name, override in of_environment(variables).items():
        _assign(tree, override, origin=name)
    for override in overrides:
        _assign(tree, override, origin=f"--set {override}")
    tree.setdefault("profile", Path(profile).stem)
    try:
        return Config.model_validate(tree, context={"folder": folder})
    except ValidationError as error:
        raise ConfigError(_explain(error, profile)) from None


def of_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """{variable: the override that it is} of the `EZHOI__A__B` variables, those of this process if none are given."""
    chosen = os.environ if variables is None else variables
    named = {
        name: name.removeprefix(ENVIRONMENT_PREFIX) for name in sorted(chosen) if name.startswith(ENVIRONMENT_PREFIX)
    }
    return {name: f"{rest.lower().replace('__', '.')}={chosen[name]}" for name, rest in named.items()}


def dotted(overrides: Iterable[str]) -> list[str]:
    """The overrides with a single key each: a mapping in braces becomes one override of each key that it names.

    Whoever looks at the key of an override asks for this first. ConfigError for a mapping that names no key.
    """
    found = []
    for override in overrides:
        key, text = _key_and_text(override)
        each = list(_each(key, parsing.yaml_scalar(text), origin=f"--set {override}"))
        whole = [name for name, _ in each] == [key]
        found += [f"{key}={text}"] if whole else [f"{name}={parsing.yaml_text(value)}" for name, value in each]
    return found


def key_of(override: str) -> str:
    """The key of an override that has one (`dotted`)."""
    return _key_and_text(override)[0]


def _key_and_text(override: str) -> tuple[str, str]:
    key, separator, text = override.partition("=")
    if not separator:
        raise ConfigError(f"--set {shown(override)}: expected key=value, for example --set seen.epochs=3")
    return key.strip(), text


def _read_profile(profile: str, folder: Path | None) -> dict[str, Any]:
    path = (
        (folder or Path()) / at_home(profile) if profile.endswith((".yaml", ".yml")) else PROFILES / f"{profile}.yaml"
    )
    if not path.is_file():
        near = nearest(profile, profiles(), cutoff=0.4)
        hint = f" Did you mean {shown(near)}?" if near else ""
        raise ConfigError(
            f"no profile {shown(profile)}.{hint} Profiles: {', '.join(profiles())}; or give a path to a .yaml file."
        )
    tree = reading.yaml_value(path, what=f"profile {path}", error=ConfigError)
    if not isinstance(tree, dict):
        raise ConfigError(f"profile {path}: expected a mapping of sections at the top level")
    return tree


def _demand_known_variables(variables: Mapping[str, str]) -> None:
    """ConfigError for a variable that means a key and sets none: EZHOI_SEED has an underscore too few, ezhoi__seed is small."""
    meant = {_letters(key): key for key in keys()}
    for name in variables:
        start, rest = name[: len("EZHOI_")].upper(), name[len("EZHOI_") :]
        if start == "EZHOI_" and not name.startswith(ENVIRONMENT_PREFIX) and (key := meant.get(_letters(rest))):
            if key == "profile":
                raise ConfigError(f"{name} sets nothing: a profile is chosen by its name or its file, with --profile")
            right = ENVIRONMENT_PREFIX + key.upper().replace(".", "__")
            raise ConfigError(f"{name} sets nothing: the variable of the key {key} is {right}")


def _letters(name: str) -> str:
    """A key or a variable's name without what separates its parts."""
    return re.sub(r"[._]", "", name).lower()


def _assign(tree: dict[str, Any], override: str, *, origin: str) -> None:
    """Set what an override names; numbers, booleans, null, lists and quoted texts are read as YAML, all else as it is."""
    key, text = _key_and_text(override)
    if key == "profile":
        raise ConfigError(f"{origin}: a profile is chosen by its name or its file, with --profile")
    for name, value in _each(key, parsing.yaml_scalar(text), origin=origin):
        _put(tree, name, value, origin=origin)


def _each(key: str, value: Any, *, origin: str) -> Iterator[tuple[str, Any]]:
    """Each key that a value sets: its own, or those of a section that a mapping names; the others stay as they are."""
    if not isinstance(value, dict) or not any(known.startswith(f"{key}.") for known in keys()):
        yield key, value
        return
    if not value:
        raise ConfigError(f"{origin}: {shown(key)} is a section, and the braces name no key of it")
    for name, inner in value.items():
        yield from _each(f"{key}.{name}", inner, origin=origin)


def _put(tree: dict[str, Any], key: str, value: Any, *, origin: str) -> None:
    node, parts = tree, key.split(".")
    for part in parts[:-1]:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            raise ConfigError(f"{origin}: {shown(part)} is a value, not a section")
    node[parts[-1]] = value


def _lookup(tree: dict[str, Any], key: str) -> Any:
    for part in key.split("."):
        tree = tree[part]
    return tree


def _without_runtime(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {k: _without_runtime(v) for k, v in value.items() if k != "runtime"}


def keys() -> list[str]:
    """Every dotted key of the tree."""
    return [key.name for key in listed.keys(Config)]


def _as_written(value: Any) -> str:
    """A value as YAML writes it, shortened and without secrets."""
    return "null" if value is None else shown_address(shown(value))


def _explain(error: ValidationError, profile: str) -> str:
    lines = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            valid = keys()
            sections = sorted({k[:i] for k in valid for i, c in enumerate(k) if c == "."})
            near = nearest(key, valid + sections)
            same_leaf = [k for k in valid if k.split(".")[-1] == key.split(".")[-1]]
            guess = near or (same_leaf[0] if same_leaf else None)
            lines.append(
                f"unknown key {shown(key)}."
                + (f" Did you mean {shown(guess)}?" if guess else f" Sections: {', '.join(Config.model_fields)}")
            )
        else:
            says, value = fault["msg"].removeprefix("Value error, "), fault["input"]
            if fault["type"] in ("model_type", "model_attributes_type", "dataclass_type"):
                inside = next((k for k in keys() if k.startswith(f"{key}.")), f"{key}.KEY")
                says = f"is a section and takes no value; set a key of it, such as {inside}"
            got = "" if isinstance(value, dict | BaseModel) else f", got {_as_written(value)}"
            lines.append((f"key {shown(key)}: {says[0].lower()}{says[1:]}" if key else says) + got)
    return f"configuration of profile {shown(profile)}:\n  " + "\n  ".join(lines)
