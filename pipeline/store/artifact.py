"""A published artifact: its manifest, and safe ways to its files. Nobody else needs to know where these lie."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError
from pipeline.outside import reading
from pipeline.store.manifest import Manifest
from pipeline.store.names import in_order

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Artifact:
    """An artifact: its manifest, and the folder on this machine in which its files are or will be.

    The folder is private, because a file of an object store is there only after it was asked for: use `path`, `table`,
    `tables`, `json` and `fetched`.
    """

    _folder: Path
    manifest: Manifest

    @property
    def stage(self) -> str:
        return self.manifest.stage

    @property
    def fingerprint(self) -> str:
        return self.manifest.fingerprint

    @property
    def digest(self) -> str:
        return self.manifest.digest

    @property
    def place(self) -> str:
        """Its place as people read it: a folder or an address."""
        return str(self._folder)

    def path(self, name: str) -> Path:
        """The path of one of its files; DataError if the manifest does not list it, or if it is gone."""
        path = self._listed(name)
        if not path.exists():
            raise DataError(f"{path}: missing. Run again: it is made anew.")
        return path

    def fetched(self, *names: str) -> Path:
        """The folder with these files (all if none is named), for code that reads whole folders.

        Only these files are surely there, so nothing else in the folder may be read.
        """
        for name in names or self.names():
            self.path(name)
        return self._folder

    def names(self, pattern: str = "*") -> list[str]:
        """The names of its files that match, sorted; numbered ones by their number."""
        return sorted((f.name for f in self.manifest.files if fnmatch(f.name, pattern)), key=in_order)

    def table(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A Parquet file as a data frame; DataError naming the file if it cannot be read."""
        import pandas as pd

        path = self.path(name)
        try:
            return pd.read_parquet(path, columns=list(columns) if columns else None)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"{path}: cannot be read as Parquet ({reading.why(error)}). Run again: it is made anew."
            ) from error

    def tables(self, pattern: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """All Parquet files that match, one after the other, in the order of `names`; DataError if none does."""
        import pandas as pd

        names = self.names(pattern)
        if not names:
            raise DataError(f"artifact {self.stage}/{self.fingerprint}: has no file {pattern}")
        return pd.concat([self.table(name, columns) for name in names], ignore_index=True)

    def json(self, name: str) -> Any:
        """A JSON file's value; DataError naming the file if it cannot be read."""
        path = self.path(name)
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(
                f"{path}: cannot be read as JSON ({reading.why(error)}). Run again: it is made anew."
            ) from error

    def _listed(self, name: str) -> Path:
        if not any(f.name == name for f in self.manifest.files):
            raise DataError(f"artifact {self.stage}/{self.fingerprint}: has no file {name!r}")
        return self._folder / name
