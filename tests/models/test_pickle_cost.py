"""Pickles that keep whoever reads them busy are refused by their operations; those of checkpoints are not."""

from __future__ import annotations

import argparse
import collections
import contextlib
import io
import pickle
import time
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import pickle_cost, weight_files
from models.pickle_cost import CostlyError, demand_little_work


def nested(depth: int) -> bytes:
    """Operations that make a tuple which holds 10 ** depth values, in 40 bytes a level."""
    level = b"("
    made = b"K\x01"
    for place in range(depth):
        made = made + b"q" + bytes([place]) + b"0" + level + 10 * (b"h" + bytes([place])) + b"t"
    return made


def pickled(operations: bytes) -> bytes:
    return b"\x80\x02" + operations + b"."


AS_KEY = pickled(b"}" + nested(12) + b"K\x01s")
AS_KEYS = pickled(b"}(" + nested(12) + b"K\x01u")
ENCODED = pickled(b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x08\x00\x00\x00punycode\x86R")
FILLED = pickled(b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R")


@pytest.mark.parametrize("operations", [AS_KEY, AS_KEYS, ENCODED, FILLED], ids=["key", "keys", "encode", "bytearray"])
def test_what_takes_long_is_refused_at_once(operations: bytes) -> None:
    before = time.process_time()
    with pytest.raises(CostlyError):
        demand_little_work(operations)
    assert time.process_time() - before < 1


def test_counting_a_long_list_again_and_again_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle_cost, "MOST_WORK", 1_000_000)
    once = b"q\x00(" + 1_000 * b"K\x01" + b"e"
    again = b"ccollections\nCounter\nh\x00\x85R"
    demand_little_work(pickled(b"]" + once + again))
    with pytest.raises(CostlyError, match="more values than any checkpoint has"):
        demand_little_work(pickled(b"]" + once + 1_000 * again))


@pytest.mark.parametrize("operations", [b"", b"(", b"t.", b"s.", b"h\x00.", b"q\x00.", b"0.", b"\xff"])
def test_what_is_no_pickle_is_a_value_error(operations: bytes) -> None:
    with pytest.raises(ValueError):
        demand_little_work(pickled(operations)[:-1] if operations in (b"", b"(") else operations)


@given(st.binary(max_size=60))
def test_whatever_bytes_come_end_in_a_verdict(operations: bytes) -> None:
    with contextlib.suppress(ValueError):
        demand_little_work(operations)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([2, 4]))
def test_plain_values_pass(values: object, protocol: int) -> None:
    file = io.BytesIO(pickle.dumps(values, protocol=protocol) + b"what follows")
    demand_little_work(file)


def training() -> dict[str, object]:
    """What a training saves: weights, moments, schedule, arguments."""
    net = torch.nn.Sequential(*(torch.nn.Linear(8, 8) for _ in range(50)))
    optimiser = torch.optim.AdamW(net.parameters())
    net(torch.zeros(1, 8)).sum().backward()
    optimiser.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, [3, 5])
    return {
        "model": net.state_dict(),
        "optimizer": optimiser.state_dict(),
        "lr_scheduler": {k: v for k, v in schedule.state_dict().items() if not k.startswith("_")},
        "args": argparse.Namespace(lr=0.1, shape=(3, 4), names={"a": [1, 2]}),
        "count": collections.Counter({3: 1, 5: 1}),
    }


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before 1.6"])
def test_a_training_is_read_and_asks_for_little(zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = training()
    torch.save(saved, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    monkeypatch.setattr(pickle_cost, "MOST_WORK", pickle_cost.MOST_WORK // 100)
    found = weight_files.content(tmp_path / "a.pth", plain=[argparse.Namespace])
    assert found["args"] == saved["args"] and found["count"] == saved["count"]
    assert found["model"].keys() == saved["model"].keys()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["zip.pt", "legacy.pt"])
def test_a_crafted_checkpoint_is_refused_by_name(name: str, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, path := tmp_path / name, _use_new_zipfile_serialization=name == "zip.pt")
    if name == "zip.pt":
        with zipfile.ZipFile(path) as source:
            parts = {n: source.read(n) for n in source.namelist()}
        with zipfile.ZipFile(path, "w") as target:
            for part, content in parts.items():
                target.writestr(part, AS_KEY if part.endswith("/data.pkl") else content)
    else:
        content = path.read_bytes()
        with io.BytesIO(content) as file:
            for _ in range(3):
                pickle.load(file)
            path.write_bytes(content[: file.tell()] + AS_KEY)
    with pytest.raises(ValueError, match=rf"{name}: reading it would go through more values than any checkpoint"):
        weight_files.content(path)


def test_a_tensor_that_repeats_one_value_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"a": torch.zeros(1).expand(1 << 20), "b": torch.zeros(4)}, tmp_path / "e.pt")
    assert weight_files.content(tmp_path / "e.pt")["b"].tolist() == [0, 0, 0, 0]
    monkeypatch.setattr(weight_files, "SLACK", 1024)
    with pytest.raises(ValueError, match=r"e\.pt: its tensors have many times the values that it holds"):
        weight_files.content(tmp_path / "e.pt")
