"""`ezhoi bundle`: trained models as single files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import lookup, options
from pipeline.config.changed import set_in_vain
from pipeline.errors import ConfigError
from pipeline.outside.escaping import plain

app = typer.Typer(no_args_is_help=True, help="Trained models as single files that predict anywhere (ezhoi predict).")
Which = Annotated[
    str | None, typer.Argument(metavar="BUNDLE", help="A bundle's file or fingerprint; else the newest in the store.")
]


@app.command()
def export(
    bundle: Which = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")] = Path("bundle.safetensors"),
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """Copy a bundle out of the store, with its model card (.md) beside it; the two are all that another machine needs.

    Example: ezhoi bundle export --out mine.safetensors
    """
    from pipeline.machine.files import atomic
    from pipeline.predict import bundle as bundles
    from pipeline.predict import card

    _demand_name(out)
    source = _meant(bundle, profile, overrides)
    header = bundles.read(source).header
    with atomic(out) as temporary:
        shutil.copyfile(source, temporary)
    beside = out.with_suffix(".md")
    with atomic(beside) as temporary:
        temporary.write_text(card.text(header), encoding="utf-8")
    trained = plain(f"a model of {header.dataset}, setting {header.setting}")
    typer.echo(f"{out}: {trained}, {out.stat().st_size:,} bytes; model card: {beside}")


@app.command()
def show(
    bundle: Which = None,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    as_json: options.Json = False,
) -> None:
    """Show what a bundle says about itself: its model card, or its whole header as JSON.

    Example: ezhoi bundle show bundle.safetensors
    """
    from pipeline.predict import bundle as bundles
    from pipeline.predict import card

    header = bundles.read(_meant(bundle, profile, overrides)).header
    typer.echo(header.model_dump_json(indent=1) if as_json else plain(card.text(header)))


@app.command()
def check(
    bundle: Which = None,
    clip: Annotated[
        Path | None, typer.Option(help="File of CLIP's weights, if the bundle was trained with a file.")
    ] = None,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
    as_json: options.Json = False,
) -> None:
    """Open a bundle as `ezhoi predict` would: check that it is whole, of a known format, and that its CLIP is there.

    Example: ezhoi bundle check bundle.safetensors
    """
    from pipeline.predict.predictor import Predictor

    file = _meant(bundle, profile, overrides)
    header = Predictor.open(file, clip=clip).header
    summary: dict[str, Any] = {
        "file": str(file),
        "classes": len(header.classes.classes),
        "clip": header.clip.model_dump(),
        "detector": header.detector.model_dump(exclude_none=True),
    }
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
        return
    typer.echo(
        f"{file}: whole; {summary['classes']} classes; CLIP {header.clip.architecture} {header.clip.digest[:12]} is there"
    )
    typer.echo(plain(f"evaluated with boxes of {header.detector.note or header.detector.name}"))


@app.command()
def push(
    place: Annotated[str, typer.Argument(metavar="FOLDER|USER/NAME", help="A folder, or a repository of the hub.")],
    bundle: Which = None,
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public.")] = False,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """Share a bundle with its model card: in a folder, or on the Hugging Face hub (`hf auth login` first).

    Example: ezhoi bundle push somebody/ezhoi-uv bundle.safetensors
    """
    from pipeline.predict import sharing

    typer.echo(plain(f"shared: {sharing.push(_meant(bundle, profile, overrides), place, private=not public)}"))


@app.command()
def pull(
    place: Annotated[str, typer.Argument(metavar="FOLDER|USER/NAME", help="A folder, or a repository of the hub.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")] = Path("bundle.safetensors"),
    revision: Annotated[str | None, typer.Option(help="Commit, tag or branch of the hub.")] = None,
) -> None:
    """Fetch a shared bundle, check it, and write its model card beside it.

    Example: ezhoi bundle pull somebody/ezhoi-uv --out theirs.safetensors
    """
    from pipeline.predict import sharing

    _demand_name(out)
    sharing.pull(place, out, revision=revision)
    typer.echo(f"{out}: {out.stat().st_size:,} bytes; model card: {out.with_suffix('.md')}")


def _meant(bundle: str | None, profile: str, overrides: list[str] | None) -> Path:
    """The file of the bundle; of the configuration only the store counts, and a note says so where more is set."""
    for line in set_in_vain(lookup.configuration(profile, overrides), reads=()):
        typer.echo(plain(f"note: {line}: the bundle that is named counts, or the newest of the store"), err=True)
    return lookup.bundle(bundle, profile, overrides)


def _demand_name(out: Path) -> None:
    if out.suffix != ".safetensors":
        raise ConfigError(f"--out {out}: a bundle's name ends in .safetensors")
