"""A stage's artifact that a run uses without computing it, and how it was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.store import moments
from pipeline.store.artifact import Artifact

How = Literal["pinned", "exact", "newest", "recorded"]


@dataclass(frozen=True)
class Choice:
    """A stage's artifact that was chosen and not computed."""

    artifact: Artifact
    how: How
    """pinned: by the user; exact: what the configuration asks for; newest: that fits; recorded: the choice was made from it."""
    differs: tuple[str, ...] = ()
    """How it differs from what the configuration asks for."""

    def __str__(self) -> str:
        says = {
            "pinned": "as pinned",
            "exact": "what the configuration asks for",
            "newest": "the newest that fits",
            "recorded": "what the artifact chosen downstream was made from",
        }[self.how]
        differs = f"; it differs: {', '.join(self.differs)}" if self.differs else ""
        moment = self.artifact.manifest.made_at
        ahead = "" if moments.known(moment) else ", ahead of this machine's clock: others may be newer"
        return f"{self.artifact.stage}: uses {name_of(self.artifact)}, {says} (made {moment[:16]}{ahead}){differs}"


def name_of(artifact: Artifact) -> str:
    """The name of an artifact for people, such as `seen/3f2a9c0d1e5b`."""
    return f"{artifact.stage}/{artifact.fingerprint[:12]}"
