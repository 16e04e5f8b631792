"""The stages as an enumeration: the choices of the run form and of the command line."""

from __future__ import annotations

from enum import StrEnum


class StageName(StrEnum):
    """The names of `pipeline.engine.graph.STAGES`, in running order."""

    vocabulary = "vocabulary"
    annotations = "annotations"
    detections = "detections"
    descriptions = "descriptions"
    text_embeddings = "text_embeddings"
    image_embeddings = "image_embeddings"
    disparities = "disparities"
    seen = "seen"
    pair_features = "pair_features"
    utpl = "utpl"
    untrained = "untrained"
    predictions = "predictions"
    evaluation = "evaluation"
    bundle = "bundle"
