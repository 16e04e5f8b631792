"""The history of a training as JSON lines, one for each step, readable while it runs (`tail -f history.jsonl`).

{"step": 41, "loss": 1.93, "focal": 1.21, "relation": 0.72, "gradient_norm": 3.1, "lr": 0.001,
 "seconds": {"data": 0.0, "forward": 0.07, "backward": 0.06}}
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.machine.files import atomic
from pipeline.outside import reading

Row = dict[str, Any]
KINDS = ("data", "forward", "backward")
"""How a step spends its time: waiting for its batch; computing losses; computing gradients and stepping the optimiser."""


class History:
    """The rows of the steps so far, in memory and in a file.

    Args:
        path: the file, or None to keep rows in memory only.
        steps: the number of steps of the checkpoint; later lines, of steps that a kill undid, are dropped.

    Raises:
        DataError: the file lacks some of those steps.
    """

    def __init__(self, path: Path | None, *, steps: int = 0) -> None:
        self._path = path
        self.steps: list[Row] = []
        self._hash = _hash([])
        if path is None:
            return
        if steps:
            self.steps = _read(path, steps)
        self._hash = _hash(self.steps)
        with atomic(path) as temporary:
            temporary.write_text("".join(_line(row) for row in self.steps), encoding="utf-8")

    def add(self, row: Row) -> None:
        """Add the row of a step, which is in the file when this returns."""
        self.steps.append(row)
        self._hash.update(_line(row).encode())
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_line(row))

    @property
    def digest(self) -> str:
        """The digest of the steps so far, by which `intact` recognises them."""
        return self._hash.hexdigest()

    def sync(self) -> None:
        """Bring the rows to the disk, which is necessary before a checkpoint says that these steps are done."""
        if self._path is not None:
            with self._path.open("rb") as file:
                os.fsync(file.fileno())

    @property
    def rows(self) -> list[Row]:
        """The rows without their times, so that two equal trainings have equal rows."""
        return [{k: v for k, v in row.items() if k != "seconds"} for row in self.steps]

    def speed(self, per_step: float | None = None) -> dict[str, float]:
        """Steps and items (`per_step` in each) per second, and the shares of data, forward and backward in percent.

        The first steps, which fill caches, do not count if there are enough others.
        """
        rows = self.steps[5:] if len(self.steps) > 10 else self.steps
        spent = {kind: sum(row["seconds"][kind] for row in rows) for kind in KINDS}
        total = sum(spent.values())
        if not total:
            return {}
        found = {"steps_per_second": round(len(rows) / total, 3)}
        if per_step is not None:
            found["images_per_second"] = round(per_step * len(rows) / total, 2)
        return found | {f"{kind}_percent": round(100 * value / total, 1) for kind, value in spent.items()}


def intact(path: Path, *, steps: int, digest: str) -> bool:
    """Whether the file of a history still has its first `steps` steps as they were when their digest was taken."""
    try:
        return _hash(_read(path, steps)).hexdigest() == digest
    except DataError:
        return False


def _hash(rows: Iterable[Row]) -> hashlib.blake2b:
    return hashlib.blake2b("".join(map(_line, rows)).encode(), digest_size=16)


def _line(row: Row) -> str:
    return json.dumps(row) + "\n"


def _read(path: Path, steps: int) -> list[Row]:
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[:steps]]
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: cannot be read ({reading.why(error)}). Delete its folder: the training starts anew."
        ) from error
    if len(rows) < steps:
        raise DataError(
            f"{path}: has {len(rows)} steps, but the checkpoint beside it {steps}. "
            "Delete its folder: the training starts anew."
        )
    return rows
