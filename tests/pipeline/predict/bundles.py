"""A bundle by hand: a stable of three classes, with random tensors of no model."""

from typing import Any

import torch

from models.sizes import Sizes
from pipeline.config.model import Pairing
from pipeline.predict.bundle import Bundle, ClipIdentity, Detector, Header, Measured
from pipeline.vocabulary.vocabulary import Object, Verb, Vocabulary, hoi

VERBS = (Verb("ride", "riding"), Verb("walk", "walking"), Verb("no_interaction", "no_interaction", idle=True))
OBJECTS = (Object("person", 1), Object("horse", 19), Object("dog", 18), Object("forklift"))
CLASSES = ((3, 0, 1), (8, 1, 2), (9, 2, 2))
VOCABULARY = Vocabulary(
    "stable", VERBS, OBJECTS, tuple(hoi(h, verb, thing, VERBS[verb], OBJECTS[thing]) for h, verb, thing in CLASSES)
)


def header(**changed: Any) -> Header:
    """The header of a model of the rendered world's kind."""
    values: dict[str, Any] = {
        "made_with": "0.1.0",
        "dataset": "world",
        "training_pairs": 12,
        "setting": "uv",
        "unseen": (8,),
        "preset": "paper",
        "sizes": Sizes(prompts=2, layers=3, bottleneck=8, heads=2, roi_size=7, logit_scale=20.0),
        "scope": "own_object",
        "scale": 20.0,
        "tau": 2.8,
        "pairing": Pairing(),
        "clip": ClipIdentity(
            architecture="tiny",
            weights="tiny",
            kind="packaged",
            digest="abc",
            image_size=112,
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
            resize="squash",
            tokens="all",
        ),
        "detector": Detector(source="ground_truth", name="ground_truth", note="annotated boxes; no detector was run"),
        "measured": Measured(protocol="official", means={"full": 12.5, "unseen": None}, images=4, annotated_pairs=9),
        "made_from": {"seen": "d1"},
        "vocabulary": {"format": "ezhoi-vocabulary/1", **VOCABULARY.as_json()},
    }
    return Header.model_validate(values | changed)


def bundle(**changed: Any) -> Bundle:
    """A bundle with this header and its tensors: two phrases, features of width 4."""
    tensors = {
        "model.logit_scale": torch.tensor(20.0),
        "text.hoi_id": torch.tensor([3, 8]),
        "text.before": torch.eye(2, 4),
        "text.after": torch.eye(2, 4),
        "objects": torch.zeros(4, 4),
    }
    return Bundle(header(), tensors | changed)
