"""The configuration: one frozen tree, loaded from a YAML profile, the environment and `--set key=value`, in that order.

Every stage declares which part of this tree it reads (`pipeline/graph.py`); only that part enters its fingerprint.
Keys under a `runtime` heading (and `device`, `store`) say how to compute, never what, so they enter none.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from pipeline.errors import ConfigError

PROFILES = Path(__file__).parent / "profiles"
ENVIRONMENT_PREFIX = "EZHOI__"
Setting = Literal["rf_uc", "nf_uc", "uo", "uv", "default"]


class Section(BaseModel):
    """A part of the tree: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Store(Section):
    root: Path = Field(Path("artifacts"), description="folder of the artifact store")


class World(Section):
    """The rendered world (`pipeline/world`)."""

    train_images: PositiveInt = Field(1200, description="scenes of the training split")
    test_images: PositiveInt = Field(600, description="scenes of the test split")
    style: Literal["flat", "outlined"] = Field(
        "outlined", description="drawing style; the tiny CLIP learned from 'flat'"
    )


class Data(Section):
    source: Literal["world", "hico"] = Field("world", description="the rendered world, or HICO-DET on disk")
    root: Path | None = Field(None, description="folder of HICO-DET (source: hico)")
    world: World = World()


class Detections(Section):
    """Boxes, labels and scores of every image."""

    source: Literal["noisy_truth", "ground_truth", "parquet"] = Field(
        "noisy_truth", description="annotated boxes with a detector's errors, annotated boxes, or an imported table"
    )
    path: Path | None = Field(None, description="the table to import (source: parquet)")
    jitter: float = Field(0.06, ge=0, le=0.5, description="noisy_truth: std of an edge's shift, in box sizes")
    miss: float = Field(0.05, ge=0, lt=1, description="noisy_truth: probability that a box is missed")
    false_boxes: float = Field(0.6, ge=0, description="noisy_truth: mean number of false boxes an image")


class Clip(Section):
    """The frozen vision-language model, an open_clip architecture."""

    architecture: str = Field(
        "tiny", description="'tiny' (the project's own) or an open_clip name such as ViT-B-16-quickgelu"
    )
    weights: str = Field(
        "tiny", description="'tiny', an open_clip pretrained tag such as 'openai', or a checkpoint file"
    )
    image_size: PositiveInt = Field(112, description="pixels of the squared input image")


class Descriptions(Section):
    source: Literal["lexicon", "llm"] = Field(
        "lexicon", description="the project's visual lexicon, or a language model"
    )
    template: str = Field("describe-v1", description="prompt template (pipeline/llm/templates), source: llm")
    edits: Path | None = Field(None, description="YAML file of 'verb object: text' that replaces single descriptions")


class Disparities(Section):
    source: Literal["lexicon", "llm"] = Field("lexicon", description="where 'how does it differ' comes from")
    template: str = Field("contrast-v1", description="wording (lexicon) or prompt (llm) template of the disparities")


class LlmRuntime(Section):
    base_url: str = Field("http://127.0.0.1:8000/v1", description="OpenAI-compatible endpoint")
    api_key_env: str = Field(
        "EZHOI_LLM_API_KEY", description="environment variable that holds the key, if one is needed"
    )
    concurrency: PositiveInt = Field(32, description="requests in flight")
    timeout_s: PositiveFloat = Field(120.0, description="seconds a request may take")
    retries: PositiveInt = Field(6, description="tries on 429, 5xx, timeouts and dropped connections")


class Llm(Section):
    """The language model of `source: llm`."""

    model: str = Field("llava-hf/llava-1.5-7b-hf", description="model id as the server names it")
    temperature: float = Field(0.2, ge=0)
    top_p: float = Field(0.9, gt=0, le=1)
    max_tokens: PositiveInt = 160
    seed: int = Field(
        0,
        ge=0,
        description="seed of a class's first asking, each further one adds 1; change it to have everything asked anew",
    )
    attempts: PositiveInt = Field(
        3, description="askings per class, each with a new seed, until the answer passes the gate"
    )
    runtime: LlmRuntime = LlmRuntime()


class Pairing(Section):
    """Which detections become instances, and so pairs."""

    score_threshold: float = Field(0.2, ge=0, lt=1)
    nms: float = Field(0.5, gt=0, le=1, description="IoU above which the lower-scored box of a class goes")
    min_instances: PositiveInt = Field(3, description="kept humans (and objects) an image at least")
    max_instances: PositiveInt = Field(15, description="kept humans (and objects) an image at most")


class Model(Section):
    """EZ-HOI's learned parts; names as in the paper."""

    prompts: PositiveInt = Field(2, description="p, prompt tokens a layer")
    layers: PositiveInt = Field(9, description="N, prompted layers of each tower")
    bottleneck: PositiveInt = Field(64, description="width of every adapter's bottleneck")
    heads: PositiveInt = Field(2, description="attention heads in a bottleneck")
    guidance: Literal["pooled", "sentence", "token"] = Field("pooled", description="F_txt of Eq. 2")
    roi_size: PositiveInt = Field(7, description="RoI-Align output, pixels a side")
    logit_scale: PositiveFloat = Field(20.0, description="start of the learned scale of the cosine logits")
    phrases_per_verb: PositiveInt = Field(2, description="least similar phrases kept a verb (Eq. 12)")


class Optimiser(Section):
    lr: PositiveFloat = 1e-3
    weight_decay: float = Field(1e-4, ge=0)
    clip_norm: PositiveFloat = 0.1


class Focal(Section):
    """Eq. 13."""

    alpha: float = Field(0.5, gt=0, lt=1)
    gamma: float = Field(0.2, ge=0)


class TrainRuntime(Section):
    checkpoint_every: PositiveInt = Field(50, description="steps between checkpoints")


class Seen(Section):
    """Training on the seen classes."""

    epochs: PositiveInt = 12
    drop_after: PositiveInt = Field(10, description="epoch after which the learning rate is a tenth")
    batch_size: PositiveInt = Field(16, description="images a step")
    optimiser: Optimiser = Optimiser()
    focal: Focal = Focal()
    relation_weight: float = Field(150.0, ge=0, description="alpha of the class-relation loss (Eq. 16)")
    relation_temperature: PositiveFloat = 0.1
    tau: PositiveFloat = Field(1.0, description="power of the detection prior in training")
    flip: bool = Field(True, description="mirror half of the images")
    runtime: TrainRuntime = TrainRuntime()


class Utpl(Section):
    """Unseen-class trainable prompt learning: text only."""

    steps: PositiveInt = 400
    batch_size: PositiveInt = Field(256, description="cached seen pairs a step")
    optimiser: Optimiser = Optimiser()
    align_weight: float = Field(1.0, ge=0)
    relation_weight: float = Field(50.0, ge=0)
    relation_temperature: PositiveFloat = 0.1
    negative_weight: float = Field(0.1, ge=0, description="weight of negative learning")
    runtime: TrainRuntime = TrainRuntime()


class Evaluation(Section):
    protocol: Literal["official", "upt", "exact", "area"] = "official"
    tau: PositiveFloat = Field(2.8, description="power of the detection prior at test")


class Config(Section):
    """Everything a run depends on."""

    profile: str
    seed: int = Field(0, ge=0, description="seed of initial weights, batches and detection noise")
    setting: Setting = Field("rf_uc", description="zero-shot setting: which classes are unseen")
    device: str = Field("auto", description="'auto', 'cpu', 'cuda' or 'cuda:N'")
    store: Store = Store()
    data: Data = Data()
    detections: Detections = Detections()
    clip: Clip = Clip()
    descriptions: Descriptions = Descriptions()
    disparities: Disparities = Disparities()
    llm: Llm = Llm()
    pairing: Pairing = Pairing()
    model: Model = Model()
    seen: Seen = Seen()
    utpl: Utpl = Utpl()
    evaluation: Evaluation = Evaluation()

    def subset(self, keys: Sequence[str]) -> dict[str, Any]:
        """The values under dotted `keys` as plain JSON, without any `runtime` section."""
        return {key: _without_runtime(_lookup(self.model_dump(mode="json"), key)) for key in keys}


def profiles() -> tuple[str, ...]:
    """Names of the profiles that come with the project."""
    return tuple(sorted(p.stem for p in PROFILES.glob("*.yaml")))


def load(
    *, profile: str = "demo", overrides: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Config:
    """Resolve a profile (a name, or the path of a YAML file), `EZHOI__A__B` variables and `a.b=value` overrides.

    Raises ConfigError naming the key, what was expected and the nearest valid name.
    """
    tree = _read_profile(profile)
    for name, value in sorted((os.environ if environment is None else environment).items()):
        if name.startswith(ENVIRONMENT_PREFIX):
            _assign(tree, name.removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", "."), value, origin=name)
    for override in overrides:
        key, separator, value = override.partition("=")
        if not separator:
            raise ConfigError(f"--set {override!r}: expected key=value, for example --set seen.epochs=3")
        _assign(tree, key.strip(), value, origin=f"--set {override}")
    tree.setdefault("profile", Path(profile).stem)
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_explain(error, profile)) from None


def _read_profile(profile: str) -> dict[str, Any]:
    path = Path(profile) if profile.endswith((".yaml", ".yml")) else PROFILES / f"{profile}.yaml"
    if not path.is_file():
        near = difflib.get_close_matches(profile, profiles(), n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"no profile {profile!r}.{hint} Profiles: {', '.join(profiles())}; or give a path to a .yaml file."
        )
    try:
        tree = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError(f"profile {path}: not valid YAML: {error}") from None
    if not isinstance(tree, dict):
        raise ConfigError(f"profile {path}: expected a mapping of sections at the top level")
    return tree


def _assign(tree: dict[str, Any], key: str, value: str, *, origin: str) -> None:
    """Set a dotted key; the value is read as YAML, so numbers, booleans, null and lists work."""
    node, parts = tree, key.split(".")
    for part in parts[:-1]:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            raise ConfigError(f"{origin}: {part!r} is a value, not a section")
    try:
        node[parts[-1]] = yaml.safe_load(value) if value else ""
    except yaml.YAMLError:
        node[parts[-1]] = value


def _lookup(tree: dict[str, Any], key: str) -> Any:
    for part in key.split("."):
        tree = tree[part]
    return tree


def _without_runtime(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {k: _without_runtime(v) for k, v in value.items() if k != "runtime"}


def keys(section: type[BaseModel] = Config, prefix: str = "") -> list[str]:
    """Every dotted key of the tree."""
    found = []
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += keys(kind, f"{prefix}{name}.")
        else:
            found.append(f"{prefix}{name}")
    return found


def _explain(error: ValidationError, profile: str) -> str:
    lines = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            valid = keys()
            sections = sorted({k[:i] for k in valid for i, c in enumerate(k) if c == "."})
            near = difflib.get_close_matches(key, valid + sections, n=1, cutoff=0.5)
            same_leaf = [k for k in valid if k.split(".")[-1] == key.split(".")[-1]]
            guess = near[0] if near else (same_leaf[0] if same_leaf else None)
            lines.append(
                f"unknown key {key!r}."
                + (f" Did you mean {guess!r}?" if guess else f" Sections: {', '.join(Config.model_fields)}")
            )
        else:
            lines.append(f"key {key!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}, got {fault['input']!r}")
    return f"configuration of profile {profile!r}:\n  " + "\n  ".join(lines)
