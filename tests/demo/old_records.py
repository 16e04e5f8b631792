"""Records of runs as earlier versions wrote them, and what tests of records and of the clean-up begin with."""

from __future__ import annotations

import json
from typing import Any

from pipeline.engine.graph import stage
from pipeline.engine.run import Run
from pipeline.store.artifact import Artifact
from pipeline.store.store import Store

ID = "20260131T120000-0a1b2c"
OLD = {
    "id": ID,
    "profile": "demo",
    "started_at": "2026-01-31T12:00:00+00:00",
    "stages": {"seen": "0a" * 16},
    "hits": [],
    "state": "completed",
    "deployment": "",
    "flow_run": "",
}
"""A record as earlier versions wrote it."""


def annotated(run: Run) -> Artifact:
    """The annotations, made in a run that has got that far."""
    run.step(stage("vocabulary"))
    return run.step(stage("annotations")).artifact


def put(store: Store, content: Any, name: str = f"{ID}.json") -> None:
    store.write_record(name, content if isinstance(content, str) else json.dumps(content))
