"""Evaluation of human-object interaction detections: :func:`evaluate`, :func:`summarise` and the protocols."""

from pipeline.metrics.evaluation import evaluate
from pipeline.metrics.known_objects import known_object_images
from pipeline.metrics.protocols import AREA, CONSNET, EXACT, OFFICIAL, PROTOCOLS, QPIC, UPT, Protocol, protocol_named
from pipeline.metrics.summary import summarise

__all__ = [
    "AREA",
    "CONSNET",
    "EXACT",
    "OFFICIAL",
    "PROTOCOLS",
    "QPIC",
    "UPT",
    "Protocol",
    "evaluate",
    "known_object_images",
    "protocol_named",
    "summarise",
]
