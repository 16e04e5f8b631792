"""What changed between a run and the one that it is compared with, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.metrics.means import MAIN
from pipeline.store import compare, moments
from pipeline.store.artifact import Artifact
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store


@dataclass(frozen=True)
class Changes:
    """The changes since a run: `stages` has one or more lines for every stage that has another artifact now."""

    previous: RunRecord
    stages: Mapping[str, tuple[str, ...]]


def since(previous: RunRecord | None, artifacts: Mapping[str, Artifact], store: Store) -> Changes | None:
    """The changes since the run `previous`; None if there is none."""
    if previous is None:
        return None
    found = {name: _stage(previous, artifact, store) for name, artifact in artifacts.items()}
    return Changes(previous, {name: lines for name, lines in found.items() if lines})


def _stage(previous: RunRecord, artifact: Artifact, store: Store) -> tuple[str, ...]:
    before = previous.stages.get(artifact.stage)
    if before == artifact.fingerprint:
        made, then = map(moments.known, (artifact.manifest.made_at, previous.saved_at or previous.started_at))
        again = made is not None and then is not None and made > then
        return ("made again from the same inputs after that run: by force, or because it was damaged",) if again else ()
    if before is None:
        return ("that run did not make it",)
    old = store.get(artifact.stage, before)
    if old is None:
        return (f"another artifact than {before[:12]}, which was removed since",)
    lines = [str(d) for d in compare.telling(compare.manifests(old.manifest, artifact.manifest, store))]
    if old.digest == artifact.digest:
        lines.append("its content is the same, so nothing after it had to run")
    for group in MAIN if artifact.stage == "evaluation" else ():
        a, b = old.manifest.metrics.get(group), artifact.manifest.metrics.get(group)
        if isinstance(a, int | float) and isinstance(b, int | float):
            lines.append(f"mAP {group}: {a:.2f} -> {b:.2f} ({b - a:+.2f})")
    return tuple(lines)
