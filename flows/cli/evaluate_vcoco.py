"""`ezhoi evaluate vcoco`: role AP and agent AP of anybody's detections, by the official program's rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.cli import options
from flows.cli.evaluation_options import say

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.metrics.vcoco.detections import Reported
    from pipeline.metrics.vcoco.people import People


Absent = Literal["empty", "nan", "zeros", "tiny"]
Mean = Literal["published", "all"]
Ties = Literal["stable", "best", "worst"]


def vcoco(
    detections: Annotated[
        Path,
        typer.Option(
            "--detections",
            "-d",
            help="Parquet: file_name or image_id, role (number or name), score, hx1 .. oy2. Or the official list as JSON.",
        ),
    ],
    annotations: Annotated[
        Path,
        typer.Option(
            "--annotations", "-a", help="V-COCO's labels, vcoco_test.json; or pairs, instances_vcoco_test.json."
        ),
    ],
    coco: Annotated[
        Path | None,
        typer.Option(help="COCO's boxes for the labels: instances_val2014.json for test, train2014 for train and val."),
    ] = None,
    agents: Annotated[
        Path | None, typer.Option(help="Parquet for agent AP: file_name or image_id, action, score, hx1 .. hy2.")
    ] = None,
    absent: Annotated[
        Absent,
        typer.Option(
            help="Which role box means that no object is in sight (scenario 1): four zeros or four nan (empty, the official "
            "program), only nan, only zeros, or also a box thinner than a pixel (tiny)."
        ),
    ] = "empty",
    mean: Annotated[
        Mean,
        typer.Option(help="Over which roles the mean is taken: the 24 of published numbers, or all, point included."),
    ] = "published",
    ties: Annotated[
        Ties,
        typer.Option(
            help="Order of equal scores: that of the official program's stable sort, right ones first (best), or wrong ones "
            "first (worst)."
        ),
    ] = "stable",
    classes: Annotated[
        Literal["vcoco", "hico"],
        typer.Option(help="Whose classes `hoi_id` names: V-COCO's compositions, or HICO-DET's, which are translated."),
    ] = "vcoco",
    export: Annotated[Path | None, typer.Option(help="Write the detections as the official list, in JSON.")] = None,
    as_json: options.Json = False,
) -> None:
    """Judge detections by V-COCO's role AP, scenarios 1 and 2, and by its agent AP.

    Example: ezhoi evaluate vcoco -d D.parquet -a vcoco_test.json --coco instances_val2014.json
    """
    from pipeline.metrics.vcoco import exchange, people, role_ap
    from pipeline.metrics.vcoco.role_ap import Rules

    if export is not None:
        options.demand_ending(export, ".json", what="the official list is written as JSON")
        options.demand_another_file(export, detections, annotations, coco, agents)
    truth = people.read(annotations, coco)
    roles, actions = _read(detections, agents, truth, classes)
    rules = Rules(absent=absent, ties=ties)
    notes = [*truth.notes, *roles.notes, *(actions.notes if actions else ())]
    if (lost := role_ap.lost_positives(roles, truth, rules=rules)) is not None:
        notes.append(lost)
    if export is not None:
        notes += exchange.write(export, truth, roles, actions)
    tables = {f"scenario {n}": table for n, table in role_ap.role_ap(roles, truth, rules=rules).items()}
    notes += role_ap.doubt(tables["scenario 2"])
    of_agents = role_ap.agent_ap(actions, truth, rules=rules) if actions else None
    if as_json:
        found: dict[str, Any] = {name.replace(" ", "_"): _values(table, mean) for name, table in tables.items()}
        agent = {} if of_agents is None else {"agent": _values(of_agents, mean)}
        rule = {"absent": absent, "mean": mean, "ties": ties}
        typer.echo(json.dumps(found | agent | {"rules": rule, "notes": notes}, indent=1))
        return
    say(notes)
    _print("role AP, %", tables, mean)
    if of_agents is not None:
        typer.echo()
        _print("agent AP, %", {"": of_agents}, mean)


def _read(
    detections: Path, agents: Path | None, truth: People, classes: Literal["vcoco", "hico"]
) -> tuple[Reported, Reported | None]:
    """The checked detections of roles, and those of actions where they are given and can be judged."""
    import dataclasses

    from pipeline.config.data import Data
    from pipeline.datasets import configured
    from pipeline.metrics import table_metadata
    from pipeline.metrics.vcoco import detections as placing
    from pipeline.metrics.vcoco import exchange, translation
    from pipeline.outside import columns

    of_actions: pd.DataFrame | None = None
    if detections.suffix.lower() in (".json", ".gz"):
        table, of_actions = exchange.read(detections)
    else:
        table = columns.read(detections, placing.wanted("role"))
    name = str(detections)
    vocabulary = configured.dataset(Data(source=classes)).vocabulary
    table, notes = table_metadata.placed(table, table_metadata.of_table(detections), vocabulary, name=name)
    if classes == "hico":
        table, note = translation.translated(table, vocabulary, name=name)
        notes.append(note)
    if agents is not None:
        of_actions, name = columns.read(agents, placing.wanted("action")), str(agents)
    roles = placing.place(table, truth, name=str(detections))
    roles = dataclasses.replace(roles, notes=(*notes, *roles.notes))
    if of_actions is None or not len(of_actions) or not truth.actions:
        return roles, None
    return roles, placing.place(of_actions, truth, what="action", name=name)


def _values(table: pd.DataFrame, mean: Mean) -> dict[str, Any]:
    """The mean and every AP in percent, None where there is no positive."""
    from pipeline.metrics.vcoco.role_ap import mean_ap

    column = table.columns[0]
    values = {name: None if ap != ap else 100 * ap for name, ap in zip(table[column], table["ap"], strict=True)}
    whole = mean_ap(table, mean=mean)
    return {"mean": None if whole != whole else whole, f"{column}s": values}


def _print(title: str, tables: dict[str, pd.DataFrame], mean: Mean) -> None:
    """Print tables of the same rows side by side, with their means."""
    from pipeline.metrics.vcoco.role_ap import mean_ap

    typer.echo(f"{title:<26}" + "".join(f"{name:>12}" for name in tables) + "   positives")
    first = next(iter(tables.values()))
    for place, (name, count) in enumerate(zip(first.iloc[:, 0], first["n_truth"], strict=True)):
        values = "".join(f"{100 * table['ap'].iloc[place]:>12.2f}" for table in tables.values())
        typer.echo(f"{name:<26}{values}   {count:,}")
    means = "".join(f"{mean_ap(table, mean=mean):>12.2f}" for table in tables.values())
    typer.echo(f"{'mean':<26}{means}")
