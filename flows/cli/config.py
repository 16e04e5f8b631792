"""`ezhoi config`: profiles, keys and what they resolve to."""

from __future__ import annotations

import json
from typing import Any

import typer
import yaml

from flows.cli import lookup, options
from pipeline.config.keys import keys as keys_of
from pipeline.config.loading import PROFILES, profiles
from pipeline.config.tree import Config
from pipeline.outside.addresses import shown_address
from pipeline.texts.llm.secrets import shown_name

app = typer.Typer(no_args_is_help=True, help="Show profiles, their keys and the configuration that a run would use.")


@app.command()
def show(profile: options.Profile = "demo", overrides: options.Overrides = None, as_json: options.Json = False) -> None:
    """Print the resolved configuration: profile, then EZHOI__SECTION__KEY variables, then --set. Passwords are shown as ***.

    Example: ezhoi config show --profile hico-vitb --set data.root=/data/hico
    """
    tree = lookup.configuration(profile, overrides).model_dump(mode="json")
    runtime = tree["llm"]["runtime"]
    runtime["base_url"] = shown_address(runtime["base_url"])
    runtime["api_key_env"] = shown_name(runtime["api_key_env"])
    typer.echo(json.dumps(tree, indent=1) if as_json else yaml.safe_dump(tree, sort_keys=False).rstrip())


@app.command("profiles")
def list_profiles() -> None:
    """List the profiles that come with the project, and what each is for.

    Example: ezhoi config profiles
    """
    for name in profiles():
        comments = [
            line[1:].strip()
            for line in (PROFILES / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
            if line.startswith("#")
        ]
        typer.echo(f"{name:<12} {' '.join(comments[1:2] or comments)}")


@app.command()
def keys(as_json: options.Json = False) -> None:
    """List every key that --set takes, with its default and its meaning.

    Example: ezhoi config keys
    """
    found = _describe()
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    for key, entry in found.items():
        values = f" [{' | '.join(entry['values'])}]" if entry["values"] else ""
        typer.echo(f"{key:<36} {entry['default']!s:<28} {entry['means']}{values}".rstrip())


def _describe() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for key in keys_of(Config):
        plain = key.default if isinstance(key.default, bool | int | float | str | None) else str(key.default)
        found[key.name] = {"default": plain, "means": key.means, "values": list(key.values)}
    return found
