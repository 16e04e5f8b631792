"""The configuration: one frozen tree (`pipeline/config/loading.py` reads it).

Every stage declares which part of this tree it reads (`pipeline/engine/graph.py`); only that part enters its fingerprint.
Keys under a `runtime` heading (and `device`, `store`) say how to compute, never what, so they enter none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import Field, field_validator, model_validator

from models.heads.kinds import KINDS, REGION_COLUMNS, Column
from models.sizes import Scope
from pipeline.config.clip import Clip
from pipeline.config.data import Data
from pipeline.config.detections import Detections
from pipeline.config.evaluation import Evaluation
from pipeline.config.heads import Heads
from pipeline.config.images import Images
from pipeline.config.keys import keys
from pipeline.config.language import Descriptions, Disparities, Llm
from pipeline.config.model import Model, Pairing
from pipeline.config.section import LARGEST_NUMBER, Section
from pipeline.config.sources import Source, sources
from pipeline.config.store import Store
from pipeline.config.training import Seen, Utpl


class Config(Section):
    """Everything a run depends on."""

    profile: str = Field(description="name of the profile from which the values come")
    seed: int = Field(0, ge=0, lt=LARGEST_NUMBER, description="seed of initial weights, batches and detection noise")
    setting: str = Field(
        "rf_uc", description="zero-shot setting, the dataset's or your own (data.settings): which classes are unseen"
    )
    device: str = Field(
        "auto",
        description="'auto', 'cpu', 'cuda' or 'cuda:N'; N counts visible GPUs from 0, in the order of `nvidia-smi`",
    )
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
        if self.clip.tokens != "all" and set(KINDS[self.model.head].reads) & set(REGION_COLUMNS):
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
    def pair_splits(self) -> tuple[str, ...]:
        """The splits whose pairs have features: those of training pairs are made for the stage `utpl` alone."""
        return ("train", "test") if self.utpl_trains else ("test",)

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


@cache
def key_names() -> tuple[str, ...]:
    """Every dotted key of the tree."""
    return tuple(key.name for key in keys(Config))


def _lookup(tree: dict[str, Any], key: str) -> Any:
    for part in key.split("."):
        tree = tree[part]
    return tree


def _without_runtime(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {k: _without_runtime(v) for k, v in value.items() if k != "runtime"}
