"""An artifact of stage `vocabulary` for tests of stages that read one."""

from pathlib import Path

from pipeline.config.loading import load
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.engine import graph
from pipeline.store import digest
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import Manifest
from pipeline.store.store import describe_files
from pipeline.vocabulary import file, settings
from pipeline.vocabulary.vocabulary import Vocabulary


def artifact(folder: Path, words: Vocabulary = HICO) -> Artifact:
    """What the stage makes of a vocabulary, in a folder that is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    file.write(folder / "vocabulary.json", words)
    file.write_objects(folder / "objects.json", words)
    settings.write(folder / "settings.json", {"default": frozenset()})
    settings.write(folder / "own_settings.json", {})
    files = describe_files(folder)
    return Artifact(
        folder,
        Manifest(
            stage="vocabulary", version=graph.stage("vocabulary").version, fingerprint="0" * 32,
            digest=digest.of_files((f.name, f.digest) for f in files), config={}, sources={}, inputs=(), files=files,
            metrics={}, seconds={}, made_at="", host="", device="cpu", packages={}, seed=load(environment={}).seed,
            git_commit=None, git_dirty=None, code="",
        ),
    )  # fmt: skip
