"""Both variants of the released code's recorded run, and what "equal" means for each."""

from __future__ import annotations

from typing import Any

import pytest
from released_parity import Parity, parity_of
from torch import Tensor


@pytest.fixture(params=["nohalf", "ref"])
def parity(request: Any) -> Parity:
    return parity_of(request.param)


@pytest.fixture
def near(parity: Parity) -> Any:
    """Asserts that a tensor is the released one, relative to its largest entry: 1e-5 in fp32, 1e-3 through fp16."""
    usual = 1e-5 if parity.variant == "nohalf" else 1e-3

    def check(found: Tensor, expected: Tensor, tolerance: float = usual) -> None:
        assert found.shape == expected.shape
        error = (found.detach() - expected).abs().max() / expected.abs().max().clamp(min=1e-30)
        assert error <= tolerance, f"{float(error):.2e} relative"

    return check
