"""`ezhoi world`: look at the rendered world; measure and rebuild its tiny CLIP and its tiny detector."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flows.cli import lookup, options
from pipeline.config.data import MOST_SCENES
from pipeline.errors import DataError
from pipeline.machine.files import atomic, demand_writable
from pipeline.outside.parsing import shown

Style = Literal["outlined", "flat"]
MOST_DRAWN = 2_000
"""The most scenes on one sheet."""

app = typer.Typer(
    no_args_is_help=True, help="Look at the demo's rendered world, and measure or rebuild its tiny models."
)


@app.command()
def classes(as_json: options.Json = False) -> None:
    """List the classes that the world draws and the settings in which each is unseen.

    Example: ezhoi world classes
    """
    from pipeline.datasets.world.classes import world_classes

    settings = ("rf_uc", "nf_uc", "uo", "uv")
    rows: list[dict[str, Any]] = [
        {"hoi_id": c.hoi_id, "class": f"{c.verb} {c.object}", "unseen_in": [s for s in settings if getattr(c, s)]}
        for c in world_classes()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        typer.echo(f"{row['hoi_id']:>4}  {row['class']:<28} {' '.join(row['unseen_in'])}".rstrip())


@app.command()
def sheet(
    out: Annotated[Path, typer.Argument(help="Where to write the picture, a PNG.")],
    split: Annotated[options.SplitName, typer.Option(help="The split whose scenes are drawn.")] = "test",
    count: Annotated[int, typer.Option(min=1, max=MOST_DRAWN, help="How many scenes.")] = 24,
    style: Annotated[
        Style, typer.Option(help="Drawing style: outlined (the task) or flat (pre-training).")
    ] = "outlined",
) -> None:
    """Draw scenes with their boxes (person blue, object red) and classes on one sheet.

    Example: ezhoi world sheet sheet.png --count 12
    """
    from PIL import Image

    from pipeline.datasets.world.scenes import sample
    from pipeline.datasets.world.sheet import contact_sheet

    kind = Image.registered_extensions().get(out.suffix.lower())
    if kind is None:
        raise DataError(f"{out}: no picture format ends in {shown(out.suffix)}; use .png")
    drawn = contact_sheet([sample(split=split, index=i, style=style) for i in range(count)])
    with atomic(out) as temporary:
        drawn.save(temporary, format=kind)
    typer.echo(f"{count} scenes of split {split} in {out}")


@app.command()
def pictures(
    out: Annotated[Path, typer.Argument(help="The folder to write them to.")],
    count: Annotated[int, typer.Option(min=1, max=MOST_DRAWN, help="How many scenes.")] = 12,
) -> None:
    """Draw scenes to try predictions on, as picture files with their boxes; no model was trained or evaluated on them.

    Example: ezhoi world pictures scenes --count 12
    """
    from pipeline.datasets.configured import vocabulary
    from pipeline.datasets.world import pictures

    pictures.write(out, count=count, vocabulary=vocabulary(lookup.configuration("demo", None)))
    typer.echo(f"{count} pictures in {out}; look at them: ezhoi predict {out} --boxes {out / pictures.BOXES_FILE}")


@app.command()
def clip(
    out: Annotated[Path, typer.Argument(help="Where to write the checkpoint; its manifest goes beside it as .json.")],
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps; the project's own recipe if left out.")
    ] = None,
    scenes: Annotated[
        int | None, typer.Option(min=1, max=MOST_SCENES, help="Rendered scenes from which it learns.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=options.LARGEST_SEED, help="Seed of weights and batches.")] = 0,
) -> None:
    """Train the tiny CLIP on rendered scenes and captions, none of a held-out class. It takes about 25 minutes on two cores.

    Example: ezhoi world clip pipeline/tiny/tiny_clip.safetensors
    """
    from pipeline.tiny import pretrain

    options.demand_ending(out, ".safetensors", what="a checkpoint is written as safetensors")
    chosen = {"steps": steps, "scenes": scenes, "seed": seed}
    recipe = pretrain.Recipe(**{name: value for name, value in chosen.items() if value is not None})

    def drawn(done: int, total: int) -> None:
        if done % 500 == 0 or done == total:
            typer.echo(f"drawn {done} of {total} scenes", err=True)

    demand_writable(out)
    net, losses = pretrain.train(recipe, pretrain.pictures(recipe, drawn), _steps(recipe.steps))
    pretrain.save(out, net, recipe, losses)
    typer.echo(
        f"{out}: loss {losses[0]:.3f} to {losses[-1]:.3f}. Measure it with: ezhoi world zero-shot --weights {out}"
    )


@app.command()
def detector(
    out: Annotated[Path, typer.Argument(help="Where to write the checkpoint; its manifest goes beside it as .json.")],
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps; the project's own recipe if left out.")
    ] = None,
    scenes: Annotated[
        int | None, typer.Option(min=1, max=MOST_SCENES, help="Rendered scenes from which it learns.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=options.LARGEST_SEED, help="Seed of weights and batches.")] = 0,
    measured: Annotated[int, typer.Option(min=1, max=MOST_SCENES, help="Test scenes in which it is measured.")] = 600,
) -> None:
    """Train the tiny detector on fresh scenes, none of a training or test split, and measure it. It takes about 5 minutes.

    Example: ezhoi world detector pipeline/tiny/tiny_detector.safetensors
    """
    from pipeline.tiny import detection

    options.demand_ending(out, ".safetensors", what="a checkpoint is written as safetensors")
    chosen: dict[str, Any] = {"steps": steps, "scenes": scenes, "seed": seed}
    recipe = detection.Recipe(**{name: value for name, value in chosen.items() if value is not None})

    demand_writable(out)
    trained = detection.train(recipe, _steps(recipe.steps))
    figures = {style: detection.measure(trained, scenes=measured, style=style) for style in ("outlined", "flat")}
    detection.save(out, trained, recipe, figures)
    found = figures["outlined"]
    typer.echo(
        f"{out}: box AP {found['ap']:.1f} %, {found['pair_recall']:.1f} % of the pairs, in {measured} test scenes. "
        f"Use it with: --set detections.source=hub --set detections.weights={out}"
    )


def _steps(steps: int) -> Callable[[int, float], None]:
    """Shows every fiftieth step of a training, and the last one."""

    def show(step: int, loss: float) -> None:
        if step % 50 == 0 or step == steps:
            typer.echo(f"step {step} of {steps}, loss {loss:.3f}", err=True)

    return show


@app.command("zero-shot")
def zero_shot(
    weights: Annotated[Path | None, typer.Option(help="A checkpoint; the project's own if left out.")] = None,
    scenes: Annotated[int, typer.Option(min=1, max=MOST_SCENES, help="Fresh scenes to classify.")] = 600,
    style: Annotated[
        Style, typer.Option(help="Drawing style: outlined (the task) or flat (pre-training).")
    ] = "outlined",
    as_json: options.Json = False,
) -> None:
    """Measure the frozen tiny CLIP without any prompt learning, on classes of its pre-training and on held-out ones.

    Example: ezhoi world zero-shot --scenes 200
    """
    from models import clip_loading
    from pipeline.config.packaged import TINY_CLIP
    from pipeline.tiny.pretrain import Recipe
    from pipeline.tiny.zero_shot import measure

    try:
        loaded = clip_loading.load(architecture="tiny", weights=weights or TINY_CLIP, image_size=Recipe().image_size)
    except clip_loading.UnfitError as error:
        raise DataError(f"--weights {weights or TINY_CLIP}: {error.fault}") from None
    except (FileNotFoundError, ValueError) as error:
        raise DataError(f"--weights {error}") from None
    figures = measure(loaded, scenes=scenes, style=style)
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
        return
    for name, f in figures.items():
        typer.echo(
            f"{name.replace('_', ' '):<9} mAP {f['mAP']:.3f} (chance {f['chance']:.3f}); among pairs with the same object "
            f"{f['mAP_given_object']:.3f} (chance {f['chance_given_object']:.3f}); {f['pairs']} pairs"
        )
