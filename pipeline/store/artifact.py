"""A published artifact: a folder with a manifest, and safe ways to read its files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError
from pipeline.store.manifest import Manifest

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Artifact:
    """Its folder and its manifest."""

    folder: Path
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

    def path(self, name: str) -> Path:
        """Path of one of its files; DataError if the manifest does not list it."""
        if not any(f.name == name for f in self.manifest.files):
            raise DataError(f"artifact {self.stage}/{self.fingerprint}: has no file {name!r}")
        return self.folder / name

    def names(self, pattern: str = "*") -> list[str]:
        """Names of its files that match, sorted."""
        return sorted(f.name for f in self.manifest.files if fnmatch(f.name, pattern))

    def table(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A Parquet file as a data frame; DataError naming the file if it cannot be read."""
        import pandas as pd

        path = self.path(name)
        try:
            return pd.read_parquet(path, columns=list(columns) if columns else None)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{path}: cannot be read as Parquet ({error}). Run again: it is made anew.") from error

    def tables(self, pattern: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """All Parquet files that match, one after the other in order of name."""
        import pandas as pd

        return pd.concat([self.table(name, columns) for name in self.names(pattern)], ignore_index=True)

    def json(self, name: str) -> Any:
        """A JSON file's value."""
        return json.loads(self.path(name).read_text())
