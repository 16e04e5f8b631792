"""What is wrong or doubtful in annotations of the user's, collected so that one reading names it all.

E   a row that cannot be used: reading stops, or leaves it out if it may
W   mended or doubtful, and used
N   a note
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from pipeline.errors import DataError
from pipeline.outside import parsing
from pipeline.outside.escaping import with_halves_told

Level = Literal["E", "W", "N"]
WORDS: dict[Level, str] = {"E": "error", "W": "warning", "N": "note"}
SHOWN = 10
"""How many problems an error lists; it counts the rest."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that was found: where, what, and what became of it."""

    file: str
    where: str
    """Which image, box or relation, as its tool counts them: "annotation 3", "task 2, region bbbx"."""
    what: str
    level: Level
    effect: str
    """What became of it: "left out; relation 2 with it"."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what} ({self.effect})"


@dataclass
class Problems:
    """The problems of one reading, in the order found."""

    file: str
    found: list[Problem] = field(default_factory=list)

    def add(self, level: Level, where: str, what: str, effect: str, *, file: str | None = None) -> None:
        """Add a problem; `file` names the file that it is in, where that is not the file that is read."""
        file, where, what, effect = map(with_halves_told, (file or self.file, where, what, effect))
        self.found.append(Problem(file, where, what, level, effect))

    def of(self, level: Level) -> list[Problem]:
        """The problems of one level."""
        return [problem for problem in self.found if problem.level == level]

    def stop_if_any(self) -> None:
        """Raise DataError with the first errors, if there is any."""
        errors = self.of("E")
        if not errors:
            return
        more = f"\n  and {len(errors) - SHOWN:,} more" if len(errors) > SHOWN else ""
        lines = "".join(f"\n  {problem}" for problem in errors[:SHOWN])
        raise DataError(
            f"{self.file}: {len(errors):,} row{'s' * (len(errors) > 1)} that cannot be used:{lines}{more}\n"
            "Mend them in the tool that wrote the file, or leave them out: `ezhoi data import ... --faults skip`, in a run "
            "--set data.faults=skip. `ezhoi data check` lists them all."
        )

    def count(self) -> dict[Level, int]:
        """How many problems each level has."""
        counts = Counter(problem.level for problem in self.found)
        return {level: counts[level] for level in WORDS}


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint " (hold?)" if a known name is near, else nothing."""
    near = parsing.nearest(name, known, cutoff=0.6)
    return f" ({near}?)" if near else ""


def listed(names: Iterable[str], *, most: int = 5) -> str:
    """The names as a list in a sentence: "6", "6 and 7", "1, 2, 3, 4, 5 and 12 more"."""
    parts = list(names)
    if len(parts) > most:
        return f"{', '.join(parts[:most])} and {len(parts) - most:,} more"
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) if parts else ""
