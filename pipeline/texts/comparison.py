"""What changed between two `descriptions` artifacts: the texts, how similar they are, and the nearest seen classes.

Similarities are cosines of CLIP's embeddings. They are not computed here but taken from `text_embeddings` artifacts that
were made from the descriptions; where one of the two has none in the store, they are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.store import compare, moments
from pipeline.store.artifact import Artifact
from pipeline.store.store import Store

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """Description embeddings of one artifact: by class, unit length, and which classes are seen."""

    seen: Mapping[int, np.ndarray]
    unseen: Mapping[int, np.ndarray]
    made_by: str
    """The text_embeddings artifact with its CLIP and setting, for people to read."""

    def nearest_seen(self, hoi_id: int) -> tuple[int, float]:
        """The seen class with the most similar description (Eq. 4) and that similarity."""
        mine = self.unseen[hoi_id]
        return max(((other, float(mine @ row)) for other, row in self.seen.items()), key=lambda pair: pair[1])

    def __getitem__(self, hoi_id: int) -> np.ndarray:
        return self.seen[hoi_id] if hoi_id in self.seen else self.unseen[hoi_id]


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A class whose text changed; a text is empty where one artifact lacks the class."""

    hoi_id: int
    name: str
    old: str
    new: str
    old_source: str
    new_source: str
    similarity: float | None
    """Similarity of the new text to the old one."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """An unseen class whose nearest seen class changed, with its similarity to each."""

    hoi_id: int
    old: int
    new: int
    old_similarity: float
    new_similarity: float


def changed(old: Artifact, new: Artifact, embedded: tuple[Embedded, Embedded] | None) -> list[Changed]:
    """The classes whose texts differ, in order of class."""
    before, after = _texts(old), _texts(new)
    called = {**names(old), **names(new)}
    found = []
    for hoi_id in sorted(before.keys() | after.keys()):
        (a, a_source), (b, b_source) = before.get(hoi_id, ("", "-")), after.get(hoi_id, ("", "-"))
        if a == b:
            continue
        similarity = float(embedded[0][hoi_id] @ embedded[1][hoi_id]) if embedded and a and b else None
        found.append(
            Changed(
                hoi_id=hoi_id,
                name=called[hoi_id],
                old=a,
                new=b,
                old_source=a_source,
                new_source=b_source,
                similarity=similarity,
            )
        )
    return found


def moved(embedded: tuple[Embedded, Embedded]) -> list[Moved]:
    """The classes, unseen in both, whose nearest seen class is another one now."""
    old, new = embedded
    found = []
    for hoi_id in sorted(old.unseen.keys() & new.unseen.keys()):
        (a, a_similarity), (b, b_similarity) = old.nearest_seen(hoi_id), new.nearest_seen(hoi_id)
        if a != b:
            found.append(Moved(hoi_id=hoi_id, old=a, new=b, old_similarity=a_similarity, new_similarity=b_similarity))
    return found


def embeddings(old: Artifact, new: Artifact, store: Store) -> tuple[Embedded, Embedded] | None:
    """The embeddings of both artifacts' descriptions, made by the same CLIP in the same setting, or None.

    Where the store has several such pairs, the one made last counts; `Embedded.made_by` tells which they are.
    """
    candidates = [
        {str(sorted(a.manifest.config.items())) + str(a.manifest.sources): a for a in _made_from(artifact, store)}
        for artifact in (old, new)
    ]
    common = sorted(candidates[0].keys() & candidates[1].keys())
    if not common:
        return None
    latest = max(common, key=lambda made: moments.order(candidates[1][made].manifest.made_at))
    return _read(candidates[0][latest]), _read(candidates[1][latest])


def partners(disparities: Artifact) -> dict[int, tuple[int, float]]:
    """{unseen class: (its nearest seen class, similarity)}, as a `disparities` artifact has them."""
    table = disparities.table("disparities.parquet", ["hoi_id", "seen_hoi_id", "similarity"])
    columns = (table[name].tolist() for name in ("hoi_id", "seen_hoi_id", "similarity"))
    return {int(h): (int(seen), float(cosine)) for h, seen, cosine in zip(*columns, strict=True)}


def names(descriptions: Artifact) -> dict[int, str]:
    """The classes' names by id, as the artifact has them."""
    table = descriptions.table("descriptions.parquet", ["hoi_id", "name"])
    return {int(h): str(name) for h, name in zip(table["hoi_id"], table["name"], strict=True)}


def _made_from(descriptions: Artifact, store: Store) -> list[Artifact]:
    """`text_embeddings` artifacts of these descriptions, found by content, so that an equal text made anew counts."""
    found = []
    for artifact in store.artifacts("text_embeddings"):
        for record in artifact.manifest.inputs:
            same = record.stage == "descriptions" and record.digest == descriptions.manifest.part_digest(record.part)
            found += [artifact] if same else []
    return found


def _read(artifact: Artifact) -> Embedded:
    from pipeline.tables import arrays

    groups = {}
    for group in ("seen", "unseen"):
        data = arrays.read(artifact.path(f"{group}-descriptions.parquet"), ["hoi_id", "pooled"])
        groups[group] = {int(h): row for h, row in zip(data["hoi_id"], data["pooled"], strict=True)}
    values = ", ".join(f"{key}={value}" for key, value in compare.flatten(artifact.manifest.config).items())
    made_by = f"text_embeddings/{artifact.fingerprint[:12]} ({values})"
    return Embedded(seen=groups["seen"], unseen=groups["unseen"], made_by=made_by)


def _texts(artifact: Artifact) -> dict[int, tuple[str, str]]:
    table = artifact.table("descriptions.parquet", ["hoi_id", "text", "source"])
    return {int(r["hoi_id"]): (str(r["text"]), str(r["source"])) for r in table.to_dict("records")}
