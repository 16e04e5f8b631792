"""Lineage as Markdown and mermaid: a page for each stage and one for the run. Only manifests are read; Prefect is not needed.

Links are made by the caller: Prefect's pages refer to each other by artifact key, files of the store by path. Texts of an
artifact are shown literally (`escaping.markdown`): none becomes a link, a picture or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flows.pages import compared, drawing
from flows.pages.states import counts, word
from flows.pages.tables import table
from pipeline.engine import graph
from pipeline.engine.changes import Changes
from pipeline.engine.execute import Outcome
from pipeline.engine.verdict import Verdict
from pipeline.metrics.means import MAIN
from pipeline.outside.escaping import code, markdown
from pipeline.report.units import duration
from pipeline.store import compare
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import FileRecord, Manifest
from pipeline.store.preview import short
from pipeline.store.runs import RunRecord

Link = Callable[[Artifact], str]
RunLink = Callable[[str], str | None]
LINEAGE_KEY = "ezhoi-lineage"
_ID = re.compile(r"[0-9a-fA-F-]{32,36}")


def key(stage: str) -> str:
    """The Prefect artifact key of a stage's page; Prefect allows no underscore there."""
    return f"ezhoi-{stage.replace('_', '-')}"


def in_prefect(artifact: Artifact) -> str:
    """Link from one Prefect artifact page to another; relative, so it works in both of Prefect's interfaces."""
    return f"../key/{key(artifact.stage)}"


def run_in_prefect(flow_run: str) -> str | None:
    """Link from an artifact's page to that of a flow run; None if it is no id of one."""
    return f"../../runs/flow-run/{flow_run}" if _ID.fullmatch(flow_run) else None


def run_title(record: RunRecord) -> str:
    """A run's name on its pages: what was asked for, and its id."""
    return f"{record.name} · {record.id}"


def stage_page(
    outcome: Outcome,
    *,
    inputs: Mapping[str, Artifact],
    link: Link = in_prefect,
    changes: Changes | None = None,
    sample: str = "",
    run_link: RunLink = run_in_prefect,
) -> str:
    """The page of a stage's artifact, for a reader who comes from the run's graph."""
    artifact, manifest = outcome.artifact, outcome.artifact.manifest
    says = graph.stage(outcome.stage).says
    parts = [
        f"# {outcome.stage} · `{manifest.fingerprint[:12]}`",
        f"{says[:1].upper()}{says[1:]}.",
        f"**In this run:** {_how(outcome, run_link)}  \n**Fingerprint:** `{manifest.fingerprint}` · "
        f"**Digest:** `{manifest.digest}`",
    ]
    parts += [f"> {markdown(fault)}; the stage ran again." for fault in outcome.faults]
    parts += [f"> Waited {duration(wait.seconds)} for {markdown(wait.what)}." for wait in outcome.waits]
    if outcome.stage == "evaluation" and (rows := result_rows(manifest.metrics)):
        parts += ["## Result: mAP, %", table(["model", *MAIN], rows)]
    if changes is not None:
        lines = changes.stages.get(outcome.stage) or ("nothing: the same artifact",)
        parts += [f"## Since {_named(changes.previous, run_link)}", "\n".join(f"- {markdown(line)}" for line in lines)]
    source = [
        [
            f"[{r.stage}]({link(inputs[r.stage])})" if r.stage in inputs else r.stage,
            markdown(", ".join(r.part)),
            code(r.digest[:12]),
            code(r.fingerprint[:12]) + ("" if r.stage in inputs else ", not part of this run"),
        ]
        for r in manifest.inputs
    ]
    parts += ["## Inputs", table(["input", "part", "digest", "artifact"], source) if source else "None."]
    if manifest.sources:
        outside = [[markdown(name), code(digest[:12])] for name, digest in manifest.sources.items()]
        parts.append(table(["file outside of the store", "digest"], outside))
    if sample:
        parts += ["## Sample", sample]
    if metrics := compare.flatten(manifest.metrics):
        parts += ["## Metrics", _of_values("metric", metrics)]
    if mattered := compare.flatten(manifest.config):
        parts += ["## Configuration that mattered", _of_values("key", mattered)]
    parts += ["## Files", f"In {code(artifact.place)}", _files(manifest.files)]
    if rows_shown := _first_rows(artifact):
        parts += [f"## First rows of {rows_shown[0]}", rows_shown[1]]
    seconds = [[markdown(kind), f"{value:.2f}"] for kind, value in manifest.seconds.items()]
    seconds += [["in all", f"{manifest.duration:.2f}"]]
    parts += ["## Seconds, when it was made", table(["kind", "s"], seconds), "## Provenance", _provenance(manifest)]
    return "\n\n".join(parts) + "\n"


def run_page(
    outcomes: Sequence[Outcome],
    *,
    title: str,
    state: str,
    link: Link = in_prefect,
    changes: Changes | None = None,
    verdict: Verdict | None = None,
    run_link: RunLink = run_in_prefect,
    picture: str | None = None,
    report: str | None = None,
) -> str:
    """The page of a run: its result, its graph, what changed, and a table of all artifacts.

    `picture` stands in place of the graph on pages that draw it themselves; `report` is the address of the run's report.
    """
    artifacts = {o.stage: o.artifact for o in outcomes}
    parts = [f"# {markdown(title)}", f"**State:** {state} · {counts(outcomes)}"]
    evaluated = artifacts.get("evaluation")
    if evaluated is not None and (results := result_rows(evaluated.manifest.metrics)):
        parts.append(table(["mAP, %", *MAIN], results))
    if report is not None:
        parts.append(f"[Report]({report}): intervals, protocols, AP by class, what went best and worst.")
    parts += [
        f"> {o.stage} waited {duration(wait.seconds)} for {markdown(wait.what)}." for o in outcomes for wait in o.waits
    ]
    if verdict is not None:
        parts += compared.section(verdict, _named(verdict.relative, run_link))
    parts.append(picture or drawing.image(outcomes))
    if changes is not None:
        rows = [
            [f"[{name}]({link(artifacts[name])})", markdown("; ".join(lines))] for name, lines in changes.stages.items()
        ]
        parts += [
            f"## Stage by stage, since {_named(changes.previous, run_link)}",
            table(["stage", "what changed"], rows) if rows else "Nothing: the same artifacts.",
        ]
    rows = [
        [
            f"[{o.stage}]({link(o.artifact)})",
            _how(o, run_link),
            f"`{o.artifact.digest[:12]}`",
            f"`{o.artifact.fingerprint[:12]}`",
            size(o.artifact.manifest.bytes),
            f"{o.artifact.manifest.duration:.1f}",
        ]
        for o in outcomes
    ]
    parts += ["## Artifacts", table(["stage", "in this run", "digest", "fingerprint", "size", "seconds"], rows)]
    return "\n\n".join(parts) + "\n"


def about(record: RunRecord, evaluation: Artifact) -> str:
    """The head of a report: which run it is, and what it asked for."""
    changed = ", ".join(f"{key}={value}" for key, value in record.changed.items())
    made = evaluation.manifest
    rows = [
        ["run", f"{markdown(record.line)} · [lineage](index.html)"],
        ["profile", markdown(record.profile)],
        ["setting, seed", markdown(f"{record.setting}, {record.seed}")],
        ["differs from the profile", markdown(changed) or "in nothing"],
        ["evaluation", f"{code(made.fingerprint[:12])}, made {_moment(made.made_at)} on {markdown(made.host)}"],
    ]
    return table(["", ""], rows)


def _moment(text: str) -> str:
    return f"{markdown(text[:19].replace('T', ' '))} UTC"


def _how(outcome: Outcome, run_link: RunLink) -> str:
    """Whether it was cached, reused or computed, and by which earlier run."""
    manifest = outcome.artifact.manifest
    where = markdown(f"{manifest.host}, {manifest.device}")
    if not outcome.hit:
        return f"Computed in {duration(manifest.duration)} on {where}"
    made = f"made {markdown(manifest.made_at[:19].replace('T', ' '))} UTC in {duration(manifest.duration)} on {where}"
    by = manifest.made_by
    if by.get("flow_run"):
        name = markdown(f"a run of {by.get('deployment') or 'ezhoi'}")
        made += f" by {f'[{name}]({target})' if (target := run_link(by['flow_run'])) else name}"
    elif by.get("run"):
        made += f" by run {markdown(by['run'])}"
    elif by.get("adopted"):
        made += f", adopted from an earlier version's {markdown(by['adopted'])}"
    chosen = f" ({markdown(str(outcome.choice))})" if outcome.choice else ""
    return f"{word(outcome).capitalize()}{chosen}, {made}"


def _named(previous: RunRecord, run_link: RunLink) -> str:
    """Another run in a heading. The link is its time, not its name, in which one of Prefect's interfaces would show escapes."""
    target = run_link(previous.flow_run) if previous.flow_run else None
    when = f"{markdown(previous.started_at[:16].replace('T', ' '))} UTC"
    return f"{markdown(previous.name)} ({f'[{when}]({target})' if target else when})"


def mermaid(artifacts: Sequence[Artifact]) -> str:
    """A mermaid graph of artifacts, at most one of each stage, to be pasted into a document."""
    names = {a.stage for a in artifacts}
    lines = ["graph LR"]
    for artifact in artifacts:
        lines.append(f'  {artifact.stage}["{artifact.stage}<br/>{artifact.fingerprint[:8]}"]')
        lines += [f"  {r.stage} --> {artifact.stage}" for r in artifact.manifest.inputs if r.stage in names]
    return "\n".join(lines)


VARIANTS = (
    ("after UTPL", ""),
    ("before UTPL", "before_utpl_"),
    ("seen phrases alone", "seen_phrases_"),
    ("untrained", "untrained_"),
    ("memory, no training", "memory_"),
    ("boxes alone", "detector_only_"),
)
"""The rows of the result and the prefixes of their metrics. The first row has the head's name if it is not EZ-HOI's."""


def result_rows(metrics: Mapping[str, Any]) -> list[list[str]]:
    """The evaluation's mAP in percent: the result, and the models before it as far as they were measured."""
    rows = []
    for label, prefix in VARIANTS:
        values = [metrics.get(prefix + group) for group in MAIN]
        if any(isinstance(value, int | float) for value in values):
            name = label if prefix else metrics.get("head", label)
            rows.append([name, *(f"{v:.2f}" if isinstance(v, int | float) else "–" for v in values)])
    return rows


def _of_values(head: str, values: Mapping[str, Any]) -> str:
    """A table of names and values."""
    return table([head, "value"], [[markdown(name), markdown(short(value))] for name, value in values.items()])


def size(count: int) -> str:
    """A number of bytes for people, such as 1.2 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _files(files: Sequence[FileRecord]) -> str:
    rows = [
        [markdown(f.name), "–" if f.rows is None else f"{f.rows:,}", size(f.bytes), f"`{f.digest[:12]}`"]
        for f in files[:40]
    ]
    if len(files) > 40:
        rows.append([f"and {len(files) - 40} more", "", size(sum(f.bytes for f in files[40:])), ""])
    return table(["file", "rows", "size", "digest"], rows)


WIDE = 12
"""The number of columns from which a table is turned, with a line for each column, because it would be too wide."""


def _first_rows(artifact: Artifact) -> tuple[str, str] | None:
    """The first rows of the first table that has a preview, without columns that are empty in them."""
    for file in artifact.manifest.files:
        if file.head:
            columns = [c for c in file.head[0] if any(row[c] not in ("None", "nan") for row in file.head)]
            cells = [[markdown(row[c]) for c in columns] for row in file.head]
            if len(columns) <= WIDE:
                shown = table([markdown(c) for c in columns], cells)
            else:
                some = cells[:3]
                turned = [[markdown(c), *(row[place] for row in some)] for place, c in enumerate(columns)]
                shown = table(["column", *(f"row {number}" for number in range(1, 1 + len(some)))], turned)
            return markdown(file.name), shown
    return None


def _provenance(manifest: Manifest) -> str:
    commit = "not a checkout" if manifest.git_commit is None else code(manifest.git_commit[:12])
    rows = [
        ["made (UTC)", markdown(manifest.made_at)],
        ["machine", markdown(f"{manifest.host}, device {manifest.device}")],
        ["code", f"{code(manifest.code[:12])}, stage version {manifest.version}"],
        ["commit", commit + (" with local changes" if manifest.git_dirty else "")],
        ["seed", str(manifest.seed)],
        ["packages", markdown(", ".join(f"{name} {version}" for name, version in manifest.packages.items()))],
    ]
    return table(["", ""], rows)
