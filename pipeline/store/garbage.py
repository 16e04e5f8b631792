"""What `ezhoi artifacts gc` removes, and what it never touches.

What stays: what a running run uses or is going to find; what the last complete runs of each profile and zero-shot setting used
(partial ones count among themselves); what somebody marked (`pipeline/store/marks.py`); and, unless they are asked for, results
and trainings, since evaluations, bundles and checkpoints are small beside what they cost. A record that cannot be read, because
it is damaged or of another version, may name any artifact: then nothing is collected.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from pipeline.errors import StoreError
from pipeline.store import marks, moments
from pipeline.store.artifact import Artifact
from pipeline.store.checks import Unusable
from pipeline.store.runs import RunRecord, read
from pipeline.store.store import Store

PRECIOUS = ("seen", "evaluation", "bundle")
"""Stages whose artifacts are removed only when the stage is named."""


@dataclass(frozen=True)
class Garbage:
    """What a collection would remove."""

    artifacts: tuple[Artifact, ...]
    work: tuple[str, ...]
    """Fingerprints of interrupted work."""
    bytes: int
    """The bytes of everything except records and pages of runs."""
    runs: tuple[str, ...]
    """Runs whose record and pages are removed."""
    unusable: tuple[Unusable, ...] = ()
    """Folders that no run can use."""
    leftovers: tuple[str, ...] = ()
    """Paths below the store's root that interrupted deletions left."""
    keep_runs: int = 0
    precious: int = 0
    """How many artifacts stay although no kept run uses them, because they are results or trainings."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not (self.artifacts or self.work or self.runs or self.unusable or self.leftovers)


def garbage(
    store: Store,
    *,
    keep_runs: int,
    work: bool = False,
    stages: Collection[str] = (),
    results: bool = False,
    older_than: dt.timedelta | None = None,
) -> Garbage:
    """Find the artifacts that nobody needs, as the first lines of this module say.

    Args:
        keep_runs: how many complete, and how many partial runs of each profile and setting keep what they used.
        work: also interrupted work, from which a restart would continue; work of a living process is never garbage.
        stages: only artifacts of these stages, results and trainings among them.
        results: also results and trainings of all stages.
        older_than: only what is older than this.

    StoreError if a record cannot be read.
    """
    kept, dropped = _divide(store, keep_runs)
    used, marked = _used(kept), marks.read(store)
    now = dt.datetime.now(dt.UTC)
    unused = [a for a in store.artifacts() if (a.stage, a.fingerprint) not in used and a.fingerprint not in marked]
    if older_than is not None:
        dated = [(a, moments.known(a.manifest.made_at)) for a in unused]
        unused = [a for a, made in dated if made is not None and now - made > older_than]
    going = [a for a in unused if (a.stage in stages if stages else results or a.stage not in PRECIOUS)]
    unusable = [u for u in store.unusable() if u.ours and (u.stage, u.fingerprint) not in used]
    interrupted = store.interrupted() if work else {}
    left = store.leftovers()
    size = sum(a.manifest.bytes for a in going) + sum(u.bytes for u in unusable)
    named = {a.fingerprint for a in store.artifacts() if a not in going}
    return Garbage(
        tuple(going),
        tuple(interrupted),
        size + sum(interrupted.values()) + sum(left.values()),
        tuple(r.id for r in dropped if not stages and not (named & {*r.stages.values()} & _results(r))),
        tuple(unusable),
        tuple(left),
        keep_runs,
        0 if stages or results else len(unused) - len(going),
    )


def _results(record: RunRecord) -> set[str]:
    """Fingerprints of a run's results and trainings: while one of them stays, the record stays, which tells how it was made."""
    return {fingerprint for stage, fingerprint in record.stages.items() if stage in PRECIOUS}


def collect(store: Store, found: Garbage) -> None:
    """Remove it, except what a run has begun to use or somebody has marked since it was found."""
    used, marked = _used(_divide(store, found.keep_runs)[0]), marks.read(store)
    things: tuple[Artifact | Unusable, ...] = (*found.artifacts, *found.unusable)
    for thing in things:
        if (thing.stage, thing.fingerprint) not in used and thing.fingerprint not in marked:
            store.remove(thing)
    for fingerprint in found.work:
        store.drop_interrupted(fingerprint)
    for run in found.runs:
        store.remove_record(f"{run}.json")
        store.remove_pages(run)
    store.drop_leftovers(found.leftovers)


def _divide(store: Store, keep_runs: int) -> tuple[list[RunRecord], list[RunRecord]]:
    """The runs that are kept, and the others."""
    records, unreadable = read(store)
    if unreadable:
        raise StoreError(
            "nothing was removed: what these runs use is not known, so it might be taken from them.\n  "
            + "\n  ".join(unreadable)
            + "\nIf a newer version wrote them, collect with that one. Delete the files that no run needs, then run it again."
        )
    # Runs whose start lies ahead count among themselves: they may be the last ones, and must not be for ever.
    alike: dict[tuple[str, str, bool, bool], list[RunRecord]] = {}
    for record in records:
        dated = moments.known(record.started_at) is not None
        alike.setdefault((record.profile, record.setting, record.complete, dated), []).append(record)
    last = {r.id for found in alike.values() for r in (found[-keep_runs:] if keep_runs else [])}
    kept = [r for r in records if r.id in last or r.running()]
    ids = {r.id for r in kept}
    return kept, [r for r in records if r.id not in ids]


def _used(kept: list[RunRecord]) -> set[tuple[str, str]]:
    """What these runs used, and what those that still run are going to use."""
    used = {(stage, fingerprint) for r in kept for stage, fingerprint in r.stages.items()}
    return used | {(stage, fingerprint) for r in kept if r.running() for stage, fingerprint in r.holds.items()}
