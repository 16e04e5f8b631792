"""Why the artifacts of two runs differ, down to the root.

An artifact changes because a stage read another configuration, another file, or ran other code; or because an input changed.
The former are causes; the latter only passes them on. So the causes of a difference are the configuration, files and code
that differ between the stages, without their inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.engine.graph import NAMES
from pipeline.errors import DataError
from pipeline.store import compare, lineage
from pipeline.store.artifact import Artifact
from pipeline.store.compare import Difference
from pipeline.store.store import Store
from pipeline.texts import comparison
from pipeline.texts.comparison import Changed

LISTED = 4
"""How many classes a line names; it counts the rest."""
TOGETHER = 3
"""The number of stages from which on one line tells that the code of all of them differs."""
EDITS = "descriptions.edits"


@dataclass(frozen=True)
class Cause:
    """One difference in what a stage reads and, where it concerns descriptions, the texts that differ by it."""

    stage: str
    difference: Difference
    texts: tuple[Changed, ...] = ()

    def __str__(self) -> str:
        said = str(self.difference)
        if self.difference.kind in ("version", "code"):
            return f"{self.stage}: {said}"
        if not self.texts:
            return said
        names = [changed.name for changed in self.texts]
        shown = ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
        return f"{self.difference.name}: {shown}" if self.difference.kind == "source" else f"{said} ({shown})"


@dataclass(frozen=True)
class Move:
    """An unseen class that has another nearest seen class now, with the similarities of the descriptions."""

    name: str
    old: str
    new: str
    old_similarity: float
    new_similarity: float

    def __str__(self) -> str:
        return f"{self.name}: {self.old} ({self.old_similarity:.3f}) -> {self.new} ({self.new_similarity:.3f})"


@dataclass(frozen=True)
class Causes:
    """The differences in what the stages read, in running order, and the stages whose content differs by them."""

    found: tuple[Cause, ...] = ()
    changed: tuple[str, ...] = ()
    """Stages whose content differs."""
    unknown: tuple[str, ...] = ()
    """Stages of which one artifact is gone, so that nothing is known about them."""
    moves: tuple[Move, ...] = ()
    """Unseen classes that are compared with, and learn from, another seen class now."""

    @property
    def gone(self) -> list[str]:
        """A line that names the stages about which nothing is known, if there are any."""
        return [f"not known of {', '.join(self.unknown)}: an artifact was removed"] if self.unknown else []

    @property
    def lines(self) -> list[str]:
        """The causes in words, a line for each."""
        code = [cause for cause in self.found if cause.difference.kind == "code"]
        lines = [str(cause) for cause in self.found if cause not in code or len(code) < TOGETHER]
        if len(code) >= TOGETHER:
            notes = sorted({cause.difference.note for cause in code if cause.difference.note})
            note = f" ({', '.join(notes)})" if notes else ""
            lines.append(f"code of {', '.join(cause.stage for cause in code)}{note}")
        lines += self.gone
        lines += [f"nearest seen class of {move}" for move in self.moves[:LISTED]]
        if len(self.moves) > LISTED:
            lines.append(f"and of {len(self.moves) - LISTED} more unseen classes")
        return lines or ["nothing: both were made from the same things"]


def between(before: Mapping[str, Artifact | None], after: Mapping[str, Artifact | None], store: Store) -> Causes:
    """The causes of the differences between two sets of artifacts, {stage: artifact or None where it is gone}."""
    found: list[Cause] = []
    changed, unknown = [], []
    seen: set[tuple[str, str, str, str]] = set()
    for stage in NAMES:
        if stage not in before or stage not in after:
            continue
        old, new = before[stage], after[stage]
        if old is None or new is None:
            unknown.append(stage)
            continue
        if old.digest != new.digest:
            changed.append(stage)
        if old.fingerprint == new.fingerprint:
            continue
        texts: tuple[Changed, ...] = ()
        if stage == "descriptions" and old.digest != new.digest:
            texts = tuple(comparison.changed(old, new, comparison.embeddings(old, new, store)))
        differences = compare.telling(compare.manifests(old.manifest, new.manifest, store))
        for difference in differences:
            key = (difference.kind, difference.name, difference.old, difference.new)
            if difference.kind in ("input", "packages") or key in seen:
                continue
            seen.add(key)
            if difference.kind != "code" or old.digest != new.digest:
                found.append(Cause(stage, difference, _texts_by(difference, differences, texts)))
    return Causes(tuple(_chosen(found)), tuple(changed), tuple(unknown), moves(before, after))


def _chosen(found: Sequence[Cause]) -> list[Cause]:
    """The causes without keys that only one side read because another key, which stays, has another value there."""
    values = [{cause.difference.old, cause.difference.new} for cause in found if cause.difference.kind == "config"]
    if all(compare.UNREAD in pair for pair in values):
        return list(found)
    return [
        c for c in found if c.difference.kind != "config" or compare.UNREAD not in (c.difference.old, c.difference.new)
    ]


def _texts_by(
    difference: Difference, differences: Sequence[Difference], texts: tuple[Changed, ...]
) -> tuple[Changed, ...]:
    """The texts that one of the differences explains: edited texts belong to the edits, the others to the rest."""
    if difference.kind == "code":
        return ()
    if EDITS not in {other.name for other in differences}:
        return texts
    edited = difference.name == EDITS
    return tuple(t for t in texts if ("edit" in (t.old_source, t.new_source)) == edited)


def moves(before: Mapping[str, Artifact | None], after: Mapping[str, Artifact | None]) -> tuple[Move, ...]:
    """The unseen classes of both whose nearest seen class changed, in order of class; none where one artifact does not tell."""
    old, new, named = before.get("disparities"), after.get("disparities"), after.get("descriptions")
    if old is None or new is None or named is None or old.digest == new.digest:
        return ()
    try:
        partners, called = [comparison.partners(artifact) for artifact in (old, new)], comparison.names(named)
    except DataError:  # of an earlier version, or damaged since: no reason for a run to end without an answer
        return ()
    found = []
    for hoi_id in sorted(partners[0].keys() & partners[1].keys() & called.keys()):
        (one, before_it), (other, now) = (partner[hoi_id] for partner in partners)
        if one != other:
            found.append(Move(called[hoi_id], called.get(one, "?"), called.get(other, "?"), before_it, now))
    return tuple(found)


def of_runs(before: Mapping[str, str], after: Mapping[str, str], store: Store) -> Causes:
    """The causes of differences between the artifacts of two runs, {stage: fingerprint}."""
    old, new = ({stage: store.get(stage, name) for stage, name in stages.items()} for stages in (before, after))
    return between(old, new, store)


def of_artifacts(old: Artifact, new: Artifact, store: Store) -> Causes:
    """The causes of differences between two artifacts of a stage and all that each was made from."""
    return between(lineage.upstream(old, store), lineage.upstream(new, store), store)
