"""The moments that artifacts and records of runs state, and their order where a clock was wrong.

A moment that lies ahead tells only that a clock is wrong, this machine's or its writer's. It counts as older than every other
one: as the newest, it would be chosen until the clocks have come to it.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import AfterValidator

AHEAD = dt.timedelta(days=1)
"""How far the clocks of two machines may be apart; a clock that shows local time as UTC is up to 14 hours ahead."""


def _moment(text: str) -> str:
    dt.datetime.fromisoformat(text)
    return text


Moment = Annotated[str, AfterValidator(_moment)]
"""A date and time in ISO 8601."""


def known(text: str) -> dt.datetime | None:
    """The moment, UTC where it states no zone; None if it lies ahead, or is no moment at all."""
    try:
        found = dt.datetime.fromisoformat(text)
        found = (found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
    return None if found - dt.datetime.now(dt.UTC) > AHEAD else found


def order(text: str) -> tuple[bool, str]:
    """A key that sorts moments from the oldest to the newest; those of which nothing is known come first."""
    found = known(text)
    return (False, text) if found is None else (True, found.isoformat(timespec="microseconds"))
