from __future__ import annotations

from typing import Any

from pipeline.engine.run import run
from pipeline.store import compare
from pipeline.store.store import Store


def test_flatten() -> None:
    assert compare.flatten({"a": {"b": 1, "c": {"d": [2]}}, "e.f": None}) == {"a.b": 1, "a.c.d": [2], "e.f": None}


def test_what_is_asked_differs_in_version_keys_and_files_and_a_side_without_a_key_shows_a_dash(fake: Any) -> None:
    made = run(fake.config(), targets=("annotations",))["annotations"].artifact.manifest
    made = made.model_copy(
        update={"config": {"a": {"b": 1}, "c": 2, "f": "x"}, "sources": {"f": "1" * 32, "g": "2" * 32}}
    )
    asked = {"config": {"a": {"b": 3}, "d": None, "f": "y"}, "sources": {"f": "3" * 32, "g": "2" * 32}}
    found = compare.with_asked(made, version=made.version + 1, **asked)
    expected = [
        ("version", made.stage),
        ("config", "a.b"),
        ("config", "c"),
        ("config", "d"),
        ("config", "f"),
        ("source", "f"),
    ]
    assert [(d.kind, d.name) for d in found] == expected
    assert [(d.old, d.new) for d in found[1:4]] == [("1", "3"), ("2", "-"), ("-", "None")]
    assert compare.with_asked(made, version=made.version, config=made.config, sources=made.sources) == []


def test_of_a_file_its_content_tells_more_than_that_it_is_named() -> None:
    kinds: list[tuple[compare.Kind, str]] = [
        ("config", "edits"),
        ("config", "seed"),
        ("source", "edits"),
        ("input", "edits"),
    ]
    found = compare.telling([compare.Difference(kind, name, "1", "2") for kind, name in kinds])
    assert [(d.kind, d.name) for d in found] == kinds[1:]


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
