"""The evaluation protocols that published HICO-DET numbers follow, as named sets of explicit switches.

The same detections score up to 0.4 mAP apart (0.9 on rare classes) under different public evaluators, so a number
means little without the protocol's name. All share the matching of :mod:`pipeline.metrics.matching`.

============ ========= ============ ============== ============ ====== ==========================================
name         overlap   empty images boxes          recall       top-k  follows
============ ========= ============ ============== ============ ====== ==========================================
``official`` >= 0.5    kept         ``continuous`` ``tenths``   none   HO-RCNN's MATLAB code
``upt``      > 0.5     left out     ``continuous`` ``linspace`` none   UPT, ADA-CM, EZ-HOI (library ``pocket``)
``qpic``     >= 0.5    left out     ``qpic``       ``tenths``   100    QPIC and most one-stage detectors
``consnet``  >= 0.5    kept         ``raw``        ``exact``    none   ConsNet
``exact``    >= 0.5    kept         ``continuous`` ``exact``    none   nobody: the official rules without rounding
``area``     >= 0.5    kept         ``continuous`` all points   none   nobody: the area under the curve
============ ========= ============ ============== ============ ====== ==========================================

Annotations and detections come in continuous pixels (a HICO-DET pixel box ``[x1, y1, x2, y2]`` is
``[x1 - 1, y1 - 1, x2, y2]``). ``boxes`` says what an evaluator made of them: ``continuous`` nothing; ``qpic`` compares
1-based inclusive annotations with continuous detections, adding a pixel to every width, so they lie one pixel apart;
``raw`` compares inclusive annotations as if they were continuous.

Ties in score go by image, then by row. Two public programs leave them to an unstable sort; ``best`` and ``worst`` bound
what any order could give.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias, get_args

from pipeline.metrics.average_precision import RULES, Rule
from pipeline.outside.parsing import nearest, shown

Boxes: TypeAlias = Literal["continuous", "qpic", "raw"]
Ties: TypeAlias = Literal["image", "row", "row_reversed", "best", "worst"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PairNms:
    """Suppression of near-duplicate pairs of one class, as CDN does it before evaluation.

    A pair is dropped if a better one of its image and class overlaps it so that
    ``human_iou ** human_power * object_iou ** object_power > threshold``.
    """

    threshold: float = 0.7
    human_power: float = 1.0
    object_power: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold <= 1.0 or self.human_power < 0 or self.object_power < 0:
            raise ValueError(
                f"pair NMS: threshold {self.threshold}, human_power {self.human_power}, object_power {self.object_power}: "
                "a threshold in (0, 1] and powers of at least 0 are needed"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """One way to evaluate: everything that public evaluators disagree about.

    Raises:
        ValueError: a switch has a value that it cannot have.
    """

    name: str
    rule: Rule
    """How average precision is computed, see :mod:`pipeline.metrics.average_precision`."""
    threshold: float = 0.5
    """The overlap that a true positive needs."""
    strict: bool = False
    """Whether the overlap must exceed the threshold rather than reach it."""
    drop_empty_images: bool = False
    """Whether detections in images without any annotation (of whatever class) are left out."""
    boxes: Boxes = "continuous"
    """How the evaluator interprets coordinates."""
    ties: Ties = "image"
    """What comes first among equal scores of a class: the lower image (then row), the first or last row of the table, or
    the true positives (``best``) or false ones (``worst``)."""
    top_k: int | None = None
    """How many detections of an image count, the best scores of all classes together; None: all."""
    nms: PairNms | None = None
    """Suppression of near-duplicates, after ``top_k``; None: none."""

    def __post_init__(self) -> None:
        for field, known in (("rule", RULES), ("boxes", get_args(Boxes)), ("ties", get_args(Ties))):
            if (value := getattr(self, field)) not in known:
                raise ValueError(
                    f"protocol {shown(self.name)}: unknown {field} {shown(value)}, use one of {', '.join(known)}"
                )
        if not 0.0 < self.threshold <= 1.0:
            raise ValueError(f"protocol {shown(self.name)}: threshold {self.threshold} is outside (0, 1]")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"protocol {shown(self.name)}: top_k {self.top_k}, at least 1 or None is needed")


OFFICIAL = Protocol(name="official", rule="tenths")
UPT = Protocol(name="upt", rule="linspace", strict=True, drop_empty_images=True)
QPIC = Protocol(name="qpic", rule="tenths", drop_empty_images=True, boxes="qpic", top_k=100)
CONSNET = Protocol(name="consnet", rule="exact", boxes="raw")
EXACT = Protocol(name="exact", rule="exact")
AREA = Protocol(name="area", rule="all_points")

PROTOCOLS: dict[str, Protocol] = {p.name: p for p in (OFFICIAL, UPT, QPIC, CONSNET, EXACT, AREA)}


def protocol_named(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        ValueError: no protocol is called that; the message names all and the nearest.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    near = nearest(name.lower(), PROTOCOLS, cutoff=0.6)
    hint = f"; did you mean {shown(near)}?" if near else ""
    raise ValueError(f"unknown evaluation protocol {shown(name)}: use one of {', '.join(PROTOCOLS)}{hint}")


def with_switches(protocol: Protocol, switches: Iterable[str]) -> Protocol:
    """The protocol with some rules changed, and a name that says so.

    Arguments:
        switches: such as ``top_k=100``, ``strict=true``, ``nms=0.7`` (threshold of pair NMS) or ``nms=none``.

    Raises:
        ValueError: a switch or its value is not valid.
    """
    known = [field.name for field in fields(Protocol) if field.name != "name"]
    changed: dict[str, Any] = {}
    for switch in switches:
        key, equals, text = switch.partition("=")
        if key not in known or not equals:
            raise ValueError(f"switch {shown(switch)}: use KEY=VALUE with one of {', '.join(known)}")
        if key in changed:
            raise ValueError(f"switch {key} is given twice; keep one")
        changed[key] = _switch_value(key, text)
    if not changed:
        return protocol
    return replace(protocol, **changed, name="+".join([protocol.name, *switches]))


def _switch_value(key: str, text: str) -> Any:
    if key in ("strict", "drop_empty_images"):
        if text not in ("true", "false"):
            raise ValueError(f"switch {key}={text}: true or false is needed")
        return text == "true"
    if key in ("top_k", "nms", "threshold"):
        if text == "none" and key != "threshold":
            return None
        try:
            number = int(text) if key == "top_k" else float(text)
        except ValueError:
            raise ValueError(f"switch {key}={text}: a number is needed") from None
        return PairNms(threshold=number) if key == "nms" else number
    return text
