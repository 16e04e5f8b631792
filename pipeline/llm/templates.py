"""Prompt templates by name. A template's version rises with its wording; both go into the provenance of every answer.

They are single user messages: the chat templates of several vision-language models have no place for a system message.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import ConfigError
from pipeline.hico.vocabulary import NO_INTERACTION, HoiClass

_STYLE = (
    "Use plain English and short sentences. Describe only what can be seen: no story, no feelings, no guesses, "
    "no list, no introduction. Call the object by its name, {object}."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A prompt with blanks: {phrase} and {object}, and for contrasts {seen_phrase}, {text} and {seen_text} too."""

    name: str
    version: int
    wording: str

    @property
    def shows_descriptions(self) -> bool:
        """Whether the model reads the descriptions of both classes."""
        return "{text}" in self.wording

    def render(self, hoi: HoiClass, *, seen: HoiClass | None = None, text: str = "", seen_text: str = "") -> str:
        """The prompt for a class, or for a class as opposed to `seen`."""
        return self.wording.format(
            phrase=scene(hoi),
            object=hoi.object.replace("_", " "),
            seen_phrase=scene(seen) if seen is not None else "",
            text=text,
            seen_text=seen_text,
        )


def scene(hoi: HoiClass) -> str:
    """The class as a scene in words."""
    return f"{hoi.phrase} that have nothing to do with each other" if hoi.verb == NO_INTERACTION else hoi.phrase


DESCRIBE = {
    template.name: template
    for template in (
        Template(
            name="describe-v1",
            version=1,
            wording=(
                "Describe how a photograph of {phrase} looks, in two or three sentences of at most 20 words. "
                "First say what the body and the legs of the person do. Then say where the hands and the eyes are and "
                "what the person touches. Then say what the {object} looks like, how large it is and where it is, "
                "seen from the person. " + _STYLE
            ),
        ),
    )
}
"""Prompts for a class's description."""

CONTRAST = {
    template.name: template
    for template in (
        Template(
            name="contrast-v1",
            version=1,
            wording=(
                "One photograph shows {phrase}, another one shows {seen_phrase}. In one to three sentences of at most "
                "20 words, describe what is seen in the first photograph and not in the second: posture, hands, eyes, "
                "contact, and the place and looks of the object. Speak about the first photograph. " + _STYLE
            ),
        ),
        Template(
            name="contrast-v2",
            version=1,
            wording=(
                "Scene one, {phrase}: {text}\nScene two, {seen_phrase}: {seen_text}\n"
                "In one to three sentences of at most 20 words, say what a viewer of scene one sees that a viewer of "
                "scene two does not see. Speak about scene one. " + _STYLE
            ),
        ),
    )
}
"""Prompts for a disparity."""


def describe_template(name: str) -> Template:
    """The description prompt of that name; ConfigError naming the valid ones otherwise."""
    return _pick(DESCRIBE, name, "descriptions.template")


def contrast_template(name: str) -> Template:
    """The disparity prompt of that name; ConfigError naming the valid ones otherwise."""
    return _pick(CONTRAST, name, "disparities.template")


def _pick(templates: dict[str, Template], name: str, key: str) -> Template:
    if name not in templates:
        raise ConfigError(f"{key}: no prompt template {name!r}; valid: {', '.join(templates)}")
    return templates[name]
