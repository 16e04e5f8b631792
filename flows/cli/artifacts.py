"""`ezhoi artifacts`: look at the store, check it, shrink it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import options, texts_shown
from flows.pages import markdown
from pipeline.errors import StoreError
from pipeline.outside.escaping import plain
from pipeline.store import compare, runs
from pipeline.store import lineage as lineages
from pipeline.store.artifact import Artifact
from pipeline.store.runs import Garbage
from pipeline.store.store import Store

app = typer.Typer(no_args_is_help=True, help="Look at the artifact store, check it, shrink it.")
Reference = Annotated[
    str, typer.Argument(help="A fingerprint or its start, stage/fingerprint, or a stage (its newest).")
]


@app.command("list")
def list_artifacts(
    stage: Annotated[str | None, typer.Argument(help="Only this stage's.")] = None,
    profile: options.Profile = "demo",
    settings: options.Settings = None,
    as_json: options.Json = False,
) -> None:
    """List what is in the store, oldest first, and how many runs refer to it.

    Example: ezhoi artifacts list seen
    """
    store = options.store(profile, settings)
    found = store.artifacts(stage)
    uses = Counter((s, f) for record in runs.records(store) for s, f in record.stages.items())
    if as_json:
        rows = [_summary(a) | {"runs": uses[a.stage, a.fingerprint]} for a in found]
        typer.echo(json.dumps(rows, indent=1))
        return
    for a in found:
        made = a.manifest.made_at[:19].replace("T", " ")
        size, count = markdown.size(a.manifest.bytes), uses[a.stage, a.fingerprint]
        typer.echo(f"{a.stage:<17} {a.fingerprint[:12]}  {made}  {size:>9}  {count} run{'s' * (count != 1)}")
    total = markdown.size(sum(a.manifest.bytes for a in found))
    typer.echo(f"{len(found)} artifacts, {total} in {store.place}")


@app.command()
def show(
    reference: Reference,
    profile: options.Profile = "demo",
    settings: options.Settings = None,
    as_json: options.Json = False,
) -> None:
    """Show one artifact: inputs, configuration, files, metrics and where it was made.

    Example: ezhoi artifacts show evaluation
    """
    artifact = options.artifact(options.store(profile, settings), reference)
    manifest = artifact.manifest
    if as_json:
        typer.echo(json.dumps({"folder": artifact.place} | manifest.model_dump(mode="json"), indent=1))
        return
    commit = "" if manifest.git_commit is None else f", git {manifest.git_commit[:10]}{'+' * bool(manifest.git_dirty)}"
    lines = [
        f"{artifact.stage}/{artifact.fingerprint}",
        f"  folder  {artifact.place}",
        f"  digest  {manifest.digest}",
        f"  made    {manifest.made_at[:19]} on {manifest.host}{commit}, stage version {manifest.version}",
        "  seconds " + ", ".join(f"{kind} {value:.1f}" for kind, value in manifest.seconds.items()),
    ]
    rows = {f.name: "" if f.rows is None else f"  {f.rows:,} rows" for f in manifest.files}
    lines += [f"  input   {r.stage}/{r.fingerprint[:12]} ({', '.join(r.part)})" for r in manifest.inputs]
    lines += [f"  file    {f.name}  {markdown.size(f.bytes)}{rows[f.name]}" for f in manifest.files]
    lines += [f"  config  {key} = {value}" for key, value in compare.flatten(manifest.config).items()]
    lines += [f"  metric  {key} = {value}" for key, value in compare.flatten(manifest.metrics).items()]
    typer.echo(plain("\n".join(lines)))


@app.command()
def verify(
    references: Annotated[list[str] | None, typer.Argument(help="What to check; everything if left out.")] = None,
    profile: options.Profile = "demo",
    settings: options.Settings = None,
    as_json: options.Json = False,
) -> None:
    """Read every byte again and compare with the digests; exit code 1 if a file is damaged or missing.

    Damage is never used silently: the stage of a damaged artifact runs again by itself.

    Example: ezhoi artifacts verify
    """
    store = options.store(profile, settings)
    found = [options.artifact(store, r) for r in references] if references else store.artifacts()
    faults = [fault for artifact in found for fault in store.faults(artifact, rehash=True)]
    if not references:
        faults += [broken.fault for broken in store.unusable()] + runs.read(store)[1]
    if as_json:
        typer.echo(json.dumps({"checked": len(found), "faults": faults}, indent=1))
    else:
        for fault in faults:
            typer.echo(fault)
        typer.echo(f"{len(found)} artifacts checked, {len(faults)} fault{'s' * (len(faults) != 1)}")
    if faults:
        raise typer.Exit(1)


@app.command()
def gc(
    keep: Annotated[int, typer.Option("--keep", min=0, help="Runs of each profile whose artifacts stay.")] = 3,
    work: Annotated[bool, typer.Option("--work", help="Also interrupted work, which a run would continue.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    profile: options.Profile = "demo",
    settings: options.Settings = None,
    as_json: options.Json = False,
) -> None:
    """Remove what none of the last runs used; say first what would go, and ask.

    What a running run uses stays too: one of this machine as long as its process lives, one of another machine until seven
    days after its last finished stage. If the record of a run cannot be read, nothing is removed.

    Example: ezhoi artifacts gc --keep 1 --dry-run
    """
    store = options.store(profile, settings)
    garbage = runs.garbage(store, keep_runs=keep, work=work)
    if as_json:
        rows = [_summary(a) for a in garbage.artifacts]
        unusable = [asdict(u) for u in garbage.unusable]
        others = {"work": garbage.work, "runs": garbage.runs, "unusable": unusable, "leftovers": garbage.leftovers}
        typer.echo(json.dumps({"artifacts": rows} | others | {"bytes": garbage.bytes}, indent=1))
    else:
        _show_garbage(garbage, store, keep)
    if dry_run or garbage.empty:
        return
    if not yes and not typer.confirm("Remove?", err=True):
        raise typer.Exit(1)
    runs.collect(store, garbage)


def _show_garbage(garbage: Garbage, store: Store, keep: int) -> None:
    """Every single thing that would go."""
    for a in garbage.artifacts:
        typer.echo(f"{a.stage}/{a.fingerprint}  {markdown.size(a.manifest.bytes)}")
    for u in garbage.unusable:
        typer.echo(f"{u.stage}/{u.fingerprint}  {markdown.size(u.bytes)}, of no use: {u.fault}")
    for fingerprint in garbage.work:
        typer.echo(f"interrupted work {store.place}/.work/{fingerprint}")
    for name in garbage.leftovers:
        typer.echo(f"left by a process that is gone: {name}")
    for run in garbage.runs:
        typer.echo(f"record and pages of run {run}")
    count = len(garbage.artifacts) + len(garbage.unusable) + len(garbage.work) + len(garbage.leftovers)
    records = f" and {len(garbage.runs)} run{'s' * (len(garbage.runs) != 1)}" if garbage.runs else ""
    typer.echo(f"{count} to remove{records}, {markdown.size(garbage.bytes)}; the last {keep} runs of each profile stay")


@app.command()
def lineage(
    reference: Reference,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a mermaid graph.")] = False,
    profile: options.Profile = "demo",
    settings: options.Settings = None,
    as_json: options.Json = False,
) -> None:
    """Show what an artifact was made from, down to the annotations.

    Example: ezhoi artifacts lineage evaluation
    """
    store = options.store(profile, settings)
    artifact = options.artifact(store, reference)
    if mermaid:
        typer.echo(markdown.mermaid(list(lineages.upstream(artifact, store).values())))
    elif as_json:
        typer.echo(json.dumps(_tree(artifact, store), indent=1))
    else:
        _print_tree(artifact, store, set(), "")


@app.command()
def diff(
    old: Reference,
    new: Reference,
    profile: options.Profile = "demo",
    settings: options.Settings = None,
    as_json: options.Json = False,
) -> None:
    """Say why two artifacts of one stage differ: configuration, inputs, files read, code, packages.

    Of descriptions it also shows the texts that changed, how similar they stayed, and which unseen classes got another
    nearest seen class.

    Example: ezhoi artifacts diff evaluation/3f2a evaluation/91c0
    """
    store = options.store(profile, settings)
    a, b = options.artifact(store, old), options.artifact(store, new)
    if a.stage != b.stage:
        raise StoreError(f"{old} is of stage {a.stage} and {new} of stage {b.stage}: only one stage's can be compared")
    found = compare.manifests(a.manifest, b.manifest, store)
    files = compare.files(a.manifest, b.manifest)
    if as_json:
        texts = texts_shown.difference(a, b, store) if a.stage == "descriptions" else {}
        typer.echo(json.dumps({"differences": [asdict(d) for d in found], "files": files} | texts, indent=1))
        return
    typer.echo(f"{a.stage}: {a.fingerprint[:12]} -> {b.fingerprint[:12]}")
    for difference in found:
        typer.echo(plain(f"  {difference}"))
    if not found:
        typer.echo("  made from the same things")
    typer.echo(f"  files that differ: {', '.join(files)}" if files else "  all files are identical")
    if a.stage == "descriptions" and files:
        texts_shown.show_difference(a, b, store)


@app.command()
def adopt(
    folder: Annotated[Path, typer.Argument(help="An artifact's folder, such as old-store/seen/FINGERPRINT.")],
    profile: options.Profile = "demo",
    settings: options.Settings = None,
) -> None:
    """Take a training of an earlier version into the store, as the one that this configuration asks for.

    A release may change fingerprints; this saves training again. Everything that can be compared has to agree: the files with
    their manifest, the configuration, the weights that were read, the inputs that are still cut as they were.

    Example: ezhoi artifacts adopt /data/old/seen/3f2a9c0d --profile hico-vitb --set setting=uv
    """
    from pipeline.engine import adoption

    config = options.configuration(profile, settings)
    adopted = adoption.adopt(folder, config=config, store=options.store(profile, settings))
    typer.echo(f"{adopted.artifact.stage}/{adopted.artifact.fingerprint[:12]} is what the configuration asks for now")
    if adopted.unknown:
        typer.echo(f"not compared, because they are cut otherwise than in its time: {', '.join(adopted.unknown)}")


def _summary(artifact: Artifact) -> dict[str, Any]:
    m = artifact.manifest
    return {"stage": m.stage, "fingerprint": m.fingerprint, "digest": m.digest, "bytes": m.bytes, "made_at": m.made_at}


def _tree(artifact: Artifact, store: Store, below: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The artifact with all that it was made from; `below` are the stages that were made from it."""
    sources = []
    below |= {artifact.stage}
    for record in artifact.manifest.inputs:
        source = None if record.stage in below else lineages.source(record, store)
        gone = {"stage": record.stage, "fingerprint": record.fingerprint, "removed": True}
        sources.append(gone if source is None else _tree(source, store, below))
    return _summary(artifact) | {"inputs": sources}


def _print_tree(artifact: Artifact, store: Store, seen: set[str], indent: str) -> None:
    """A branch that was printed above is named only."""
    again = artifact.fingerprint in seen
    seen.add(artifact.fingerprint)
    made = artifact.manifest.made_at[:16].replace("T", " ")
    typer.echo(f"{indent}{artifact.stage}/{artifact.fingerprint[:12]}  {made}" + ("  (see above)" if again else ""))
    if again:
        return
    for record in artifact.manifest.inputs:
        source = lineages.source(record, store)
        if source is None:
            why = lineages.gone(record, store)
            typer.echo(f"{indent}  {record.stage}/{record.fingerprint[:12]}  {why}")
        else:
            _print_tree(source, store, seen, indent + "  ")
