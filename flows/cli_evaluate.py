"""`ezhoi evaluate` and `ezhoi evaluate-detections`: mAP of any detections by any protocol, comparison, other formats."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from flows import options
from pipeline.errors import ConfigError, DataError, StoreError

if TYPE_CHECKING:
    from pipeline.metrics.annotations import Annotations
    from pipeline.metrics.detections import Detections
    from pipeline.metrics.protocols import Protocol
    from pipeline.metrics.results import Result

GROUPS = ("full", "rare", "non_rare", "unseen", "seen")


class _WithDefault(TyperGroup):
    """`ezhoi evaluate FILE` is `ezhoi evaluate predictions FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["predictions", *args]
        return super().parse_args(ctx, args)


class Mode(StrEnum):
    default = "default"
    known_object = "known-object"
    both = "both"


class Format(StrEnum):
    parquet = "parquet"
    mat = "mat"
    qpic = "qpic"
    coco = "coco"


app = typer.Typer(
    cls=_WithDefault,
    help="Evaluate predictions (ezhoi evaluate FILE), compare two evaluations, write other formats, V-COCO.",
)
DetectionsFile = Annotated[
    Path,
    typer.Option("--detections", "-d", help="Parquet, QPIC's JSON, COCO results, or a folder of detections_NN.mat."),
]
AnnotationsFile = Annotated[
    Path,
    typer.Option("--annotations", "-a", help="Parquet of pairs, a folder with pairs.parquet, or HICO-DET's own file."),
]
ImagesFile = Annotated[Path | None, typer.Option("--images", help="Parquet list of all images of the split.")]
Boxes = Annotated[
    str | None, typer.Option("--annotation-boxes", help="continuous or pixel1_inclusive, if the file does not say.")
]


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="evaluate")
    parent.command("evaluate-detections")(evaluate_detections)


@app.command("predictions")
def evaluate(
    predictions: Annotated[
        Path | None,
        typer.Argument(help="Detections in any known format. The newest evaluation's predictions if left out."),
    ] = None,
    profile: options.Profile = "demo",
    settings: options.Settings = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="official, upt, qpic, consnet, exact or area; the profile's if left out."),
    ] = None,
    per_class: Annotated[bool, typer.Option("--per-class", help="List the AP of every class too.")] = False,
    as_json: options.Json = False,
) -> None:
    """Evaluate predictions against the newest annotations in the store: mAP of seen, unseen and all classes.

    Example: ezhoi evaluate --protocol exact --per-class
    """
    from pipeline.metrics import annotations, results

    config = options.configuration(profile, settings)
    store = options.store(profile, settings)
    try:
        folder = store.find("annotations").folder
        file = predictions or store.find("evaluation").path("predictions.parquet")
    except StoreError as error:
        raise StoreError(f"{error} Run `ezhoi run --target annotations` (or a whole run) first.") from None
    truth = annotations.read(folder)
    found = _detections(file, truth)
    chosen = _protocols([protocol or config.evaluation.protocol], [])
    (result,) = results.results(found, truth, protocols=chosen, modes=["default"], setting=config.setting)
    _say(found.notes)
    rows = result.per_class.to_dict("records")
    if as_json:
        typer.echo(json.dumps({"map": result.summary} | ({"classes": rows} if per_class else {}), indent=1))
        return
    for group, value in result.summary.items():
        typer.echo(f"{group.replace('_', ' '):<14} {value:6.2f}")
    if per_class:
        from pipeline.hico.vocabulary import hoi_classes

        for row in rows:
            typer.echo(f"{hoi_classes()[row['hoi_id']].name:<28} {100 * row['ap']:6.2f}  {row['n_gt']} pairs")


def evaluate_detections(
    detections: DetectionsFile,
    annotations: AnnotationsFile,
    setting: Annotated[
        str, typer.Option(help="default, rf-uc, nf-uc, uo or uv: which classes count as unseen.")
    ] = "default",
    protocol: Annotated[
        list[str] | None,
        typer.Option(help="official, upt, qpic, consnet, exact, area or all; can be repeated. official if left out."),
    ] = None,
    mode: Annotated[Mode, typer.Option(help="All images, or those known to show the object.")] = Mode.default,
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html, report.json, per_class.csv and more.")
    ] = None,
    images: ImagesFile = None,
    image_labels: Annotated[
        Path | None, typer.Option(help="HICO's anno.mat: its labels say which images show an object (known-object).")
    ] = None,
    boxes: Boxes = None,
    split: Annotated[str, typer.Option(help="Rows of this split, where tables have a column `split`.")] = "test",
    switch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="Change one rule of the protocols, e.g. top_k=100, nms=0.7, ties=worst."
        ),
    ] = None,
    curve: Annotated[
        list[str] | None, typer.Option(metavar="CLASS", help="Draw this class's curve, e.g. 'ride horse'. Repeatable.")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder of the image files, for the report's best and worst images.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Evaluate anybody's detections, without the rest of the pipeline.

    Example: ezhoi evaluate-detections --detections D.parquet --annotations A.parquet --setting rf-uc --protocol all
    --mode both --out evaluated
    """
    from pipeline.metrics import results
    from pipeline.store import digest

    truth = _annotations(annotations, images, image_labels, boxes, split)
    chosen = _setting(setting, truth)
    found = _detections(detections, truth)
    protocols = _protocols(protocol or ["official"], switch or [])
    modes = results.MODES if mode is Mode.both else (results.MODES[mode is Mode.known_object],)
    evaluated = list(results.results(found, truth, protocols=protocols, modes=modes, setting=chosen))
    files = {"detections": detections, "annotations": annotations, "images": images, "image_labels": image_labels}
    digests = {name: digest.of_path(path) for name, path in files.items() if path is not None}
    report = results.report(evaluated, annotations=truth, detections=found, setting=chosen, digests=digests)
    if out is not None:
        _write(out, evaluated, report, found, truth, curve or [], pictures)
    if as_json:
        typer.echo(json.dumps(report, indent=1))
        return
    _say([*truth.notes, *found.notes])
    _table(evaluated)
    if out is not None:
        typer.echo(f"report: {out / 'report.html'}")


def _table(evaluated: list[Result]) -> None:
    typer.echo(f"{'mAP, %':<24}" + "".join(f"{g.replace('_', ' '):>10}" for g in GROUPS))
    for r in evaluated:
        cells = "".join(f"{r.summary[g]:>10.2f}" if g in r.summary else f"{'–':>10}" for g in GROUPS)
        typer.echo(f"{r.key:<24}{cells}")


@app.command()
def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="An evaluation: its folder, or its fingerprint in the store.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other, which may be better.")],
    resamples: Annotated[int, typer.Option(min=10, help="Draws of the bootstrap over images.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    show: Annotated[int, typer.Option(help="Classes listed from either end.")] = 8,
    profile: options.Profile = "demo",
    settings: options.Settings = None,
    as_json: options.Json = False,
) -> None:
    """Say what B gains over A, by group and by class, and whether the test images could have made it by chance.

    Example: ezhoi evaluate compare evaluated-a evaluated-b
    """
    from pipeline.metrics import comparison

    first, second = (comparison.load(_evaluation(x, profile, settings)) for x in (a, b))
    found = comparison.compare(first, second, resamples=resamples, seed=seed)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    typer.echo(
        f"B - A, protocol {found['protocol']}, {found['images']:,} images, {resamples:,} resamples, 95 % interval"
    )
    typer.echo(f"{'mAP, %':<26}{'A':>8}{'B':>8}{'B - A':>8}   interval")
    for group, row in found["groups"].items():
        verdict = "" if row["low"] > 0 or row["high"] < 0 else "  may be chance"
        typer.echo(_difference(group.replace("_", " "), row) + verdict)
    rows = found["per_class"]
    changed = [row for row in rows if row["difference"]]
    gained = sum(row["difference"] > 0 for row in rows)
    typer.echo(f"{gained} classes gain, {len(changed) - gained} lose, {len(rows) - len(changed)} stay")
    shown = changed if len(changed) <= 2 * show else [*changed[:show], None, *changed[-show:]]
    for row in shown:
        typer.echo("..." if row is None else _difference(row["name"][:25], row))


@app.command()
def export(
    detections: DetectionsFile,
    annotations: AnnotationsFile,
    to: Annotated[Format, typer.Option(help="mat: the official layout; qpic; coco: results; parquet.")],
    out: Annotated[Path, typer.Option(help="File to write; a folder for mat.")],
    images: ImagesFile = None,
    split: Annotated[str, typer.Option(help="Rows of this split, where tables have a column `split`.")] = "test",
) -> None:
    """Write detections in another format; the annotations tell names, ids and order of the images.

    Example: ezhoi evaluate export -d D.parquet -a instances_test2015.json --to mat --out official
    """
    from pipeline.metrics.export import write

    truth = _annotations(annotations, images, None, None, split)
    found = _detections(detections, truth)
    _say(found.notes)
    write(out, found, truth, to=to.value)
    typer.echo(f"{len(found.pairs):,} detections: {out}")


@app.command()
def vcoco(
    detections: Annotated[
        Path,
        typer.Option("--detections", "-d", help="Parquet: file_name, role (number or name), score, hx1 .. oy2."),
    ],
    annotations: Annotated[Path, typer.Option("--annotations", "-a", help="instances_vcoco_test.json.")],
    as_json: options.Json = False,
) -> None:
    """V-COCO's role AP, scenarios 1 and 2.

    Example: ezhoi evaluate vcoco -d D.parquet -a instances_vcoco_test.json
    """
    import pandas as pd

    from pipeline.metrics import role_ap as rules

    people = rules.read(annotations)
    try:
        table = pd.read_parquet(detections)
    except (OSError, ValueError) as error:
        raise DataError(f"{detections}: cannot be read as Parquet ({error})") from error
    placed = rules.place(table, people, name=str(detections))
    tables = {n: rules.role_ap(placed, people, scenario=n) for n in rules.SCENARIOS}
    if as_json:
        found: dict[str, Any] = {
            f"scenario_{n}": {"mean": rules.mean_role_ap(t), "roles": t.set_index("role")["ap"].mul(100).to_dict()}
            for n, t in tables.items()
        }
        typer.echo(json.dumps(found, indent=1))
        return
    typer.echo(f"{'role AP, %':<26}{'scenario 1':>12}{'scenario 2':>12}   pairs")
    for one, two in zip(*(t.to_dict("records") for t in tables.values()), strict=True):
        typer.echo(f"{one['role']:<26}{100 * one['ap']:>12.2f}{100 * two['ap']:>12.2f}   {one['n_truth']:,}")
    typer.echo(f"{'mean':<26}" + "".join(f"{rules.mean_role_ap(t):>12.2f}" for t in tables.values()))


def _annotations(path: Path, images: Path | None, labels: Path | None, boxes: str | None, split: str) -> Annotations:
    from pipeline.metrics import annotations

    if boxes not in (None, "continuous", "pixel1_inclusive"):
        raise ConfigError(f"--annotation-boxes {boxes}: use continuous or pixel1_inclusive")
    return annotations.read(path, images=images, image_labels=labels, split=split, convention=boxes)  # type: ignore[arg-type]


def _detections(path: Path, truth: Annotations) -> Detections:
    import dataclasses

    from pipeline.metrics import detections

    frame, notes = detections.read(path)
    found = detections.check(frame, truth, name=str(path))
    return dataclasses.replace(found, notes=(*notes, *found.notes))


def _protocols(names: list[str], switches: list[str]) -> list[Protocol]:
    from pipeline.metrics.protocols import PROTOCOLS, protocol_named, with_switches

    wanted = list(PROTOCOLS) if "all" in names else list(dict.fromkeys(names))
    try:
        return [with_switches(protocol_named(name), switches) for name in wanted]
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _setting(name: str, truth: Annotations) -> str:
    setting = name.lower().replace("-", "_")
    if setting not in truth.groups.unseen:
        raise ConfigError(f"no setting {name!r} for these annotations; there are {', '.join(truth.groups.unseen)}")
    return setting


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


def _evaluation(reference: str, profile: str, settings: list[str] | None) -> Path:
    """The folder of an evaluation, given by its path or by its fingerprint in the store."""
    if Path(reference).is_dir():
        return Path(reference)
    try:
        artifact = options.store(profile, settings).find(reference)
    except StoreError as error:
        raise StoreError(f"{reference}: neither a folder nor in the store. {error}") from None
    return artifact.folder


def _difference(name: str, row: dict[str, Any]) -> str:
    values = f"{name:<26}{row['a']:>8.2f}{row['b']:>8.2f}{row['difference']:>+8.2f}"
    return values if row["low"] is None else f"{values}   {row['low']:+.2f} .. {row['high']:+.2f}"


def _say(notes: Iterable[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
