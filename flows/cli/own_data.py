"""`ezhoi data import`, `template`, `look` and `check` of pictures of one's own, from a labelling tool to a checked file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli import display, lookup, options
from pipeline.errors import DataError
from pipeline.machine.files import atomic, demand_writable
from pipeline.outside import walking

if TYPE_CHECKING:
    from pipeline.datasets.own.annotated import Annotated as Found
    from pipeline.datasets.own.annotated import FoundAnnotation
    from pipeline.datasets.own.pictures import Pictures
    from pipeline.outside.streaming import OnProgress
    from pipeline.work.work import Progress

Words = Annotated[
    Path | None,
    typer.Option(
        "--vocabulary",
        help="File of the verbs, objects and classes; vocabulary.yaml beside the annotations if left out.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--pictures",
        help="Folder of the pictures, where names and sizes are looked up; that of the annotations if left out.",
    ),
]


def import_(
    path: Annotated[
        Path, typer.Argument(help="An export of Label Studio, CVAT, LabelMe or PPDM's JSON, or its folder.")
    ],
    to: Annotated[Path, typer.Option("--to", help="The file to write, such as pictures/own.json.")],
    pictures: Folder = None,
    vocabulary: Words = None,
    faults: Annotated[
        Literal["error", "skip"],
        typer.Option(help="What to do about rows that cannot be used: write nothing, or leave them out."),
    ] = "error",
    annotator: Annotated[
        str | None, typer.Option(help="Label Studio: id or email of the annotator whose annotation is used.")
    ] = None,
    test_share: Annotated[
        float | None,
        typer.Option(min=0.01, max=0.99, help="Draw this share of the pictures as test split, and write it down."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=options.LARGEST_SEED, help="Seed of the drawn split.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Convert annotations of your own pictures into one file, own.json, and report what was left out and why.

    Example: ezhoi data import export.json --pictures pictures --to pictures/own.json
    """
    from pipeline.datasets.own import annotated, folder, summary, write

    options.demand_another_file(to, path, vocabulary)
    options.demand_ending(to, ".json", what="annotations are written as JSON")
    if path.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
    demand_writable(to)
    shown = _noted(path, pictures)
    with display.watching() as watch:
        on_progress = megabytes(watch, "reading")
        found = annotated.read(
            path, vocabulary=vocabulary, pictures=shown, annotator=annotator, on_progress=on_progress
        )
    if test_share is not None and len(found.rows.relations):
        _split(found, path, pictures, share=test_share, seed=seed)
    counts = summary.summary(found)
    if as_json:
        typer.echo(json.dumps(counts, indent=1, ensure_ascii=False))
    else:
        for line in summary.lines(counts):
            typer.echo(line)
    if faults == "error" and found.problems.of("E"):
        raise DataError(
            f"{to} is not written: {found.file} has errors, listed above. Mend them in the tool that wrote it, or leave these "
            "rows out with --faults skip"
        )
    if not len(found.rows.relations):
        raise DataError(f"{to} is not written: not one interaction of {found.file} can be used")
    with display.watching() as watch:
        write.write(
            to,
            annotated.file_content(found),
            on_progress=lambda done, total: watch("writing", done, total, "rows"),
        )
    beside = _with_vocabulary(found, vocabulary or folder.words_beside(found.file), to)
    if not as_json:
        typer.echo(f"{to} written{f', and {beside} beside it' if beside else ''}")


def _split(found: Found, path: Path, pictures: Path | None, *, share: float, seed: int) -> None:
    """Draw the split of pictures whose annotation gives none; DataError if it gives some."""
    from pipeline.datasets.own import dataset, splits

    if splits.stated(found.rows.images["split"].tolist()) is not None:
        raise DataError(f"{found.file} tells which pictures are for testing, so --test-share has nothing to draw")
    root = pictures or (path if path.is_dir() else path.parent)
    found.rows.images["split"] = dataset.split_by_rule(found, root, share=share, seed=seed)


def _pictures(path: Path, folder: Path | None) -> Pictures | None:
    """The pictures, if there are any; DataError if the named folder has none."""
    from pipeline.datasets.own.pictures import Pictures

    place = folder or (path if path.is_dir() else path.parent)
    if not place.is_dir():
        raise DataError(f"{place}: no such folder" if folder else f"{path}: no such file or folder")
    found = Pictures.under(place)
    if found:
        return found
    if folder is not None:
        raise DataError(f"--pictures {folder}: no picture is in this folder")
    return None


def _noted(path: Path, folder: Path | None) -> Pictures | None:
    """The pictures as of `_pictures`, with a note where there are none."""
    found = _pictures(path, folder)
    if found is None:
        place = path if path.is_dir() else path.parent
        says = f"note: no picture is in {place}, so names and sizes are taken as they are written; --pictures names a folder"
        typer.echo(says, err=True)
    elif found.passed:
        typer.echo(f"note: {walking.skipped_line(found.passed)}", err=True)
    return found


def _with_vocabulary(found: Found, used: Path | None, to: Path) -> str:
    """Write the vocabulary beside the file, if there is none yet; its name, or "" if there was one."""
    from pipeline.datasets.own.folder import VOCABULARY

    if used is None or any((to.parent / name).exists() for name in VOCABULARY):
        return ""
    with atomic(to.parent / VOCABULARY[0]) as temporary:
        shutil.copyfile(used, temporary)
    return VOCABULARY[0]


def megabytes(watch: Progress, what: str) -> OnProgress:
    """Shows how many megabytes of a file are done."""
    return lambda done, total: watch(what, done // 1_000_000, total // 1_000_000, "MB")


def check(
    found: FoundAnnotation,
    path: Path,
    pictures: Path | None,
    vocabulary: Path | None,
    *,
    open_pictures: bool,
    as_json: bool,
) -> bool:
    """Report on one's own annotations as they were found at a path; return whether they can be used as they are."""
    from pipeline.datasets.own import annotated, summary

    shown = _noted(path, pictures) if open_pictures else None
    annotations = annotated.read(path, vocabulary=vocabulary, pictures=shown, found=found)
    counts = summary.summary(annotations)
    good = not annotations.problems.of("E")
    if as_json:
        typer.echo(json.dumps(counts, indent=1, ensure_ascii=False))
        return good
    for line in summary.lines(counts):
        typer.echo(line)
    typer.secho("usable" if good else "not usable as it is", fg="green" if good else "red", bold=True)
    return good


def template(
    tool: Annotated[Literal["label-studio"], typer.Argument(help="The labelling tool.")],
    vocabulary: Words = None,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """Print the labelling configuration for a vocabulary, to be pasted into the tool.

    Example: ezhoi data template label-studio --vocabulary vocabulary.yaml
    """
    from pipeline.datasets.own import template as templates
    from pipeline.vocabulary import file

    words = file.read(vocabulary) if vocabulary else lookup.vocabulary(lookup.configuration(profile, overrides))
    typer.echo(templates.label_studio(words), nl=False)


def look(
    path: Annotated[Path, typer.Argument(help="Annotations of your own: a file, or its folder.")],
    to: Annotated[Path, typer.Option("--to", help="The page to write, an HTML file.")] = Path("look.html"),
    pictures: Folder = None,
    vocabulary: Words = None,
    count: Annotated[int, typer.Option(min=1, max=2_000, help="Pictures on the page.")] = 60,
) -> None:
    """Draw annotated pictures on one page; odd ones come first: reversed relations, tiny boxes, rare classes.

    Example: ezhoi data look pictures --to look.html
    """
    from flows.pages import annotation_page
    from pipeline.datasets.own import annotated

    options.demand_another_file(to, path, vocabulary)
    options.demand_ending(to, ".html", what="the page is HTML")
    demand_writable(to)
    place = pictures or (path if path.is_dir() else path.parent)
    shown = _pictures(path, pictures)
    if shown is None:
        raise DataError(f"{path}: no picture is in {place}, so nothing can be drawn; name their folder with --pictures")
    found = annotated.read(path, vocabulary=vocabulary, pictures=shown)
    text = annotation_page.page(found, place, count=count)
    with atomic(to) as temporary:
        temporary.write_text(text, encoding="utf-8")
    typer.echo(f"{min(count, len(found.rows.images)):,} of {len(found.rows.images):,} pictures are drawn in {to}")
