"""`ezhoi evaluate crosshoi`: answers to CrossHOI-Bench's questions from anybody's detections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flows.cli import options
from flows.cli.evaluation_options import say
from pipeline.errors import ConfigError, DataError

SCORES = ("instance_f1", "macro_f1", "micro_f1", "exact", "exact_of_questions")


def crosshoi(
    detections: Annotated[
        Path,
        typer.Option(
            "--detections",
            "-d",
            help="JSON of named classes; `ezhoi evaluate export --to named` makes it of any other format.",
        ),
    ],
    questions: Annotated[
        list[Path],
        typer.Option("--questions", "-q", help="A file of questions in your clone of the benchmark. Can be repeated."),
    ],
    rank: Annotated[
        int | None,
        typer.Option(
            min=1, max=1_000_000, help="A row counts if its score is at least the image's k-th best. 5 if left out."
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=-1e9, max=1e9, help="In place of --rank: a row counts if its score is at least this."),
    ] = None,
    best: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1_000_000_000,
            help="In place of --rank: a row counts if it is among this many best ones of all images.",
        ),
    ] = None,
    choices: Annotated[
        Literal["original", "own"],
        typer.Option(
            help="In images with several questions: the choices of the first one for all (the original), or those of each."
        ),
    ] = "original",
    as_json: options.Json = False,
) -> None:
    """Score detections by CrossHOI-Bench's questions: Instance-F1, Macro-F1, Micro-F1 and exact match, in percent.

    Example: ezhoi evaluate crosshoi -d hola.json -q hicodet/our_test/crosshoi_bench_allscene_final.json
    """
    from pipeline.metrics.crosshoi import answers, scores
    from pipeline.metrics.crosshoi import questions as asking
    from pipeline.metrics.crosshoi.answers import Selection
    from pipeline.metrics.formats import named
    from pipeline.metrics.remarks import FEW

    if sum(value is not None for value in (rank, threshold, best)) > 1:
        raise ConfigError("--rank, --threshold and --best are three ways of choosing rows; give one")
    selection = Selection(rank=rank or 5, threshold=threshold, best=best)
    asked = {path: asking.read(path) for path in questions}
    detected = named.by_image(detections)
    found, notes = [], []
    for path, by_image in asked.items():
        absent = sum(image not in detected for image in by_image)
        if absent == len(by_image):
            raise DataError(
                f"{detections}: has none of the {absent:,} images of {path}; are these of another data set?"
            )
        if absent:
            notes.append(f"{path}: {absent:,} of {len(by_image):,} images are not in {detections}: not counted")
        answered = answers.answers(by_image, detected, selection=selection, choices=choices)
        with_answer = sum(bool(given) for _, given in answered)
        if with_answer < FEW * len(answered):
            notes.append(
                f"{path}: only {with_answer:,} of {len(answered):,} questions get an answer: are the boxes x1, y1, x2, y2 in "
                "pixels, the classes named as there, and do enough rows count (--rank, --threshold, --best)?"
            )
        given = sorted({question.setting for listed in by_image.values() for question in listed})
        about = {"file": str(path), "given": ", ".join(given), "absent_images": absent}
        found.append(about | scores.scores(answered))
    if as_json:
        typer.echo(json.dumps({"choices": choices, "scores": found, "notes": notes}, indent=1))
        return
    say(notes)
    _print(found)


def _print(found: list[dict[str, Any]]) -> None:
    titles = ("instance F1", "macro F1", "micro F1", "exact", "exact, of q.")
    typer.echo(f"{'given':<10}{'questions':>10}{'images':>8}" + "".join(f"{title:>14}" for title in titles))
    for row in found:
        cells = "".join(f"{'–':>14}" if row[key] is None else f"{row[key]:>14.2f}" for key in SCORES)
        typer.echo(f"{row['given']:<10}{row['questions']:>10,}{row['images']:>8,}{cells}")
