"""`ezhoi predict`: it takes pictures and writes drawn pictures, a table and a page."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli import display, lookup, options
from pipeline.errors import DataError
from pipeline.outside.escaping import plain
from pipeline.predict.defaults import THRESHOLD, TOP

if TYPE_CHECKING:
    from pipeline.predict.listing import Listed

SHOWN = 10
"""How many of the pictures that could not be read are listed with the reason."""


def predict(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH...", help="Pictures, folders, patterns or videos; - reads paths from stdin."),
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
        typer.Option(
            "--detector", metavar="NAME|FOLDER", help="Detector of transformers, or tiny; else the bundle's own."
        ),
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Verbs, objects and classes to add to the model's own.")
    ] = None,
    examples: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER|TABLE", help="Pictures with annotated pairs to remember, one to eight per class."),
    ] = None,
    adapt: Annotated[
        bool, typer.Option("--adapt", help="Have added classes learn from the nearest seen ones, by text (UTPL).")
    ] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to which everything is written.")] = Path(
        "predicted"
    ),
    every: Annotated[int, typer.Option(min=1, help="Keep every N-th frame of a video.")] = 25,
    top: Annotated[int, typer.Option(min=1, help="How many interactions of a picture are shown, the best ones.")] = TOP,
    threshold: Annotated[
        float, typer.Option(min=0, max=1, help="The least score with which an interaction is shown, from 0 to 1.")
    ] = THRESHOLD,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS", help='Only this class, such as "ride horse". Can be repeated.'),
    ] = None,
    idle: Annotated[
        bool, typer.Option("--idle", help='Draw pairs without an interaction too ("no interaction").')
    ] = False,
    clip: Annotated[
        Path | None, typer.Option(help="File of CLIP's weights, if the bundle was trained with a file.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda or cuda:1; what the configuration says (device) if left out.")
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Overwrite a folder that has other predictions, drawings too.")
    ] = False,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """Say who does what with which object in pictures: drawn pictures, a table, JSON and a page to look at.

    Pictures are turned as their camera says. One that cannot be read is named at the end and stops nothing; the exit code is
    then 1. The same command, given again, goes on where it was.

    With --classes more classes are recognised than the model was trained for, by their names and descriptions
    (descriptions.*): docs/open-classes.md.

    Example: ezhoi predict photos/ --boxes boxes.parquet --out looked-at
    """
    from pipeline.predict.job import Job

    config = lookup.configuration(profile, overrides)
    job = Job(
        pictures=_pictures(paths or [], out, every),
        bundle=lookup.bundle(model, profile, overrides),
        boxes=boxes,
        detector=detector,
        out=out,
        top=top,
        threshold=threshold,
        only=tuple(only or ()),
        idle=idle,
        clip=clip,
        device=device or config.device,
        anew=anew,
        classes=classes,
        examples=examples,
        adapt=adapt,
        config=config,
    )
    with display.watching() as progress:
        done = job.run(
            lambda now, total, note: progress("predict", now, total, note),
            lambda line: typer.echo(plain(line), err=True),
        )
    typer.echo(f"{done.pictures:,} of {len(job.pictures):,} pictures: {done.out / 'index.html'}")
    if done.faults:
        raise DataError("\n".join([f"not predicted, {len(done.faults):,} of the pictures:", *_reasons(done.faults)]))


def _reasons(faults: Mapping[str, str]) -> list[str]:
    """Why pictures could not be read: a line for each of the first ones."""
    lines = [f"  {why if name in why else f'{name}: {why}'}" for name, why in list(faults.items())[:SHOWN]]
    return lines + ([f"  and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else [])


def _pictures(paths: list[str], out: Path, every: int) -> list[Listed]:
    """The pictures of the paths, with those of stdin in the place of -; frames of videos lie in the output folder."""
    from pipeline.outside.file_names import FRAMES
    from pipeline.predict import video

    given = [
        name
        for path in paths
        for name in (os.fsdecode(sys.stdin.buffer.read()).splitlines() if path == "-" else [path])
        if name.strip()
    ]
    return video.pictures(given, out / FRAMES, every=every)
