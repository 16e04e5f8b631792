"""A stored head, ready to score."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from models.heads.head import FittedHead, fitted
from models.heads.kinds import HeadName
from pipeline.errors import DataError


def restored(name: HeadName, state: Mapping[str, Tensor], *, origin: str) -> FittedHead | None:
    """The head of a state as stage `utpl` stores it; None for `ezhoi`, of which the texts are stored instead.

    Args:
        origin: how errors name the file that the state is from.

    Raises:
        DataError: the tensors are not those of such a head.
    """
    if name == "ezhoi":
        return None
    try:
        return fitted(name).restored(state).eval().requires_grad_(False)
    except (KeyError, ValueError, TypeError, RuntimeError, IndexError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(f"{origin}: its tensors are not those of a head {name!r} ({said[0]})") from None
