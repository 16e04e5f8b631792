"""Lineage as Markdown and mermaid: one page a stage, one page a run. Reads manifests only; no Prefect.

Links are made by the caller: Prefect's pages refer to each other by artifact key, files of the store by path.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.plan import StageStatus, remaining
from pipeline.runner import Outcome, Run
from pipeline.store.artifact import Artifact
from pipeline.store.manifest import FileRecord, Manifest
from pipeline.store.preview import short

Link = Callable[[Artifact], str]
LINEAGE_KEY = "ezhoi-lineage"
PLAN_KEY = "ezhoi-plan"
HIT, MISS = "#cfe8d5", "#ffd9a8"
RESULTS = ("full", "seen", "unseen")


def key(stage: str) -> str:
    """The Prefect artifact key of a stage's page; Prefect allows no underscore there."""
    return f"ezhoi-{stage.replace('_', '-')}"


def in_prefect(artifact: Artifact) -> str:
    """Link from one Prefect artifact page to another; relative, so it works in both of Prefect's interfaces."""
    return f"../key/{key(artifact.stage)}"


def in_store(artifact: Artifact) -> str:
    """Link from a file in `<store>/.runs` to an artifact's manifest."""
    return f"../{artifact.stage}/{artifact.fingerprint}/manifest.json"


def state_name(outcome: Outcome) -> str:
    """The task's state as Prefect shows it."""
    if outcome.choice is not None:
        return "Reused"
    return "Cached" if outcome.hit else "Completed"


def plan_lines(statuses: Sequence[StageStatus]) -> list[str]:
    """A plan as text: one line a stage, one more for each reason."""
    lines = []
    for s in statuses:
        took = f"  about {duration(s.seconds)}" if s.runs and s.seconds is not None else ""
        lines.append(f"{s.stage:<17} {s.state:<8} {(s.fingerprint or '')[:12]:<12}{took}".rstrip())
        lines += [f"{'':<18}{reason}" for reason in s.why]
    return [*lines, plan_summary(statuses)]


def plan_summary(statuses: Sequence[StageStatus]) -> str:
    """`7 of 10 stages fresh; 3 would run, about 2 min (as they took last time)`"""
    waiting = [s for s in statuses if s.runs]
    text = f"{len(statuses) - len(waiting)} of {len(statuses)} stages fresh"
    if not waiting:
        return text
    seconds, unknown = remaining(statuses)
    parts = [f"about {duration(seconds)} as last time"] if len(unknown) < len(waiting) else []
    parts += [f"not known for {', '.join(unknown)}"] if unknown else []
    return f"{text}; {len(waiting)} would run: {'; '.join(parts)}"


def plan_page(statuses: Sequence[StageStatus], *, title: str) -> str:
    """A dry run's page."""
    rows = [
        [
            s.stage,
            s.state if s.runs else "fresh",
            f"`{(s.fingerprint or '')[:12]}`" if s.fingerprint else "not known yet",
            "; ".join(s.why) or "–",
            duration(s.seconds) if s.runs and s.seconds is not None else "–",
        ]
        for s in statuses
    ]
    head = ["stage", "state", "artifact", "why", "took last time"]
    return f"# Plan\n\n{title}. Nothing was run.\n\n**{plan_summary(statuses)}**\n\n{table(head, rows)}\n"


def duration(seconds: float) -> str:
    """0.4 s, 75 s, 12 min, 3.2 h."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def stage_page(outcome: Outcome, *, inputs: Mapping[str, Artifact], link: Link = in_prefect) -> str:
    """Everything about a stage's artifact, for a reader who arrives from the run's graph."""
    artifact, manifest = outcome.artifact, outcome.artifact.manifest
    parts = [
        f"# {outcome.stage} · `{manifest.digest[:12]}`",
        f"**In this run:** {state_name(outcome)} · **Fingerprint:** `{manifest.fingerprint}` · "
        f"**Digest:** `{manifest.digest}`  \n**Folder:** `{artifact.folder}`",
    ]
    parts += [f"> {fault}; the stage ran again." for fault in outcome.faults]
    if rows := result_rows(manifest.metrics):
        parts += ["## Result: mAP, %", table(["model", *RESULTS], rows)]
    source = [
        [f"[{r.stage}]({link(inputs[r.stage])})", ", ".join(r.part), f"`{r.digest[:12]}`", f"`{r.fingerprint[:12]}`"]
        for r in manifest.inputs
    ]
    parts += ["## Inputs", table(["input", "part", "digest", "artifact"], source) if source else "None."]
    if manifest.sources:
        outside = [[name, f"`{digest[:12]}`"] for name, digest in manifest.sources.items()]
        parts.append(table(["file outside of the store", "digest"], outside))
    parts += ["## Configuration", f"```json\n{json.dumps(manifest.config, indent=1)}\n```"]
    if metrics := _flat(manifest.metrics):
        parts += ["## Metrics", table(["metric", "value"], [[k, short(v)] for k, v in metrics.items()])]
    parts += ["## Files", _files(manifest.files)]
    if sample := _sample(artifact):
        parts += [f"## First rows of {sample[0]}", sample[1]]
    seconds = [[kind, f"{value:.2f}"] for kind, value in manifest.seconds.items()]
    parts += ["## Seconds, when it was made", table(["kind", "s"], seconds), "## Provenance", _provenance(manifest)]
    return "\n\n".join(parts) + "\n"


def run_page(outcomes: Sequence[Outcome], *, title: str, state: str, link: Link = in_prefect) -> str:
    """The whole run: the graph with hits and misses, and a table of all artifacts."""
    artifacts = {o.stage: o.artifact for o in outcomes}
    rows = [
        [
            f"[{o.stage}]({link(o.artifact)})",
            state_name(o),
            f"`{o.artifact.digest[:12]}`",
            f"`{o.artifact.fingerprint[:12]}`",
            size(o.artifact.manifest.bytes),
            f"{o.artifact.manifest.duration:.1f}",
            o.artifact.manifest.made_at[:19].replace("T", " "),
        ]
        for o in outcomes
    ]
    hits = {o.stage for o in outcomes if o.hit}
    parts = [f"# {title}", f"**State:** {state} · {len(hits)} of {len(outcomes)} stages from the store"]
    evaluated = artifacts.get("evaluation")
    if evaluated is not None and (results := result_rows(evaluated.manifest.metrics)):
        parts.append(table(["mAP, %", *RESULTS], results))
    parts += [
        f"```mermaid\n{mermaid(list(artifacts.values()), hits=hits, link=link)}\n```",
        table(["stage", "state", "digest", "fingerprint", "size", "seconds", "made (UTC)"], rows),
    ]
    return "\n\n".join(parts) + "\n"


def mermaid(artifacts: Sequence[Artifact], *, hits: Collection[str] | None = None, link: Link | None = None) -> str:
    """A mermaid graph of artifacts, at most one a stage; with `hits` it is coloured and has a legend."""
    names = {a.stage for a in artifacts}
    lines = ["graph LR"]
    for artifact in artifacts:
        lines.append(f'  {artifact.stage}["{artifact.stage}<br/>{artifact.digest[:8]}"]')
        lines += [f"  {r.stage} --> {artifact.stage}" for r in artifact.manifest.inputs if r.stage in names]
        if link is not None:
            lines.append(f'  click {artifact.stage} "{link(artifact)}"')
    if hits is not None:
        lines += [
            "  subgraph legend",
            '    hit["from the store"]',
            '    miss["computed in this run"]',
            "  end",
            f"  classDef fromStore fill:{HIT},stroke:#4b7f5a,color:#111",
            f"  classDef computed fill:{MISS},stroke:#b0701a,color:#111",
            f"  class {','.join([*sorted(names & set(hits)), 'hit'])} fromStore",
            f"  class {','.join([*sorted(names - set(hits)), 'miss'])} computed",
        ]
    return "\n".join(lines)


def result_rows(metrics: Mapping[str, Any]) -> list[list[str]]:
    """The evaluation's mAP (already in percent): the result, and what came before it as far as it was measured."""
    rows = []
    for label, prefix in (("trained", ""), ("before UTPL", "before_utpl_"), ("untrained", "untrained_")):
        values = [metrics.get(prefix + group) for group in RESULTS]
        if any(isinstance(value, int | float) for value in values):
            rows.append([label, *(f"{v:.2f}" if isinstance(v, int | float) else "–" for v in values)])
    return rows


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def size(count: int) -> str:
    """Bytes for people: 1.2 MB."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _files(files: Sequence[FileRecord]) -> str:
    rows = [[f.name, "–" if f.rows is None else f"{f.rows:,}", size(f.bytes), f"`{f.digest[:12]}`"] for f in files[:40]]
    if len(files) > 40:
        rows.append([f"and {len(files) - 40} more", "", size(sum(f.bytes for f in files[40:])), ""])
    return table(["file", "rows", "size", "digest"], rows)


def _sample(artifact: Artifact) -> tuple[str, str] | None:
    """First rows of the first table that has a preview."""
    for file in artifact.manifest.files:
        if file.head:
            columns = list(file.head[0])
            return file.name, table(columns, [[row[c] for c in columns] for row in file.head])
    return None


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def _provenance(manifest: Manifest) -> str:
    commit = "not a checkout" if manifest.git_commit is None else f"`{manifest.git_commit[:12]}`"
    rows = [
        ["made (UTC)", manifest.made_at],
        ["machine", f"{manifest.host}, device {manifest.device}"],
        ["code", f"`{manifest.code[:12]}`, stage version {manifest.version}"],
        ["commit", commit + (" with local changes" if manifest.git_dirty else "")],
        ["seed", str(manifest.seed)],
        ["packages", ", ".join(f"{name} {version}" for name, version in manifest.packages.items())],
    ]
    return table(["", ""], rows)


def write_run_page(steps: Run, outcomes: Sequence[Outcome]) -> Path | None:
    """The run's lineage as a file beside its record, `<store>/.runs/<run>.md`; None if the store is read-only."""
    path = steps.store.root / ".runs" / f"{steps.record.id}.md"
    title = f"Run {steps.record.id} of profile {steps.record.profile}"
    try:
        path.write_text(run_page(outcomes, title=title, state=steps.record.state, link=in_store))
    except OSError:
        return None
    return path
