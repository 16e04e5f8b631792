"""Protocols: what each stands for, and its errors."""

import dataclasses

import pytest

from pipeline.metrics.protocols import PROTOCOLS, PairNms, Protocol, protocol_named, with_switches


def test_the_named_ones():
    rules = {
        name: (p.threshold, p.strict, p.drop_empty_images, p.rule, p.boxes, p.top_k) for name, p in PROTOCOLS.items()
    }
    assert rules == {
        "official": (0.5, False, False, "tenths", "continuous", None),
        "upt": (0.5, True, True, "linspace", "continuous", None),
        "qpic": (0.5, False, True, "tenths", "qpic", 100),
        "consnet": (0.5, False, False, "exact", "raw", None),
        "exact": (0.5, False, False, "exact", "continuous", None),
        "area": (0.5, False, False, "all_points", "continuous", None),
    }
    assert all((p.ties, p.nms) == ("image", None) for p in PROTOCOLS.values())
    assert all(protocol_named(name) is protocol for name, protocol in PROTOCOLS.items())


@pytest.mark.parametrize(
    ("name", "hint"), [("Offical", "did you mean 'official'"), ("coco", "official, upt, qpic, consnet, exact")]
)
def test_unknown_name(name, hint):
    with pytest.raises(ValueError, match=hint):
        protocol_named(name)


def test_protocols_are_checked_and_frozen():
    with pytest.raises(ValueError, match="protocol 'mine': unknown rule 'voc'"):
        Protocol(name="mine", rule="voc")
    with pytest.raises(ValueError, match="protocol 'mine': threshold 50"):
        Protocol(name="mine", rule="exact", threshold=50)
    with pytest.raises(ValueError, match="unknown ties 'random', use one of image, row"):
        Protocol(name="mine", rule="exact", ties="random")
    with pytest.raises(ValueError, match="top_k 0, at least 1"):
        Protocol(name="mine", rule="exact", top_k=0)
    with pytest.raises(ValueError, match="pair NMS: threshold"):
        PairNms(threshold=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        PROTOCOLS["upt"].strict = False


def test_a_switch_is_given_once():
    changed = with_switches(PROTOCOLS["official"], ["top_k=5", "ties=best"])
    assert (changed.top_k, changed.ties, changed.name) == (5, "best", "official+top_k=5+ties=best")
    with pytest.raises(ValueError, match="switch top_k is given twice; keep one"):
        with_switches(PROTOCOLS["official"], ["top_k=5", "top_k=6"])
