"""Prompt templates: YAML files of `pipeline/texts/llm/prompts`, or a user's own, with named fields.

    kind: describe                      describe a class, contrast two classes, describe an action (a verb), or
                                        tell a concept: phrases on what a verb shows of one region
    version: 1                          rises when the wording changes; goes into the provenance of every answer
    says: one line for people           optional
    system: text for all classes        optional; put what is the same for all classes here: servers cache it
    prompt: A photograph of {scene}...

Fields are listed in `FIELDS`; those that begin with `other_` are of the class with which the first is contrasted.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.config.packaged import PROMPTS
from pipeline.config.sources import Source
from pipeline.errors import ConfigError
from pipeline.outside import reading
from pipeline.outside.escaping import plain, unfit
from pipeline.outside.parsing import shown
from pipeline.vocabulary.vocabulary import Hoi

Kind = Literal["describe", "contrast", "action", "concept"]
CLASS = ("verb", "verb_ing", "object", "article", "phrase", "scene", "act")
"""Fields of a class: sit on, sitting on, chair, a, "a person sitting on a chair", that as a scene, sitting on a chair."""
FIELDS: dict[str, tuple[str, ...]] = {
    "describe": CLASS,
    "contrast": (*CLASS, "text", *(f"other_{name}" for name in CLASS), "other_text"),
    "action": ("verb", "verb_ing"),
    "concept": ("verb", "verb_ing", "region"),
}
"""By kind of template; `text` and `other_text` are the two classes' descriptions."""
KEYS = {"kind", "version", "says", "system", "prompt"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rendered:
    """A prompt as it is sent; `system` is empty where the template has none."""

    prompt: str
    system: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A prompt with named fields."""

    name: str
    kind: Kind
    version: int
    prompt: str
    system: str = ""
    says: str = ""

    @property
    def shows_descriptions(self) -> bool:
        """Whether the model reads the descriptions of both classes."""
        return "{text}" in self.system + self.prompt

    def render(self, hoi: Hoi, *, other: Hoi | None = None, text: str = "", other_text: str = "") -> Rendered:
        """The prompt for a class, or for a class as opposed to `other`."""
        values = {"text": text, "other_text": other_text} | fields(hoi)
        if other is not None:
            values |= {f"other_{name}": value for name, value in fields(other).items()}
        return self._filled(values)

    def render_verb(self, verb: str, verb_ing: str) -> Rendered:
        """The prompt for a verb alone, as the vocabulary spells it."""
        return self._filled({"verb": verb.replace("_", " "), "verb_ing": verb_ing.replace("_", " ")})

    def render_region(self, verb: str, verb_ing: str, region: str) -> Rendered:
        """The prompt for a verb and a region, which is put into words (`pipeline.texts.concepts.ASKED`)."""
        return self._filled({"verb": verb.replace("_", " "), "verb_ing": verb_ing.replace("_", " "), "region": region})

    def _filled(self, values: dict[str, str]) -> Rendered:
        return Rendered(prompt=self.prompt.format(**values), system=self.system.format(**values))


def fields(hoi: Hoi) -> dict[str, str]:
    """The values of `CLASS` for a class. An idle verb reads "having nothing to do with"."""
    noun, idle = hoi.object.replace("_", " "), hoi.idle
    verb = "have nothing to do with" if idle else hoi.verb.replace("_", " ")
    verb_ing = "having nothing to do with" if idle else hoi.verb_ing.replace("_", " ")
    return {
        "verb": verb,
        "verb_ing": verb_ing,
        "object": noun,
        "article": hoi.article,
        "phrase": hoi.phrase,
        "scene": f"{hoi.phrase} that have nothing to do with each other" if idle else hoi.phrase,
        "act": " ".join(filter(None, (verb_ing, hoi.article, noun))),
    }


def names(kind: Kind) -> tuple[str, ...]:
    """The project's own templates of a kind."""
    return tuple(path.stem for path in sorted(PROMPTS.glob("*.yaml")) if read(path).kind == kind)


def template(choice: Source, kind: Kind, *, key: str) -> Template:
    """The template of a name or path; ConfigError, naming the config key and the valid names, if it cannot be used."""
    found = None if choice.path is None else read(choice.path)
    if found is None or (choice.packaged and found.kind != kind):
        raise ConfigError(
            f"{key}: no prompt template {shown(choice.text)}; valid: {', '.join(names(kind))}, or the path of a YAML file"
        )
    if found.kind != kind:
        raise ConfigError(f"{key} = {choice}: a template of kind {shown(found.kind)}; expected {shown(kind)}")
    return found


def read(path: Path) -> Template:
    """A template from its file.

    Raises ConfigError naming the file and what is wrong: not YAML, an unknown or missing key, an unknown field, or one that
    is more than a name in braces.
    """
    entry = reading.yaml_value(path, what=f"prompt template {path}", error=ConfigError)
    if not isinstance(entry, dict) or set(entry) - KEYS or {"kind", "version", "prompt"} - set(entry):
        found = ", ".join(map(str, entry)) if isinstance(entry, dict) else "no mapping"
        raise ConfigError(f"prompt template {path}: expected kind, version, prompt (and system, says), found {found}")
    kind, version = entry["kind"], entry["version"]
    if kind not in [*FIELDS] or type(version) is not int:  # a kind may be a list, which cannot be a dictionary's key
        raise ConfigError(f"prompt template {path}: kind is one of {', '.join(FIELDS)}, version a whole number")
    for key in ("prompt", "system"):
        _check_fields(path, key, entry.get(key, ""), kind)
    return Template(
        name=path.stem,
        kind=kind,
        version=version,
        prompt=entry["prompt"].strip(),
        system=entry.get("system", "").strip(),
        says=plain(str(entry.get("says", ""))),
    )


def _check_fields(path: Path, key: str, text: Any, kind: str) -> None:
    if not isinstance(text, str):
        raise ConfigError(f"prompt template {path}: {key} is no text")
    if len(text) > reading.LONGEST_TEXT or unfit(text) is not None:
        raise ConfigError(f"prompt template {path}: {key} is too long or has the control character {unfit(text)}")
    try:
        parts = [part for part in string.Formatter().parse(text) if part[1] is not None]
    except ValueError as error:
        raise ConfigError(f"prompt template {path}: {key}: {error} (write a brace that is no field twice)") from None
    for _, field, form, conversion in parts:
        if form or conversion or field not in FIELDS[kind]:
            valid = ", ".join(f"{{{name}}}" for name in FIELDS[kind])
            whole = f"{field}{'!' if conversion else ''}{conversion or ''}{':' if form else ''}{form}"[:80]
            raise ConfigError(f"prompt template {path}: {key}: no field {{{whole}}}; {kind} has {valid}")
