"""Tensors on disk: the same content is the same bytes, whatever order safetensors writes its texts in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from pipeline.tables.tensors import save_tensors

ABOUT = {
    "sizes": '{"a": 1}',
    "labels": '["Straße", "\u007f\t\u0001\\"\\\\/", "\u2028😀"]',
    "notes": "",
    "calibration": "null",
}
TENSORS = {"b": torch.arange(6.0).reshape(2, 3).T, "a": torch.tensor([1, 2], dtype=torch.int64), "c": torch.zeros(0)}


def test_the_same_content_has_the_same_bytes_and_is_read_back(tmp_path: Path) -> None:
    """Several times: what is written in any order is in the same one by chance."""
    contents = set()
    for number in range(12):
        save_tensors(path := tmp_path / f"{number}.safetensors", TENSORS, ABOUT)
        contents.add(path.read_bytes())
    assert len(contents) == 1
    with safe_open(tmp_path / "0.safetensors", framework="pt") as file:
        assert file.metadata() == ABOUT and sorted(file.keys()) == ["a", "b", "c"]
        assert all(torch.equal(file.get_tensor(name), value) for name, value in TENSORS.items())


@pytest.mark.parametrize("about", [None, {}, {"one": "text"}])
def test_fewer_texts_have_no_order(about: dict[str, str] | None, tmp_path: Path) -> None:
    save_tensors(path := tmp_path / "x.safetensors", TENSORS, about)
    with safe_open(path, framework="pt") as file:
        assert (file.metadata() or {}) == (about or {})
