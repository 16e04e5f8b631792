"""The precision of a pass, torch's own or a reduced one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import torch  # which the configuration, that names precisions, must not wait for

Precision: TypeAlias = Literal["fp32", "tf32", "bf16"]
"""fp32: as torch has it by default; tf32: matrix products and convolutions of a GPU in TF32, which a CPU does not have;
bf16: those in bfloat16, and the rest in fp32 (torch.autocast)."""


@contextmanager
def computing_in(precision: Precision, device: torch.device) -> Iterator[None]:
    """Compute a forward pass on a device in this precision; the caller converts a result in bf16 to fp32."""
    import torch

    with tf32(precision == "tf32"), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        yield


@contextmanager
def tf32(wanted: bool) -> Iterator[None]:
    """Have GPUs compute fp32 in TF32, backward passes included; where it is not wanted, nothing is changed."""
    import torch

    if not wanted:
        yield
        return
    products, convolutions = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = products, convolutions
