"""`ezhoi site`: the runs of a store as pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli import lookup, options


def site(
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="The folder to write; in the store if left out."),
    ] = None,
    copy: Annotated[
        bool,
        typer.Option("--copy", help="Also copy the reports and lineage pages, so that the folder can be given away."),
    ] = False,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """Write the runs of the store as pages: a table to sort and filter, each run's artifacts, reports, descriptions, bundles.

    The pages are plain files that need no server and no network: open the first one in a browser.

    Example: ezhoi site --out site --copy
    """
    from flows.pages import site as pages

    if copy and out is None:
        out = Path("site")
    typer.echo(f"site: {pages.write(lookup.store(profile, overrides), out, copy=copy)}")
