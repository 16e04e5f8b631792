"""The part of a run's page that compares it with another run: whether it is better, whether that is noise, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flows.pages.tables import table
from pipeline.engine.causes import Causes
from pipeline.engine.verdict import Verdict
from pipeline.outside.escaping import markdown

SHOWN = 8
"""How many of the classes that gained and that lost most are shown, and how many texts."""


def section(verdict: Verdict, relative: str) -> list[str]:
    """The comparison as paragraphs of Markdown; `relative` is the other run's name, with a link where there is one."""
    found = verdict.compared
    parts = [f"## Compared with {relative}"]
    if found.gains:
        rows = [
            [group, f"{g.before:.2f}", f"{g.after:.2f}", f"{g.difference:+.2f}", *_interval(g.interval, sure=g.sure)]
            for group, g in found.gains.items()
        ]
        parts.append(table(["mAP, %", "there", "here", "difference", "95 % interval", ""], rows))
    if found.draws:
        parts.append(
            f"Intervals over test images, paired bootstrap of {found.draws} resamples; another training may differ more."
        )
    if found.why_no_interval:
        parts.append(f"No interval: {markdown(found.why_no_interval)}")
    parts += [f"Note: {markdown(note)}" for note in found.notes]
    parts += ["### What was changed", "\n".join(f"- {markdown(line)}" for line in verdict.causes.lines)]
    parts += _texts(verdict.causes)
    parts += _moves(verdict.causes)
    if found.classes:
        parts += [f"### Classes that moved: {len(found.classes)}", table(_CLASSES, _classes(found.classes))]
    return parts


_CLASSES = ["class", "", "there", "here", "difference", "95 % interval"]


def _classes(moved: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    rows = [
        [
            markdown(str(row["name"])),
            "unseen" if row["unseen"] else "seen",
            f"{row['a']:.1f}",
            f"{row['b']:.1f}",
            f"{row['difference']:+.1f}",
            "–" if row["low"] is None else f"{row['low']:+.1f} to {row['high']:+.1f}",
        ]
        for row in moved
    ]
    if len(rows) <= 2 * SHOWN:
        return rows
    return [*rows[:SHOWN], [f"{len(rows) - 2 * SHOWN} more", "", "", "", "", ""], *rows[-SHOWN:]]


def _interval(interval: tuple[float, float] | None, *, sure: bool) -> tuple[str, str]:
    if interval is None:
        return "–", ""
    if interval == (0.0, 0.0):
        return "–", "the same"
    return f"{interval[0]:+.2f} to {interval[1]:+.2f}", "" if sure else "may be chance"


def _moves(causes: Causes) -> list[str]:
    """The unseen classes that learn from another seen class now."""
    if not causes.moves:
        return []
    rows = [
        [markdown(m.name), markdown(m.old), f"{m.old_similarity:.3f}", markdown(m.new), f"{m.new_similarity:.3f}"]
        for m in causes.moves[: 2 * SHOWN]
    ]
    more = [f"{len(causes.moves) - len(rows)} more: `ezhoi artifacts diff`."] if len(causes.moves) > len(rows) else []
    heads = ["unseen class", "nearest seen class there", "similarity", "here", "similarity"]
    return [f"### Nearest seen classes that moved: {len(causes.moves)}", table(heads, rows), *more]


def _texts(causes: Causes) -> list[str]:
    """The descriptions that differ, the old text beside the new one."""
    texts = list(dict.fromkeys(changed for cause in causes.found for changed in cause.texts))
    if not texts:
        return []
    rows = [
        [
            markdown(t.name),
            markdown(t.old or "–"),
            markdown(t.new or "–"),
            "–" if t.similarity is None else f"{t.similarity:.3f}",
        ]
        for t in texts[: 2 * SHOWN]
    ]
    more = [f"{len(texts) - len(rows)} more texts differ: `ezhoi artifacts diff`."] if len(texts) > len(rows) else []
    return [f"### Texts that differ: {len(texts)}", table(["class", "there", "here", "similarity"], rows), *more]
