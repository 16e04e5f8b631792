"""The site of a store: all its runs, what each used, the descriptions with their history, and bundles, as plain files.

    index.html          the runs, to be sorted and filtered; the same with seeds folded; bundles; what is not whole
    runs/<run>.html     a run: what it asked for, its result, the run nearest to it, where each artifact came from
    descriptions.html   every class with the texts that it had, and which runs used which

Pages link to the reports and lineage pages of the store, which lie beside it; a copy has them in the folder itself.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from flows.pages import drawing
from flows.pages.markdown import result_rows, size
from flows.pages.rendering import UNSAID, render
from pipeline.engine.choice import Choice
from pipeline.engine.execute import Outcome
from pipeline.engine.graph import NAMES
from pipeline.errors import ConfigError
from pipeline.machine.files import TEMPORARY, atomic
from pipeline.metrics.means import MAIN
from pipeline.store import names, runs
from pipeline.store.artifact import Artifact
from pipeline.store.runs import RunRecord
from pipeline.store.store import Store
from pipeline.studies import runs_table
from pipeline.studies.overview import Overview, overview
from pipeline.studies.runs_table import PROTOCOL, RESULT, RUN, WHICH
from pipeline.studies.standings import HEADS, INTERVAL, standings

FOLDER = ".site"
"""Where the site of a store is, below its root, unless it is put elsewhere."""
GENERATOR = '<meta name="generator" content="ezhoi site">'
"""The mark by which the first page of a site is recognised."""
BEGUN = f"<!doctype html>{GENERATOR}<p>This site was not written to its end. Run <code>ezhoi site</code> again.</p>\n"
"""The first page until the others are there, so that the folder of one that was stopped is known again."""
_MANIFEST = re.compile(r'<a href="\.\./\.\./[a-z0-9_]+/[a-z0-9_-]+/manifest\.json">(.*?)</a>')
"""A link of a report to what it was computed from, which stays in the store."""
RUNS, TEXTS = 20, 12
"""The most runs that are listed for a version of the descriptions, and the most texts for a class; further ones are counted."""


@dataclass(frozen=True)
class Site:
    """A site that is being written: what it shows, and where it lies."""

    store: Store
    folder: Path
    seen: Overview
    copy: bool = False
    """Whether reports and lineage pages are copied into the folder."""


def write(store: Store, folder: Path | None = None, *, copy: bool = False) -> Path:
    """Write the site of a store, over an earlier one, and return the path of its first page.

    ConfigError if the folder has other things in it.
    """
    folder = store.root / FOLDER if folder is None else folder
    first = folder / "index.html"
    others = folder.is_dir() and any(not TEMPORARY.fullmatch(one.name) for one in folder.iterdir())
    if others and not _is_ours(first):
        raise ConfigError(f"{folder} is not empty and no site of ezhoi; choose a new folder")
    site = Site(store, folder, overview(store), copy)
    pages = folder / "runs"
    if not first.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _save(first, BEGUN)
    pages.mkdir(exist_ok=True)
    for record in site.seen.records:
        _save_if_new(pages / f"{record.id}.html", _run(site, record))
    known = {record.id for record in site.seen.records}
    for old in pages.glob("*.html"):
        if names.RUN.fullmatch(old.stem) and old.stem not in known:
            old.unlink()
    _save(folder / "descriptions.html", _descriptions(site))
    _save(first, _index(site))
    return first


def _is_ours(page: Path) -> bool:
    try:
        return GENERATOR in page.read_text(encoding="utf-8")[:2000]
    except (OSError, ValueError):
        return False


def _save(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _save_if_new(path: Path, text: str) -> None:
    """Write a page if it differs, without waiting for the disk: a page that a kill cut off is written again next time."""
    with contextlib.suppress(OSError, ValueError):
        if path.read_text(encoding="utf-8") == text:
            return
    path.write_text(text, encoding="utf-8")


def _index(site: Site) -> str:
    records = site.seen.records
    states = {record.id: record.status for record in records}
    rows = runs_table.table(records)
    protocols = sorted({record.protocol for record in records if record.protocol})
    return render(
        "site_index",
        generator=Markup(GENERATOR),
        place=Path(site.store.place).name,
        counts=Counter(states.values()),
        records=records,
        rows=[_row(site, row, states) for row in rows],
        varied=list(rows[0].asked) if rows else [],
        alike=runs_table.unchanged(rows),
        results=MAIN,
        asked=[column for column in RUN if column not in WHICH],
        result=[column for column in RESULT if column is not PROTOCOL or len(protocols) > 1],
        seeds=_seeds(site),
        heads=HEADS,
        interval=INTERVAL,
        protocols=protocols,
        settings=sorted({record.setting for record in records if record.setting}),
        unreadable=[_without_place(line, site.store) for line in site.seen.unreadable],
        artifacts=len(site.seen.artifacts),
        bytes=size(sum(a.manifest.bytes for a in site.seen.artifacts.values())),
        versions=len(site.seen.texts.versions),
        bundles=[_bundle(site, a) for a in site.seen.of_stage("bundle")],
        orphans=[_orphan(site, a) for a in site.seen.without_run("evaluation")],
    )


def _seeds(site: Site) -> dict[str, Any]:
    """The runs that differ in their seed alone as one row each, beside the best row of their kind."""
    rows = runs_table.table(site.seen.records, sort="unseen", seeds=True)
    beside = [standing.cells() for standing in standings(rows, "unseen")]
    return {
        "rows": list(zip(rows, beside, strict=True)),
        "varied": list(rows[0].asked) if rows else [],
        "left_out": runs_table.left_out(site.seen.records, rows),
    }


def _row(site: Site, row: runs_table.Row, states: Mapping[str, str]) -> dict[str, Any]:
    record = row.newest
    return {
        "r": record,
        "row": row,
        "state": states[record.id],
        "links": _links(site, record, site.folder),
        "gone": "evaluation" in record.stages
        and ("evaluation", record.stages["evaluation"]) not in site.seen.artifacts,
    }


def _run(site: Site, record: RunRecord) -> str:
    there = {stage: site.seen.artifacts.get((stage, name)) for stage, name in record.stages.items()}
    outcomes = [
        Outcome(s, a, hit=s in record.hits, choice=Choice(a, "recorded") if s in record.reused else None)
        for s in NAMES
        if (a := there.get(s)) is not None
    ]
    graph = drawing.svg(outcomes, {o.stage: f"#{o.stage}" for o in outcomes}) if outcomes else ""
    near = site.seen.nearest.get(record.id)
    known = {other.id for other in site.seen.records}
    evaluation = there.get("evaluation")
    metrics = record.metrics or (evaluation.manifest.metrics if evaluation is not None else {})
    return render(
        "site_run",
        r=record,
        state=record.status,
        results=MAIN,
        result=result_rows(metrics),
        gone="evaluation" in record.stages and evaluation is None,
        graph=Markup(graph),
        stages=[
            {"stage": stage, "fingerprint": name, "a": there[stage], "how": record.how(stage)}
            for stage, name in record.stages.items()
        ],
        known=known,
        near=near,
        differs=_differs(near, record) if near is not None else [],
        gains=_gains(near, record) if near is not None else [],
        links=_links(site, record, site.folder / "runs"),
        size=size,
    )


def _differs(near: RunRecord, record: RunRecord) -> list[tuple[str, str, str]]:
    theirs, mine = near.asked, record.asked
    keys = [key for key in {**theirs, **mine} if theirs.get(key) != mine.get(key)]
    return [(key, theirs.get(key, runs.USUAL), mine.get(key, runs.USUAL)) for key in keys]


def _gains(near: RunRecord, record: RunRecord) -> list[tuple[str, float, float]]:
    both = near.metrics, record.metrics
    return [(g, both[0][g], both[1][g]) for g in MAIN if all(g in m for m in both)]


def _links(site: Site, record: RunRecord, start: Path) -> dict[str, str]:
    """{what: address} of the run's pages in the store that are on this machine, seen from the folder `start`."""
    own = Path(".runs") / record.id
    places = [("lineage", own / "index.html"), ("report", own / "report.html")]
    if "evaluation" in record.stages:  # of runs of early versions, which have no report of their own
        places.append(("report", Path("evaluation") / record.stages["evaluation"] / "report.html"))
    found = {what: path for what, path in reversed(places) if (site.store.root / path).is_file()}
    return {what: _address(site, found[what], start) for what in ("lineage", "report") if what in found}


def _address(site: Site, path: Path, start: Path) -> str:
    """The address of a page of the store; a site that is a copy gets its own copy of the page."""
    source = site.store.root / path
    if not site.copy:
        return quote(os.path.relpath(source, start))
    if path.parts[0] == ".runs":  # all pages of the run, which lead to each other
        place = site.folder / "lineage" / path.parent.name / path.name
        copied = {file: place.with_name(file.name) for file in source.parent.glob("*.html")}
    else:
        place = site.folder / "reports" / f"{path.parent.name}.html"
        copied = {source: place}
    place.parent.mkdir(parents=True, exist_ok=True)
    for old, new in copied.items():
        if not new.is_file() or new.stat().st_mtime < old.stat().st_mtime:
            _save(new, _MANIFEST.sub(r"\1", old.read_text(encoding="utf-8")))
    return quote(os.path.relpath(place, start))


def _without_place(line: str, store: Store) -> str:
    """A message without the path of the store's folder, which others need not know."""
    return line.removeprefix(f"{store.place}/.runs/")


def _bundle(site: Site, artifact: Artifact) -> dict[str, Any]:
    """What the page says about a bundle: its setting, how to use it, and which runs made or found it."""
    users = [r for r in site.seen.records if r.stages.get("bundle") == artifact.fingerprint]
    place = f"{Path(site.store.place).name}/bundle/{artifact.fingerprint}"
    return {
        "a": artifact,
        "size": size(artifact.manifest.bytes),
        "setting": artifact.manifest.config.get("setting", UNSAID),
        "unseen": users[-1].metrics.get("unseen") if users else None,
        "files": [f"{place}/{name}" for name in artifact.names("*.safetensors")],
        "runs": users,
    }


def _orphan(site: Site, artifact: Artifact) -> dict[str, Any]:
    path = Path("evaluation") / artifact.fingerprint / "report.html"
    there = (site.store.root / path).is_file()
    return {"a": artifact, "report": _address(site, path, site.folder) if there else None}


def _descriptions(site: Site) -> str:
    texts = site.seen.texts
    used = {name for version in texts.versions for name in version.fingerprints}
    removed = [r for r in site.seen.records if r.stages.get("descriptions", "") not in used | {""}]
    return render(
        "site_descriptions",
        texts=texts,
        classes=texts.classes or {},
        removed=removed,
        most_runs=RUNS,
        most_texts=TEXTS,
        several=sum(len(own) > 1 for own in (texts.classes or {}).values()),
    )
