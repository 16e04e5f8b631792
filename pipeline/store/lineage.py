"""What an artifact was made from, as far as the store still has it.

A fingerprint alone does not tell: an artifact that was made again (by force, or because it was damaged) has the same one, and
a training on a GPU does not give the same numbers twice. So a recorded input is the artifact of its fingerprint only as long
as that has the content that was read.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.store import digest
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import InputRecord
from pipeline.store.store import Store


def has(artifact: Artifact, record: InputRecord) -> bool:
    """Whether the artifact has the content that was read: it is the recorded one, or was made again with the same content."""
    return artifact.stage == record.stage and artifact.manifest.part_digest(record.part) == record.digest


def source(record: InputRecord, store: Store) -> Artifact | None:
    """The artifact of an input; None if it was removed, or made again with other content."""
    found = store.get(record.stage, record.fingerprint)
    return found if found is not None and has(found, record) else None


def gone(record: InputRecord, store: Store) -> str:
    """Why there is no `source`, as the words behind the artifact's name."""
    there = store.get(record.stage, record.fingerprint)
    return "removed since" if there is None else "made again since, with other content"


def upstream(artifact: Artifact, store: Store) -> dict[str, Artifact]:
    """The artifact and all that it was made from, {stage: artifact}, in order of making."""
    found: dict[str, Artifact] = {}
    pending = [artifact]
    while pending:
        made = pending.pop(0)
        if made.stage not in found:
            found[made.stage] = made
            sources = [source(record, store) for record in made.manifest.inputs]
            pending += [each for each in sources if each is not None]
    return dict(reversed(found.items()))


def made_of(artifact: Artifact, beside: Mapping[str, Artifact], store: Store, *, but: str) -> str:
    """A digest of the stages' versions, configuration and files that it was made of, down to the root.

    Unlike its fingerprint it is the same for artifacts that differ only in the key `but` and in what numbers came out. An
    input whose artifact is not in the store any more counts by its content, so with its numbers.

    Arguments:
        beside: the artifacts of the run; an input with their content counts as one of them, whichever it was.
    """
    known: dict[tuple[str, str], str] = {}

    def of(made: Artifact) -> str:
        name = made.stage, made.fingerprint
        if name not in known:
            manifest, inputs = made.manifest, []
            for record in manifest.inputs:
                found = beside.get(record.stage)
                if found is None or not has(found, record):
                    found = source(record, store)
                inputs.append([record.stage, list(record.part), record.digest if found is None else of(found)])
            config = {key: value for key, value in manifest.config.items() if key != but}
            known[name] = digest.of_value([*name[:1], manifest.version, config, manifest.sources, inputs])
        return known[name]

    return of(artifact)
