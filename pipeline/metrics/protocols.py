"""The evaluation protocols that published HICO-DET numbers follow.

The same detections score up to 0.4 mAP apart (0.9 on rare classes) under different public evaluators, so a number
means little without the protocol's name. All share the matching of :mod:`pipeline.metrics.matching`, continuous box
coordinates, and stable ties (score descending, then image, then row of the detection).

============ ========= ================================ ====================
name         overlap   images without any annotation    average precision
============ ========= ================================ ====================
``official`` >= 0.5    kept: detections there are wrong ``tenths``
``upt``      > 0.5     left out                         ``linspace``
``exact``    >= 0.5    kept                             ``exact``
``area``     >= 0.5    kept                             ``all_points``
============ ========= ================================ ====================

``official`` is HO-RCNN's MATLAB code; ``upt`` is the loop of UPT, ADA-CM and EZ-HOI; ``exact`` is the official protocol
without its rounding of recall levels; ``area`` replaces its eleven points by the area under the curve.
"""

import difflib
from dataclasses import dataclass

from pipeline.metrics.average_precision import RULES, Rule


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """One way to evaluate: everything that public evaluators disagree about.

    Raises:
        ValueError: the rule is unknown or the threshold lies outside (0, 1].
    """

    name: str
    rule: Rule
    """How average precision is read off, see :mod:`pipeline.metrics.average_precision`."""
    threshold: float = 0.5
    """Overlap that a true positive needs."""
    strict: bool = False
    """Whether the overlap must exceed the threshold rather than reach it."""
    drop_empty_images: bool = False
    """Whether detections in images without any annotation (of whatever class) are left out."""

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"protocol {self.name!r}: unknown rule {self.rule!r}, use one of {', '.join(RULES)}")
        if not 0.0 < self.threshold <= 1.0:
            raise ValueError(f"protocol {self.name!r}: threshold {self.threshold} is outside (0, 1]")


OFFICIAL = Protocol(name="official", rule="tenths")
UPT = Protocol(name="upt", rule="linspace", strict=True, drop_empty_images=True)
EXACT = Protocol(name="exact", rule="exact")
AREA = Protocol(name="area", rule="all_points")

PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (OFFICIAL, UPT, EXACT, AREA)}


def protocol_named(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        ValueError: no protocol is called that; the message names all and the nearest.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    near = difflib.get_close_matches(name.lower(), PROTOCOLS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown evaluation protocol {name!r}: use one of {', '.join(PROTOCOLS)}{hint}")
