"""`ezhoi artifacts`: look at the store, check it, shrink it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import lookup, options, texts_shown
from flows.pages import markdown
from pipeline.engine import causes
from pipeline.errors import StoreError
from pipeline.outside.escaping import plain
from pipeline.store import compare, marks, runs
from pipeline.store import lineage as lineages
from pipeline.store.artifact import Artifact
from pipeline.store.store import Store

app = typer.Typer(no_args_is_help=True, help="Look at the artifact store, check it, shrink it.")


@app.command("list")
def list_artifacts(
    stage: Annotated[str | None, typer.Argument(help="List only artifacts of this stage.")] = None,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    as_json: options.Json = False,
) -> None:
    """List what is in the store, oldest first, and how many runs refer to it.

    Example: ezhoi artifacts list seen
    """
    store = lookup.store(profile, overrides)
    found = store.artifacts(stage)
    uses = Counter((s, f) for record in runs.records(store) for s, f in record.stages.items())
    kept = marks.read(store)
    if as_json:
        rows = [summary(a) | {"runs": uses[a.stage, a.fingerprint]} for a in found]
        typer.echo(json.dumps(rows, indent=1))
        return
    for a in found:
        made = a.manifest.made_at[:19].replace("T", " ")
        size, count = markdown.size(a.manifest.bytes), uses[a.stage, a.fingerprint]
        mark = kept.get(a.fingerprint)
        said = "" if mark is None else f"  kept{': ' * bool(mark.note)}{mark.note}"
        typer.echo(
            plain(f"{a.stage:<17} {a.fingerprint[:12]}  {made}  {size:>9}  {count} run{'s' * (count != 1)}{said}")
        )
    total = markdown.size(sum(a.manifest.bytes for a in found))
    typer.echo(f"{len(found)} artifacts, {total} in {store.place}")
    if broken := len(store.unusable(stage)):
        typer.echo(f"{broken} more cannot be used; `ezhoi artifacts verify` says why")


@app.command()
def show(
    reference: options.Reference,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    as_json: options.Json = False,
) -> None:
    """Show one artifact: inputs, configuration, files, metrics and where it was made.

    Example: ezhoi artifacts show evaluation
    """
    artifact = lookup.artifact(lookup.store(profile, overrides), reference)
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
    overrides: options.Overrides = None,
    as_json: options.Json = False,
) -> None:
    """Read every byte again and compare with the digests; the exit code is 1 if a file is damaged or missing.

    A damaged artifact is never used: its stage runs again by itself.

    Example: ezhoi artifacts verify
    """
    store = lookup.store(profile, overrides)
    found = [lookup.artifact(store, r) for r in references] if references else store.artifacts()
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
def lineage(
    reference: options.Reference,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a mermaid graph.")] = False,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    as_json: options.Json = False,
) -> None:
    """Show what an artifact was made from, down to the annotations.

    Example: ezhoi artifacts lineage evaluation
    """
    store = lookup.store(profile, overrides)
    artifact = lookup.artifact(store, reference)
    if mermaid:
        typer.echo(markdown.mermaid(list(lineages.upstream(artifact, store).values())))
    elif as_json:
        typer.echo(json.dumps(_tree(artifact, store), indent=1))
    else:
        _print_tree(artifact, store, set(), "")


@app.command()
def diff(
    old: options.Reference,
    new: options.Reference,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    as_json: options.Json = False,
) -> None:
    """Say why two artifacts of one stage differ, down to the root: which configuration, input or code differs.

    Where descriptions are among the causes, the texts that changed are shown, and how similar they stayed. It names the unseen
    classes that have another nearest seen class now and, for two evaluations, the classes that gained and lost most.

    Example: ezhoi artifacts diff evaluation/3f2a evaluation/91c0
    """
    store = lookup.store(profile, overrides)
    a, b = lookup.artifact(store, old), lookup.artifact(store, new)
    if a.stage != b.stage:
        raise StoreError(f"{old} is of stage {a.stage} and {new} of stage {b.stage}: compare artifacts of one stage")
    found = causes.of_artifacts(a, b, store)
    files = compare.files(a.manifest, b.manifest)
    described = [lineages.upstream(x, store).get("descriptions") for x in (a, b)]
    one, other = described if described[0] != described[1] else (None, None)
    texts = None if one is None or other is None or one.digest == other.digest else (one, other)
    if as_json:
        compared = {
            "differences": [asdict(d) for d in compare.manifests(a.manifest, b.manifest, store)],
            "causes": [{"stage": c.stage} | asdict(c.difference) for c in found.found],
            "files": files,
            "moves": [asdict(move) for move in found.moves],
        }
        typer.echo(json.dumps(compared | (texts_shown.difference(*texts, store) if texts else {}), indent=1))
        return
    typer.echo(f"{a.stage}: {a.fingerprint[:12]} -> {b.fingerprint[:12]}")
    for cause in found.found:
        typer.echo(plain(f"  {cause.stage}: {cause}"))
    if not found.found:
        typer.echo(f"  {(found.gone or ['made from the same things'])[0]}")
    if found.changed:
        typer.echo(f"  stages whose content differs: {', '.join(found.changed)}")
    typer.echo(f"  files that differ: {', '.join(files)}" if files else "  all files are identical")
    for move in found.moves:
        typer.echo(plain(f"  nearest seen class of {move}"))
    if texts is not None:
        texts_shown.show_difference(*texts, store, moves=not found.moves)
    if a.stage == "evaluation" and files:
        _show_gains(a, b)


def _show_gains(old: Artifact, new: Artifact) -> None:
    """Show what another evaluation gained, and the classes that gained and lost most."""
    from pipeline.engine import verdict

    compared = verdict.compare(old, new)
    for group, gain in compared.gains.items():
        typer.echo(f"  mAP {group:<7} {gain}")
    if compared.why_no_interval:
        typer.echo(plain(f"  no interval: {compared.why_no_interval}"))
    for note in compared.notes:
        typer.echo(plain(f"  note: {note}"))
    rows = compared.classes
    for title, some in (("gained most", rows[:5]), ("lost most", rows[-5:][::-1])):
        moved = [row for row in some if (row["difference"] > 0) == title.startswith("gained")]
        if moved:
            shown = ", ".join(f"{row['name']} {row['difference']:+.1f}" for row in moved)
            typer.echo(plain(f"  {title}: {shown}"))


@app.command()
def adopt(
    folder: Annotated[Path, typer.Argument(help="An artifact's folder, such as old-store/seen/FINGERPRINT.")],
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """Take a training of an earlier version into the store, as the one that this configuration asks for.

    A release may change fingerprints; then this saves a new training. Everything that can be compared has to agree: the files
    with their manifest, the configuration, the weights that were read, and the inputs that have the same parts as then. To
    adopt it once more changes nothing.

    Example: ezhoi artifacts adopt /data/old/seen/3f2a9c0d --profile hico-vitb --set setting=uv
    """
    from pipeline.engine import adoption

    config = lookup.configuration(profile, overrides)
    adopted = adoption.adopt(folder, config=config, store=lookup.store(profile, overrides))
    typer.echo(f"{adopted.artifact.stage}/{adopted.artifact.fingerprint[:12]} is what the configuration asks for now")
    if adopted.unknown:
        typer.echo(f"not compared, because the stage read other files of them then: {', '.join(adopted.unknown)}")


def summary(artifact: Artifact) -> dict[str, Any]:
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
    return summary(artifact) | {"inputs": sources}


def _print_tree(artifact: Artifact, store: Store, seen: set[str], indent: str) -> None:
    """Print a tree; a branch that was printed above is only named."""
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
