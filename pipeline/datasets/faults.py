"""What is wrong in an annotation file, collected row by row, so that one reading reports everything."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import DataError

SHOWN = 5


@dataclass(frozen=True)
class Fault:
    """One row that cannot be used: where it is and what is wrong with it."""

    file: str
    row: str
    what: str

    def __str__(self) -> str:
        return f"{self.row}: {self.what}"


@dataclass
class Faults:
    """The faults of one file, in the order found. Rows with a fault are left out of the tables."""

    file: Path
    found: list[Fault] = field(default_factory=list)

    def add(self, row: str, what: str) -> None:
        """Note that a row cannot be used."""
        self.found.append(Fault(str(self.file), row, what))

    def stop_if_any(self) -> None:
        """DataError with the first faults; nothing if there is none."""
        if not self.found:
            return
        more = f"\n  and {len(self.found) - SHOWN} more" if len(self.found) > SHOWN else ""
        lines = "".join(f"\n  {fault}" for fault in self.found[:SHOWN])
        raise DataError(
            f"{self.file}: {len(self.found)} faulty row{'s' * (len(self.found) > 1)}:{lines}{more}\n"
            "Mend them, or leave them out with --set data.faults=skip. `ezhoi data check` lists what else is wrong."
        )
