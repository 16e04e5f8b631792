"""Protocols: what each stands for, and its errors."""

import dataclasses

import pytest

from pipeline.metrics import PROTOCOLS, Protocol, protocol_named


def test_the_named_ones():
    rules = {name: (p.threshold, p.strict, p.drop_empty_images, p.rule) for name, p in PROTOCOLS.items()}
    assert rules == {
        "official": (0.5, False, False, "tenths"),
        "upt": (0.5, True, True, "linspace"),
        "exact": (0.5, False, False, "exact"),
        "area": (0.5, False, False, "all_points"),
    }
    assert all(protocol_named(name) is protocol for name, protocol in PROTOCOLS.items())


@pytest.mark.parametrize(("name", "hint"), [("Offical", "did you mean 'official'"), ("coco", "official, upt, exact")])
def test_unknown_name(name, hint):
    with pytest.raises(ValueError, match=hint):
        protocol_named(name)


def test_protocols_are_checked_and_frozen():
    with pytest.raises(ValueError, match="protocol 'mine': unknown rule 'voc'"):
        Protocol(name="mine", rule="voc")
    with pytest.raises(ValueError, match="protocol 'mine': threshold 50"):
        Protocol(name="mine", rule="exact", threshold=50)
    with pytest.raises(dataclasses.FrozenInstanceError):
        PROTOCOLS["upt"].strict = False
