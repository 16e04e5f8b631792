"""A pass in another precision: what torch is told, and that it is told no longer afterwards."""

import pytest
import torch

from models.precision import Precision, computing_in, tf32

CPU = torch.device("cpu")


def flags() -> tuple[bool, bool]:
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.mark.parametrize(
    ("precision", "kind"), [("fp32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_products_are_computed_in_the_precision(precision: Precision, kind: torch.dtype) -> None:
    before, ones = flags(), torch.ones(4, 4)
    with computing_in(precision, CPU):
        assert (ones @ ones).dtype == kind
        assert flags() == ((True, True) if precision == "tf32" else before)
    assert flags() == before and (ones @ ones).dtype == torch.float32


def test_tf32_ends_with_an_error_too() -> None:
    before = flags()
    with pytest.raises(ZeroDivisionError), tf32(True):
        assert flags() == (True, True)
        raise ZeroDivisionError
    assert flags() == before
