"""`ezhoi evaluate-detections` and `ezhoi evaluate export`: anybody's detections, without the rest of the pipeline."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli import options
from flows.cli.evaluation_options import (
    PROTOCOL_NAMES,
    AnnotationsFile,
    Boxes,
    Classes,
    DetectionsFile,
    ImagesFile,
    Mode,
    Split,
    modes_of,
    protocols_of,
    read_annotations,
    read_detections,
    say,
    setting_of,
    with_vcocos_classes,
)
from pipeline.metrics.means import GROUPS

if TYPE_CHECKING:
    from pipeline.metrics.annotations import Annotations
    from pipeline.metrics.detections import Detections
    from pipeline.metrics.results import Result


class Format(StrEnum):
    parquet = "parquet"
    mat = "mat"
    qpic = "qpic"
    coco = "coco"
    named = "named"


def evaluate_detections(
    detections: DetectionsFile,
    annotations: AnnotationsFile,
    setting: Annotated[
        str, typer.Option(help="default, rf_uc, nf_uc, uo or uv: which classes count as unseen.")
    ] = "default",
    protocol: Annotated[
        list[str] | None,
        typer.Option(help=f"{PROTOCOL_NAMES}, or all; can be repeated. official if left out."),
    ] = None,
    mode: Annotated[
        Mode, typer.Option(help="Evaluate on all images, or on those known to show the object (known-object).")
    ] = Mode.default,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html, report.json, per_class.csv and more.")
    ] = None,
    images: ImagesFile = None,
    image_labels: Annotated[
        Path | None,
        typer.Option(help="HICO's anno.mat, whose labels say which images show an object (for known-object)."),
    ] = None,
    boxes: Boxes = None,
    split: Split = "test",
    classes: Annotated[
        Classes,
        typer.Option(
            help="Whose classes `hoi_id` names: those of the annotations, or V-COCO's, which are translated into HICO-DET's. "
            "The default setting is then `vcoco`: classes that V-COCO has are seen, others unseen."
        ),
    ] = "annotated",
    switch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Change one rule of the protocols, e.g. top_k=100, nms=0.7, ties=worst."
        ),
    ] = None,
    curve: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS", help="Draw this class's curve, e.g. 'ride horse'. Can be repeated."),
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder of the image files, for the report's best and worst images.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Evaluate anybody's detections, without the rest of the pipeline.

    Example: ezhoi evaluate-detections --detections D.parquet --annotations A.parquet --setting rf_uc --protocol all
    --mode both --out evaluated
    """
    from pipeline.metrics import results

    protocols = protocols_of(protocol or ["official"], switch or [])
    if out is not None:  # an evaluation that could not be written is not made
        out.mkdir(parents=True, exist_ok=True)
    truth = read_annotations(annotations, images, image_labels, boxes, split)
    if classes == "vcoco":
        truth = with_vcocos_classes(truth)
        setting = "vcoco" if setting == "default" else setting
    chosen = setting_of(setting, truth)
    found = read_detections(detections, truth, classes)
    _look_at(curve or [], pictures, truth, out)
    evaluated = list(results.results(found, truth, protocols=protocols, modes=modes_of(mode), setting=chosen))
    digests = _digests(detections=detections, annotations=annotations, images=images, image_labels=image_labels)
    report = results.report(evaluated, annotations=truth, detections=found, setting=chosen, digests=digests)
    if out is not None:
        _write(out, evaluated, report, found, truth, curve or [], pictures)
    if as_json:
        typer.echo(json.dumps(report, indent=1))
        return
    say([*truth.notes, *found.notes, *results.doubt(evaluated)])
    _table(evaluated)
    if out is not None:
        typer.echo(f"report: {out / 'report.html'}")


def _digests(**files: Path | None) -> dict[str, str]:
    """{what a file is: its digest} of the files that are given."""
    from pipeline.store import digest

    return {name: digest.of_path(path) for name, path in files.items() if path is not None}


def _look_at(curves: list[str], pictures: Path | None, truth: Annotations, out: Path | None) -> None:
    """Check what the report asks for before anything is evaluated, and say what it will lack.

    ConfigError if the class of a curve is unknown, or if there is no such folder of pictures.
    """
    from pipeline.report.evaluated_files import class_named, picture_files

    for name in curves:
        class_named(name, truth)
    if pictures is not None:
        there, listed = len(picture_files(pictures, truth)), len(truth.images)
        if there < listed:
            say([f"--pictures {pictures} has {there:,} of {listed:,} images; the others are drawn as boxes alone"])
    given = [option for option, value in (("--curve", curves), ("--pictures", pictures)) if value]
    if out is None and given:
        say([f"{' and '.join(given)}: only the report shows that, and --out FOLDER writes it"])


def _table(evaluated: list[Result]) -> None:
    typer.echo(f"{'mAP, %':<24}" + "".join(f"{g.replace('_', ' '):>10}" for g in GROUPS))
    for r in evaluated:
        cells = "".join(f"{r.summary[g]:>10.2f}" if g in r.summary else f"{'–':>10}" for g in GROUPS)
        typer.echo(f"{r.key:<24}{cells}")


def export(
    detections: DetectionsFile,
    annotations: AnnotationsFile,
    to: Annotated[
        Format, typer.Option(help="mat: the official layout; qpic; coco: results; named: classes by name; parquet.")
    ],
    out: Annotated[Path, typer.Option(help="File to write; a folder for mat.")],
    images: ImagesFile = None,
    split: Split = "test",
) -> None:
    """Write detections in another format; the annotations tell names, ids and order of the images.

    Example: ezhoi evaluate export -d D.parquet -a instances_test2015.json --to mat --out official
    """
    from pipeline.metrics.export import demand_fit, write

    options.demand_another_file(out, detections, annotations, images)
    demand_fit(out, to=to.value)
    truth = read_annotations(annotations, images, None, None, split)
    found = read_detections(detections, truth)
    say(found.notes)
    write(out, found, truth, to=to.value)
    typer.echo(f"{len(found.pairs):,} detections: {out}")


def _write(
    out: Path,
    evaluated: list[Result],
    report: dict[str, Any],
    found: Detections,
    truth: Annotations,
    curves: list[str],
    pictures: Path | None,
) -> None:
    from pipeline.report import evaluated_files, folder

    folder.write(
        out,
        evaluated_files.content(
            evaluated, report=report, detections=found, annotations=truth, curves=curves, pictures=pictures
        ),
    )
