"""Configuration of the artifact store."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from pipeline.config.section import Here, Place, Section


class Store(Section):
    root: Place = Field(
        Path("artifacts"), description="the artifact store: a folder, or an address such as s3://bucket/prefix"
    )
    cache: Here = Field(
        Path("~/.cache/ezhoi"), description="local copies of what was read from an object store; may be deleted"
    )
