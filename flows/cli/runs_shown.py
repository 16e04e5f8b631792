"""`ezhoi runs show` and `ezhoi runs compare`: one run, and runs side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import lookup, options
from flows.pages.markdown import result_rows
from pipeline.machine.files import atomic
from pipeline.metrics.means import MAIN
from pipeline.outside.escaping import plain
from pipeline.report.units import duration
from pipeline.store import runs
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store

Run = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run or the start of it, or newest.")]


def show(
    run: Run,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    as_json: options.Json = False,
) -> None:
    """Show one run: what it asked for, what came out, its artifacts, the run nearest to it, and where its pages are.

    Example: ezhoi runs show newest
    """
    store = lookup.store(profile, overrides)
    record = runs.find(store, run)
    if as_json:
        typer.echo(json.dumps(record.model_dump(mode="json") | {"status": record.status}, indent=1))
        return
    typer.echo(plain("\n".join(_lines(store, record))))


def _lines(store: Store, record: RunRecord) -> list[str]:
    took = "" if record.seconds is None else f" in {duration(record.seconds)}"
    lines = [record.id, f"  {record.line}, {record.status}{took}", f"  profile  {record.profile}"]
    lines += [f"  asked    {key} = {value}" for key, value in record.asked.items()]
    if rows := result_rows(record.metrics):
        width = max(18, *(len(model) for model, *_ in rows))
        lines.append(f"  {f'mAP, % ({record.protocol})':<{width}}" + "".join(f"{name:>9}" for name in MAIN))
        lines += [f"  {model:<{width}}" + "".join(f"{value:>9}" for value in values) for model, *values in rows]
    for stage, name in record.stages.items():
        gone = "" if store.get(stage, name) is not None else ", removed since"
        lines.append(f"  {stage:<17} {name[:12]}  {record.how(stage)}{gone}")
    if (near := runs.relative(store, record, other_than=record.stages.get("evaluation"))) is not None:
        theirs, mine = near.asked, record.asked
        keys = [key for key in {**theirs, **mine} if theirs.get(key) != mine.get(key)]
        differs = ", ".join(f"{k}: {theirs.get(k, runs.USUAL)} -> {mine.get(k, runs.USUAL)}" for k in keys)
        lines += [f"  nearest  {near.line}", f"           {differs or 'asked for the same'}"]
        lines.append(f"           ezhoi runs compare {near.id} {record.id}")
    return lines + [f"  {name:<8} {path}" for name, path in pages(store, record).items()]


def pages(store: Store, record: RunRecord) -> dict[str, Path]:
    """The pages of the run that are on this machine: {what it is: path}."""
    folder = store.root / ".runs" / record.id
    places = [("lineage", folder / "index.html"), ("report", folder / "report.html")]
    if "evaluation" in record.stages:
        places.append(("report", store.root / "evaluation" / record.stages["evaluation"] / "report.html"))
    return {name: path for name, path in reversed(places) if path.is_file()}


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="The run to compare with: its id or its start, or newest.")],
    others: Annotated[list[str], typer.Argument(metavar="B [C...]", help="The runs to compare with it.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="PAGE.html", help="The page to write; it is one file.")
    ] = Path("runs-compared.html"),
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """Compare runs side by side on one HTML page: what they asked for, mAP with intervals, changes, losses, AP by class.

    The page needs no other file and no network, so it can be sent to anybody.

    Example: ezhoi runs compare 20260131T120000 newest --out better.html
    """
    from flows.pages import side_by_side as pages
    from pipeline.studies.side_by_side import side_by_side

    options.demand_ending(out, ".html", ".htm", what="the page is HTML")
    store = lookup.store(profile, overrides)
    found = side_by_side(store, [runs.find(store, reference) for reference in (a, *others)])
    with atomic(out) as temporary:
        temporary.write_text(pages.page(found), encoding="utf-8")
    lines = [f"{c.letter}  {c.record.line}, {c.record.status}" for c in found.columns]
    lines += [f"{key}: {', '.join(map(_said, values))}" for key, values in found.asked.items()]
    for against in found.against:
        lines += [f"A -> {against.column.letter}"]
        lines += [f"  mAP {group:<7} {gain}" for group, gain in against.compared.gains.items()]
        if against.compared.why_no_interval:
            lines.append(f"  no interval: {against.compared.why_no_interval}")
        lines += [f"  note: {note}" for note in against.compared.notes]
        lines += [f"  {line}" for line in against.causes.lines]
    typer.echo(plain("\n".join([*lines, f"page: {out}"])))


def _said(value: Any) -> str:
    return runs.USUAL if value is None else str(value)
