"""What annotations have, in numbers and in words: what somebody looks at first, before any fault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.datasets.own.annotated import TITLES, Annotated
from pipeline.datasets.own.problems import WORDS, Level
from pipeline.vocabulary.vocabulary import PERSON, spaced

TITLE: Mapping[Level, str] = {"E": "Errors", "W": "Warnings", "N": "Notes"}
MOST = 20
"""How many problems of a level, and rows of the table of classes, are shown; JSON has all of them."""


def summary(found: Annotated) -> dict[str, Any]:
    """Counts of what can be used, by name, and every problem; all of it is JSON."""
    rows, vocabulary = found.rows, found.vocabulary
    verbs, objects = vocabulary.verb_names, vocabulary.object_names
    with_object, alone_by_verb = rows.by_pair(len(verbs), len(objects))
    by_verb = with_object.sum(axis=1) + alone_by_verb
    by_object = rows.boxes["object_id"].value_counts()
    splits = rows.images["split"].replace("", "not told").value_counts()
    annotated = {c.name: n for c in vocabulary.classes if (n := int(with_object[c.verb_id, c.object_id]))}
    alone = {spaced(name): n for name, n in zip(verbs, alone_by_verb.tolist(), strict=True) if n}
    return {
        "file": str(found.file),
        "layout": found.layout,
        "in_the_file": dict(found.counts),
        "pictures": len(rows.images),
        "pictures_without_interaction": len(rows.images) - int(rows.relations["image"].nunique()),
        "pictures_by_split": {str(name): int(count) for name, count in splits.items()},
        "boxes": len(rows.boxes),
        "persons": int(by_object.get(PERSON, 0)),
        "interactions": len(rows.relations),
        "acting_alone": dict(sorted(alone.items(), key=lambda entry: -entry[1])),
        "by_class": dict(sorted(annotated.items(), key=lambda entry: entry[1])),
        "classes_never_annotated": [c.name for c in vocabulary.classes if c.name not in annotated],
        "verbs_never_annotated": [spaced(name) for i, name in enumerate(verbs) if not by_verb[i]],
        "objects_never_annotated": [spaced(name) for i, name in enumerate(objects) if i not in by_object],
        "problems": [asdict(problem) for problem in found.problems.found],
        "problems_by_level": {WORDS[level]: count for level, count in found.problems.count().items()},
    }


def lines(counts: Mapping[str, Any]) -> Iterator[str]:
    """The summary for people."""
    yield f"{TITLES[counts['layout']]}: {counts['file']}"
    yield (
        f"  {_count(counts['pictures'], 'picture')} ({counts['pictures_without_interaction']:,} without interaction), "
        f"{_count(counts['boxes'], 'box', 'boxes')} ({_count(counts['persons'], 'person')}), "
        f"{_count(counts['interactions'], 'interaction')}"
    )
    left = {key: counts["in_the_file"][key] - counts[name] for key, name in _IN_FILE.items()}
    if any(count > 0 for count in left.values()):
        parts = [_count(count, key[:-1] if key != "boxes" else "box", key) for key, count in left.items() if count > 0]
        yield f"  left out: {', '.join(parts)}"
    if set(counts["pictures_by_split"]) != {"not told"}:
        yield "  splits: " + ", ".join(f"{n:,} {name}" for name, n in counts["pictures_by_split"].items())
    yield from _classes(counts)
    for name, what in _NEVER.items():
        if never := counts[name]:
            more = f" and {len(never) - MOST:,} more" if len(never) > MOST else ""
            yield f"  {what}: {', '.join(never[:MOST])}{more}"
    yield from _problems(counts["problems"])


_IN_FILE = {"images": "pictures", "boxes": "boxes", "interactions": "interactions"}
_NEVER = {
    "objects_never_annotated": "objects without a box",
    "verbs_never_annotated": "verbs that nobody does here (zero-shot)",
    "classes_never_annotated": "classes without a pair here (zero-shot)",
}


def _count(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _classes(counts: Mapping[str, Any]) -> Iterator[str]:
    """Classes with their pairs, the rarest first: these are the ones to annotate more of."""
    found = [(name, count) for name, count in counts["by_class"].items()]
    found += [(f"{name} (alone)", count) for name, count in counts["acting_alone"].items()]
    found.sort(key=lambda entry: entry[1])
    width = max((len(name) for name, _ in found[:MOST]), default=0)
    for name, count in found[:MOST]:
        yield f"    {name:<{width}} {count:>7,}"
    if len(found) > MOST:
        yield f"    and {len(found) - MOST:,} classes with more"


def _problems(problems: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for level, title in TITLE.items():
        mine = [problem for problem in problems if problem["level"] == level]
        if mine:
            yield f"{title} ({len(mine):,})"
        for problem in mine[:MOST]:
            yield f"  - {problem['where']}: {problem['what']} ({problem['effect']})"
        if len(mine) > MOST:
            yield f"  and {len(mine) - MOST:,} more; --json lists all"
