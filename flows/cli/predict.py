"""`ezhoi predict`: pictures in, drawn pictures, a table and a page out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli import display, options
from pipeline.outside.escaping import plain
from pipeline.predict.defaults import THRESHOLD, TOP

if TYPE_CHECKING:
    from pipeline.predict.boxes_file import BoxesFile
    from pipeline.predict.bundle import Header
    from pipeline.predict.folder import Folder
    from pipeline.predict.listing import Listed
    from pipeline.predict.predictor import Predictor

SHOWN = 10
"""Pictures that could not be read, of which the reason is told."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(predict)


def predict(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH...", help="Pictures, folders or patterns; - reads paths from stdin."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", metavar="BUNDLE", help="A bundle's file or fingerprint; else the newest in the store."
        ),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option("--boxes", "-b", help="Boxes of another detector: Parquet, or COCO's results (.json)."),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option("--detector", metavar="NAME|FOLDER", help="Detector of transformers; else the bundle's own."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder that everything is written to.")] = Path(
        "predicted"
    ),
    top: Annotated[int, typer.Option(min=1, help="Interactions that are told of a picture, the best.")] = TOP,
    threshold: Annotated[float, typer.Option(min=0, help="Least score of an interaction.")] = THRESHOLD,
    only: Annotated[
        list[str] | None, typer.Option(metavar="CLASS", help='Only this class, such as "ride horse". Can be repeated.')
    ] = None,
    idle: Annotated[
        bool, typer.Option("--idle", help='Draw pairs without an interaction too ("no interaction").')
    ] = False,
    clip: Annotated[Path | None, typer.Option(help="File of CLIP's weights, where the bundle's were a file.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    anew: Annotated[bool, typer.Option("--anew", help="Begin again in a folder that has other predictions.")] = False,
    profile: options.Profile = "demo",
    settings: options.Settings = None,
) -> None:
    """Say who does what with which object in pictures: drawn pictures, a table, JSON and a page to look at.

    Pictures are turned as their camera says. One that cannot be read is told at the end and stops nothing; the exit code is 1
    then. The same command again goes on where it was.

    Example: ezhoi predict photos/ --boxes boxes.parquet --out looked-at
    """
    from pipeline.predict import listing

    pictures = listing.pictures(_given(paths or []))
    bundle = options.bundle(model, profile, settings)
    from pipeline.predict import bundle as bundles

    header = bundles.read_header(bundle)
    typer.echo(f"model: {bundle} ({header.dataset}, {header.setting}, {len(header.classes.classes)} classes)", err=True)
    found = _boxes(boxes, pictures, header)
    if found is None and detector is None:
        from pipeline.predict import detecting

        detecting.of_bundle(header)  # refused before anything is loaded
    from pipeline.predict.predictor import Predictor
    from pipeline.work import torch_device

    predictor = Predictor.open(bundle, clip=clip, device=torch_device.named(device))
    predictor.ids(only or [])
    if found is None:
        predictor.detector = _detector(detector, header, device)
    about = _about(bundle, header, boxes, predictor) | {
        "top": top,
        "threshold": threshold,
        "only": list(only or []),
        "idle": idle,
    }
    from pipeline.predict import folder as folders

    folder = folders.opened(out, about, anew=anew)
    try:
        faults = _run(predictor, folder, pictures, found, about)
    finally:
        folder.close()
    for name, why in list(faults.items())[:SHOWN]:
        typer.echo(plain(f"not predicted: {why if name in why else f'{name}: {why}'}"), err=True)
    if len(faults) > SHOWN:
        typer.echo(f"and {len(faults) - SHOWN} more", err=True)
    if faults:
        raise typer.Exit(1)


def _given(paths: list[str]) -> list[str]:
    """The paths, with those of stdin in the place of -."""
    return [
        name for path in paths for name in (sys.stdin.read().splitlines() if path == "-" else [path]) if name.strip()
    ]


def _boxes(file: Path | None, pictures: list[Listed], header: Header) -> BoxesFile | None:
    if file is None:
        return None
    from pipeline.predict import boxes_file

    found = boxes_file.read(file, [picture.name for picture in pictures], header.classes)
    if found.without:
        typer.echo(f"{file} has no box of {found.without:,} of the {len(pictures):,} pictures", err=True)
    return found


def _detector(name: str | None, header: Header, device: str) -> Any:
    from pipeline.predict import detecting

    own, revision = (name, None) if name is not None else detecting.of_bundle(header)
    found = detecting.opened(own, header.classes, revision=revision, device=device)
    if found.identity.get("digest") != header.detector.digest:
        typer.echo(
            f"the bundle was evaluated with other boxes: {header.detector.note or header.detector.name}", err=True
        )
    return found


def _about(bundle: Path, header: Header, boxes: Path | None, predictor: Predictor) -> dict[str, Any]:
    """Who predicts with whose boxes, for the files that are written."""
    from pipeline.store import digest

    if boxes is not None:
        whose = {"source": "file", "name": boxes.name, "digest": digest.of_file(boxes)}
    else:
        assert predictor.detector is not None, "without boxes there is a detector"
        whose = dict(predictor.detector.identity)
    return {
        "says": f"A model trained on {header.dataset}, setting {header.setting} ({len(header.classes.classes)} classes, "
        f"{len(header.unseen)} of them without a labelled pair); boxes: {whose['name']}. Scores rank; they are no "
        "probabilities.",
        "made_with": header.made_with,
        "bundle": digest.of_file(bundle),
        "dataset": header.dataset,
        "setting": header.setting,
        "detector": whose,
    }


def _run(
    predictor: Predictor, folder: Folder, pictures: list[Listed], found: BoxesFile | None, about: dict[str, Any]
) -> dict[str, str]:
    """Predict, and write what there is even if it is interrupted."""
    from pipeline.predict.many import Many

    place = {picture.name: i for i, picture in enumerate(pictures)}
    many = Many(
        predictor=predictor,
        folder=folder,
        boxes=None if found is None else lambda name: found.of(place[name]),
        **{key: about[key] for key in ("top", "threshold", "only", "idle")},
    )
    interrupted = True
    try:
        with display.watching() as progress:
            faults = many.run(pictures, lambda done, total, note: progress("predict", done, total, note))
        interrupted = False
    finally:
        done = folder.finish(pictures)
        said = " so far; the same command goes on" if interrupted else ""
        typer.echo(f"{done:,} of {len(pictures):,} pictures{said}: {folder.path / 'index.html'}")
    return faults
