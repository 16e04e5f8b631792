"""Copies to the device; a stand-in tells what a GPU would be asked for, and `tests/gpu` asks a real one."""

from types import SimpleNamespace
from typing import Any

import torch

from models.transfer import stacked, to_device

CPU = torch.device("cpu")


class Sent:
    """A tensor of the host that notes what is done with it."""

    def __init__(self, *done: str) -> None:
        self.done, self.device = done, CPU

    def pin_memory(self) -> "Sent":
        return Sent(*self.done, "pinned")

    def to(self, device: Any, *, non_blocking: bool = False) -> "Sent":
        return Sent(*self.done, "at once" if non_blocking else "waited for")


def test_a_gpu_is_sent_pinned_memory_and_nobody_waits() -> None:
    gpu: Any = SimpleNamespace(type="cuda")
    sent: Any = Sent()
    assert to_device(sent, gpu).done == ("pinned", "at once")
    sent.device = gpu
    assert to_device(sent, gpu).done == ("waited for",), "what lies on a device is not pinned"
    assert to_device(Sent(), CPU).done == ("waited for",)  # type: ignore[arg-type]


def test_values_arrive_as_they_were() -> None:
    batch = torch.arange(24.0).reshape(4, 3, 2)
    assert to_device(batch, CPU) is batch
    torch.testing.assert_close(stacked(list(batch), CPU), batch, rtol=0, atol=0)
