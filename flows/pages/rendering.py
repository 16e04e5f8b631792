"""HTML pages from templates: each is a file that loads nothing, light or dark, and shows texts from outside as texts only."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from flows.pages.html import STYLE
from pipeline.outside.escaping import plain
from pipeline.report import overlaid
from pipeline.report.units import duration

TEMPLATES = Path(__file__).with_name("templates")
UNSAID = "–"
"""Stands for what is not known."""


def render(template: str, **values: Any) -> str:
    """The page of a template in `templates/`; values are escaped, but for those that are Markup."""
    return _environment().get_template(f"{template}.html.jinja").render(**values)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_fit,
    )
    environment.filters |= {"number": number, "moment": moment, "duration": duration}
    script = (TEMPLATES / "table.js").read_text(encoding="utf-8")
    environment.globals |= {
        "STYLE": Markup(STYLE),
        "CHARTS": Markup(overlaid.STYLE),
        "TABLE": Markup((TEMPLATES / "table.css").read_text(encoding="utf-8")),
        "SCRIPT": Markup(script),
        "SCRIPT_DIGEST": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "UNSAID": UNSAID,
    }
    return environment


def _fit(value: Any) -> Any:
    """A text without control characters, which escaping leaves and which could reverse the direction of a line."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def number(value: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """A number for people; a dash where there is none."""
    return UNSAID if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


def moment(text: str) -> str:
    """A record's date and time to the minute: `2026-01-31 12:00`."""
    return text[:16].replace("T", " ")
