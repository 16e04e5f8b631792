"""`ezhoi describe`: make the descriptions, look at prompts and texts, change one, exchange them with files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import click
import typer

from flows.cli import display, lookup, options
from pipeline.config.tree import Config
from pipeline.datasets import configured
from pipeline.errors import DataError, EzhoiError, StoreError
from pipeline.outside.escaping import plain
from pipeline.store.artifact import Artifact
from pipeline.store.opening import store_of
from pipeline.vocabulary.vocabulary import Hoi, Vocabulary

app = typer.Typer(help="Make descriptions, preview prompts, change single texts, import and export.")
Name = Annotated[str, typer.Argument(metavar="CLASS", help="A class, such as 'ride horse'.")]


@app.callback(invoke_without_command=True)
def describe(
    context: typer.Context,
    preview: Annotated[
        str | None, typer.Option("--preview", metavar="CLASS", help="Only show what would be asked about this class.")
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Fail if any text fails the quality gate, which finds texts that surely do not describe their class: "
            "refusals, other languages, other objects, texts that are too short or not finished.",
        ),
    ] = False,
    separability: Annotated[
        bool,
        typer.Option("--separability", help="Also embed the texts, and show which classes are hard to tell apart."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Ask again even if the texts are in the store.")] = False,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """Make the descriptions of all classes and report on them.

    Examples:

    ezhoi describe --preview "ride horse" --set descriptions.template=paper-describe-v1

    ezhoi describe --separability

    ezhoi describe --strict --set descriptions.source=llm --set llm.runtime.base_url=http://127.0.0.1:8000/v1
    """
    if context.invoked_subcommand is not None:
        return
    chosen = [*(overrides or []), *(["descriptions.tolerated=0"] if strict else [])]
    config = lookup.configuration(profile, chosen)
    if preview is not None:
        _preview(config, preview)
        return
    from flows.cli import texts_shown
    from pipeline.engine import run

    target = "text_embeddings" if separability else "descriptions"
    with display.watching() as progress:
        outcomes = run.run(config, targets=(target,), force=("descriptions",) if force else (), progress=progress)
    made = outcomes["descriptions"]
    texts_shown.show_report(made.artifact)
    if separability:
        texts_shown.show_separability(outcomes["text_embeddings"].artifact)
    typer.echo(f"{'cached' if made.hit else 'computed'}: {made.artifact.place}")


@app.command()
def show(name: Name, profile: options.Profile = "demo", overrides: options.Overrides = None) -> None:
    """Show the text of a class in the configuration's descriptions, and all that is known about how it was made.

    Example: ezhoi describe show "ride horse"
    """
    artifact = lookup.asked("descriptions", profile, overrides)
    hoi = lookup.hoi_class(name, lookup.vocabulary_of(artifact, profile, overrides))
    row = _row(artifact, hoi)
    how = artifact.table("provenance.parquet")
    more = how[how["hoi_id"] == hoi.hoi_id].drop(columns="hoi_id").to_dict("records")
    for key, value in (row | {str(k): v for part in more for k, v in part.items()}).items():
        if not _is_missing(value):
            shown = value if isinstance(value, str) else json.dumps(value, default=_plain, ensure_ascii=False)
            typer.echo(f"{key:<18} {plain(shown)}")
    typer.echo(f"{'artifact':<18} {artifact.place}")


@app.command()
def pairs(profile: options.Profile = "demo", overrides: options.Overrides = None) -> None:
    """Show the unseen classes of the configuration's disparities, each with the seen class it is compared with, nearest first.

    Example: ezhoi describe pairs
    """
    from flows.cli import texts_shown

    artifact = lookup.asked("disparities", profile, overrides)
    texts_shown.show_pairs(artifact, lookup.vocabulary_of(artifact, profile, overrides))


@app.command()
def edit(
    name: Name,
    text: Annotated[str | None, typer.Option("--text", help="The new text; without it, an editor opens.")] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="The file of edits; if left out, that of descriptions.edits, or edits.yaml."),
    ] = None,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """Replace one class's description by hand. The next run with that file recomputes only what depends on it.

    Example: ezhoi describe edit "ride horse" --text "A person sits high on a horse, both hands at the reins."
    """
    from pipeline.texts import edits
    from pipeline.texts.judge import PASSED, judge

    config = lookup.configuration(profile, overrides)
    vocabulary = lookup.vocabulary(config)
    hoi = lookup.hoi_class(name, vocabulary)
    path = file or config.descriptions.edits or Path("edits.yaml")
    if text is None:
        text = _edited(_current(path, hoi, vocabulary, config), hoi)
    edits.put(path, hoi.name, " ".join(text.split()), vocabulary)
    typer.echo(plain(f"{path}: {hoi.name}: {' '.join(text.split())}"))
    verdict = judge(text, about=hoi, among=vocabulary)
    if verdict != PASSED:
        typer.secho(f"note: the quality gate says: {verdict}", fg="yellow", err=True)
    chosen = [*(overrides or []), f"descriptions.edits={path}"]
    _show_plan(lookup.configuration(profile, chosen), hoi)
    typer.echo(f"use it: ezhoi run --set descriptions.edits={path}")


@app.command("import")
def import_texts(
    file: Annotated[Path, typer.Argument(help="CSV, JSON, Parquet, or a text file of the released code.")],
    to: Annotated[Path | None, typer.Option("--to", help="Write them as .csv, .json or .parquet.")] = None,
    disparities: Annotated[bool, typer.Option("--disparities", help="The file compares pairs of classes.")] = False,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """Read a file of texts as a run would, and say what is in it. A run reads it with descriptions.file.

    Example: ezhoi describe import texts.csv
    """
    from collections import Counter

    from pipeline.texts.given import tables, texts
    from pipeline.texts.judge import PASSED, judge

    if to is not None:
        options.demand_another_file(to, file)
    vocabulary = lookup.vocabulary(lookup.configuration(profile, overrides))
    rows: list[dict[str, Any]] = []
    if disparities:
        for hoi_id, (other, given) in texts.disparities(file, vocabulary).items():
            rows.append({"class": vocabulary.hoi(hoi_id).name, "other": vocabulary.hoi(other).name, "text": given.text})
    else:
        for hoi_id, given in texts.descriptions(file, vocabulary).items():
            rows.append({"class": vocabulary.hoi(hoi_id).name, "text": given.text})
    verdicts = Counter(
        judge(row["text"], about=vocabulary.find(row["class"]), among=vocabulary, compared=disparities).partition(" (")[
            0
        ]
        for row in rows
    )
    fine = verdicts.pop(PASSED, 0)
    others = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    typer.echo(f"{file}: {len(rows)} texts; the quality gate passes {fine}" + (f"; {others}" if others else ""))
    if to is not None:
        tables.write(to, rows)
        typer.echo(f"written: {to}")
    key = "disparities" if disparities else "descriptions"
    typer.echo(f"use it: ezhoi run --set {key}.source=file --set {key}.file={to or file}")


@app.command("export")
def export_texts(
    file: Annotated[
        Path, typer.Argument(help="The file to write: .csv, .json, .parquet, or .txt in the released code's format.")
    ],
    reference: Annotated[
        str | None, typer.Option("--artifact", help="The artifact to export; the configuration's if left out.")
    ] = None,
    disparities: Annotated[bool, typer.Option("--disparities", help="Export the disparities instead.")] = False,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """Write texts of the store to a file that `import` reads again.

    Example: ezhoi describe export texts.csv
    """
    from pipeline.texts.given import released, tables

    stage = "disparities" if disparities else "descriptions"
    if reference is None:
        artifact = lookup.asked(stage, profile, overrides)
    else:
        artifact = lookup.artifact(lookup.store(profile, overrides), reference)
    if artifact.stage != stage:
        raise DataError(f"{reference} is an artifact of stage {artifact.stage}; expected one of {stage}")
    vocabulary = lookup.vocabulary_of(artifact, profile, overrides)
    table = artifact.table(f"{stage}.parquet").to_dict("records")
    if file.suffix == ".txt" and disparities:
        released.write_pairs(file, {(int(r["hoi_id"]), int(r["seen_hoi_id"])): str(r["text"]) for r in table})
    elif file.suffix == ".txt":
        released.write(file, {int(r["hoi_id"]): str(r["text"]) for r in table}, vocabulary)
    else:
        rows: list[dict[str, Any]] = []
        for r in table:
            row: dict[str, Any] = {"class": vocabulary.hoi(int(r["hoi_id"])).name, "hoi_id": int(r["hoi_id"])}
            if disparities:
                row["other"] = vocabulary.hoi(int(r["seen_hoi_id"])).name
            more = {key: r[key] for key in ("text", "source", "verdict", "model", "template")}
            rows.append(row | {key: value if isinstance(value, str) else None for key, value in more.items()})
        tables.write(file, rows)
    typer.echo(f"{len(table)} texts of {artifact.stage}/{artifact.fingerprint[:12]} in {file}")


def _preview(config: Config, name: str) -> None:
    """What a language model would be asked about the class; nothing is sent."""
    from pipeline.texts.llm import pictures
    from pipeline.texts.llm.templates import template

    vocabulary, section = lookup.vocabulary(config), config.descriptions
    hoi = lookup.hoi_class(name, vocabulary)
    wording = template(section.template, "describe", key="descriptions.template")
    rendered = wording.render(hoi)
    typer.echo(
        f"# {hoi.name}: {wording.name}, version {wording.version}" + (f" ({wording.says})" if wording.says else "")
    )
    if rendered.system:
        typer.echo(f"\nsystem:\n{rendered.system}")
    typer.echo(f"\nprompt:\n{rendered.prompt}")
    if section.pictures is not None:
        shown = pictures.read(section.pictures, vocabulary, most=section.pictures_per_class).get(hoi.hoi_id, ())
        typer.echo("\npictures: " + (", ".join(str(picture.path) for picture in shown) or "none of this class"))
    llm = config.llm
    typer.echo(
        f"\nmodel {llm.model}, temperature {llm.temperature}, top_p {llm.top_p}, max_tokens {llm.max_tokens}, "
        f"seed {llm.seed}"
    )
    if section.source == "lexicon":
        from pipeline.texts.lexicon import lexicon

        said = " ".join(lexicon.describe(hoi, section.template.text))
        typer.echo(f"\nnot asked, since descriptions.source is lexicon, which says:\n{said}")


def _row(artifact: Artifact, hoi: Hoi) -> dict[str, Any]:
    table = artifact.table("descriptions.parquet")
    rows = table[table["hoi_id"] == hoi.hoi_id].to_dict("records")
    if not rows:
        raise DataError(f"descriptions/{artifact.fingerprint[:12]} has no class {hoi.name!r}: its dataset lacks it")
    return {str(key): value for key, value in rows[0].items()}


def _is_missing(value: Any) -> bool:
    """Whether a cell is empty: None or NaN."""
    import pandas as pd

    return pd.api.types.is_scalar(value) and bool(pd.isna(value))


def _plain(value: Any) -> Any:
    """Arrays and numbers of other libraries, made plain lists and numbers."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _current(path: Path, hoi: Hoi, vocabulary: Vocabulary, config: Config) -> str:
    """The text to start from: that of the file of edits, else of the configuration's descriptions, else of the lexicon."""
    from pipeline.engine import plan
    from pipeline.texts import edits
    from pipeline.texts.lexicon import lexicon

    known = edits.read(path, vocabulary) if path.exists() else {}
    if hoi.hoi_id in known:
        return known[hoi.hoi_id]
    try:
        return str(_row(plan.asked(config, store_of(config), "descriptions"), hoi)["text"])
    except (StoreError, DataError):  # not made yet, or of a dataset without the class
        return " ".join(lexicon.describe(hoi, config.descriptions.template.text))


def _edited(text: str, hoi: Hoi) -> str:
    shown = f"{text}\n\n# {hoi.name}. Lines that begin with # are left out; close without saving to change nothing.\n"
    answer = click.edit(shown, extension=".txt")
    if answer is None:
        raise EzhoiError("nothing was saved, so nothing changed")
    return "\n".join(line for line in answer.splitlines() if not line.startswith("#"))


def _show_plan(config: Config, edited: Hoi) -> None:
    """Show which stages the edit makes stale, if there is a store, and whether seen classes are trained again."""
    from pipeline.engine import plan

    hidden = edited.hoi_id in configured.unseen(config) and not config.seen.joint
    waiting = [status for status in plan.plan(config, store_of(config)) if status.state == "stale"]
    surely = [s.stage for s in waiting if not s.waits]
    # What the seen side reads has no text of an unseen class, so it comes out unchanged.
    maybe = [s.stage for s in waiting if s.waits and not (hidden and s.stage in ("seen", "pair_features"))]
    if surely:
        typer.echo(f"a run would compute: {', '.join(surely)}")
    if maybe:
        typer.echo(f"and, unless their inputs come out unchanged: {', '.join(maybe)}")
    if waiting and hidden:
        typer.echo(f"{edited.name} is unseen in {config.setting}: stage seen is not trained again")
