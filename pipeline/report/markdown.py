"""The report as Markdown, for a terminal, a repository or Prefect's pages."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from pipeline.outside.escaping import markdown
from pipeline.report.content import Content, Row, confused_verbs, number, shown_groups, shown_protocols


def result_table(rows: Sequence[Row], groups: Sequence[str], protocols: Sequence[str]) -> list[str]:
    """The mAP in percent: a line for each model, a column for each group of classes and protocol."""
    heads = [f"{group.replace('_', ' ')} ({protocol})" for protocol in protocols for group in groups]
    lines = [f"| mAP (%) | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    for row in rows:
        cells = [number(row.means.get(protocol, {}).get(group)) for protocol in protocols for group in groups]
        lines.append(f"| {markdown(row.label)} | " + " | ".join(cells) + " |")
    return lines


def render(content: Content, *, pictures: Sequence[tuple[str, str]] = ()) -> str:
    """The report; ``pictures`` are (caption, file) shown after the table."""
    report, groups = content.report, shown_groups(content)
    lines = [f"# {content.title}", ""]
    if content.warning:
        lines += [f"> **{content.warning}**", ""]
    lines += [f"Setting `{report['setting']}`, protocol `{report['protocol']}`, mode {report['mode']}.", ""]
    lines += [*result_table(content.rows, groups, shown_protocols(content)), ""]
    lines += [f"- {markdown(note)}." for note in report["notes"]] + ([""] if report["notes"] else [])
    lines += [line for caption, file in pictures for line in (f"![{caption}]({file})", "")]
    if len(report["results"]) > 1:
        lines += ["## All protocols and modes", "", "| protocol | mode | " + " | ".join(groups) + " |"]
        lines.append("|---|---|" + "---:|" * len(groups))
        for r in report["results"]:
            lines.append(f"| {r['protocol']} | {r['mode']} | " + " | ".join(number(r[g]) for g in groups) + " |")
        lines.append("")
    confused = confused_verbs(content, count=8)
    if len(confused):
        lines += [
            "## Verbs taken for others of the same object",
            "",
            "| object | annotated | best-scored there | pairs |",
        ]
        lines.append("|---|---|---|---:|")
        for r in confused.to_dict("records"):
            names = " | ".join(markdown(r[key]) for key in ("object", "verb", "taken_for"))
            lines.append(f"| {names} | {r['count']} of {r['of']} |")
        lines.append("")
    lines += [*_classes(content), ""]
    if content.origins:
        lines += ["## Computed from", "", "| input | digest |", "|---|---|"]
        for origin in content.origins:
            name = markdown(origin.name)
            lines.append(f"| {f'[{name}]({origin.link})' if origin.link else name} | `{origin.digest}` |")
    return "\n".join(lines) + "\n"


def _classes(content: Content) -> list[str]:
    """The classes with annotations, unseen first; one column of AP for every model."""
    names = [*content.before, "AP (%)"]
    lines = ["## Classes", "", f"| class | group | train pairs | test pairs | {' | '.join(names)} |"]
    lines.append("|---|---|---:|---:|" + "---:|" * len(names))
    table = content.classes.assign(**{name: 100 * frame["ap"].to_numpy() for name, frame in content.before.items()})
    for row in table.sort_values(["unseen", "name"], ascending=[False, True]).to_dict("records"):
        values = [*(row[name] for name in content.before), row["ap"]]
        cells = [number(None if pd.isna(v) else v, 1) for v in values]
        group = "unseen" if row["unseen"] else "seen"
        counts = f"{row['train_pairs']} | {row['test_pairs']}"
        lines.append(f"| {markdown(row['name'])} | {group} | {counts} | {' | '.join(cells)} |")
    return lines
