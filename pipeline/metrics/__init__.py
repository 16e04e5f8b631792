"""Evaluation of human-object interaction detections: :func:`evaluate`, :func:`summarise` and the protocols."""

from pipeline.metrics.evaluation import evaluate, known_object_images, summarise
from pipeline.metrics.protocols import AREA, EXACT, OFFICIAL, PROTOCOLS, UPT, Protocol, protocol_named

__all__ = [
    "AREA",
    "EXACT",
    "OFFICIAL",
    "PROTOCOLS",
    "UPT",
    "Protocol",
    "evaluate",
    "known_object_images",
    "protocol_named",
    "summarise",
]
