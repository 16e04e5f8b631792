from __future__ import annotations

from typing import Any

from pipeline.engine.run import run
from pipeline.store import compare
from pipeline.store.store import Store


def test_flatten() -> None:
    assert compare.flatten({"a": {"b": 1, "c": {"d": [2]}}, "e.f": None}) == {"a.b": 1, "a.c.d": [2], "e.f": None}


def test_config_differences_show_what_a_side_lacks() -> None:
    found = compare.config({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "d": None})
    assert [(d.name, d.old, d.new) for d in found] == [("a.b", "1", "3"), ("c", "2", "-"), ("d", "-", "None")]


def test_two_artifacts_of_a_stage(fake: Any) -> None:
    one = run(fake.config(), targets=("detections",))["detections"].artifact
    two = run(fake.config("seed=3", "data.world.test_images=5"), targets=("detections",))["detections"].artifact
    found = compare.manifests(one.manifest, two.manifest, Store(fake.root))
    assert [(d.kind, d.name) for d in found] == [("config", "seed"), ("input", "annotations")]
    assert str(found[0]) == "seed: 0 -> 3"
    assert compare.files(one.manifest, two.manifest) == one.names()


def test_code_and_packages(fake: Any) -> None:
    one = run(fake.config(), targets=("annotations",))["annotations"].artifact.manifest
    update = {"code": "f" * 32, "packages": one.packages | {"torch": "9.9"}, "version": one.version + 1}
    found = compare.manifests(one, one.model_copy(update=update), Store(fake.root))
    assert [d.kind for d in found] == ["version", "code", "packages"]
    assert str(found[2]).endswith("-> 9.9")


def test_nothing_differs(fake: Any) -> None:
    one = run(fake.config(), targets=("annotations",))["annotations"].artifact.manifest
    assert compare.manifests(one, one, Store(fake.root)) == [] and compare.files(one, one) == []
