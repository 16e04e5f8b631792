"""What an OpenAI-compatible server sends, parsed once: a chat completion, the list of its models, the text of an error."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from pipeline.outside.escaping import plain
from pipeline.texts.llm.request import Count, Words

MOST_WORDS = 300
"""How many characters of a server's words a message quotes."""


class MalformedAnswer(Exception):
    """The server answered, but with no chat completion, or with more than is read."""


class _Text(BaseModel):
    type: Literal["text", "output_text"]
    text: Words


class _Thought(BaseModel):
    """A part in which the model thinks; it is not part of the answer."""

    type: Literal["thinking", "reasoning", "redacted_thinking"]


Content = Words | list[_Text | _Thought] | None


class Message(BaseModel):
    """What the model says; servers that split off its thinking put it into one of two fields."""

    content: Content = None
    reasoning_content: Content = None
    reasoning: Content = None


class Choice(BaseModel):
    """One of the answers that a server may give to a question."""

    message: Message
    finish_reason: Words | None = None


class Usage(BaseModel):
    """Tokens read and written."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None


class Completion(BaseModel):
    """A chat completion, as far as it is used."""

    choices: list[Choice] = Field(min_length=1)
    usage: Usage | None = None
    model: Words | None = None

    @property
    def text(self) -> str:
        """The first choice's text; where the model only thought, its thinking, marked as unfinished."""
        message = self.choices[0].message
        if text := _joined(message.content):
            return text
        thought = _joined(message.reasoning_content) or _joined(message.reasoning)
        return f"<think>{thought}" if thought else ""


class Model(BaseModel):
    """A model as a server lists it."""

    model_config = ConfigDict(protected_namespaces=())

    id: Words
    root: Words | None = None
    max_model_len: Count | None = None


class _Models(BaseModel):
    data: list[Model] | None


def completion(body: bytes) -> Completion:
    """The chat completion in a reply; MalformedAnswer, with the server's words, if it is none."""
    value = _value(body)
    if isinstance(value, dict) and value.get("error") and not value.get("choices"):
        raise MalformedAnswer(f"status 200 with an error instead of an answer: {words_of(value)}")
    if isinstance(value, dict) and not value.get("choices"):
        raise MalformedAnswer(f"an answer without choices: {words_of(value)}")
    try:
        return Completion.model_validate(value)
    except ValidationError as error:
        raise MalformedAnswer(f"an answer of the wrong shape ({_first(error)})") from None


def models(body: bytes) -> list[Model]:
    """The models in a server's list, none if it has none; MalformedAnswer if the reply is no such list."""
    value = _value(body)
    try:
        return (
            _Models.model_validate({"data": value} if isinstance(value, list) else value or {"data": None}).data or []
        )
    except ValidationError as error:
        raise MalformedAnswer(f"its list of models has the wrong shape ({_first(error)})") from None


def fields(body: bytes) -> dict[str, Any]:
    """A reply's JSON object, empty if it is another value; MalformedAnswer if it is not JSON."""
    value = _value(body)
    return value if isinstance(value, dict) else {}


def words_of(value: Any) -> str:
    """What a server says in an error's body, whatever its form: OpenAI's `error.message`, FastAPI's `detail`, a text."""
    return " ".join(plain(_words(value, depth=4)).split())[:MOST_WORDS]


def _words(value: Any, depth: int) -> str:
    if isinstance(value, list) and depth and value:
        return "; ".join(_words(item, depth - 1) for item in value[:3])
    if isinstance(value, dict) and depth:
        for key in ("error", "message", "detail", "msg", "reason"):
            if value.get(key):
                said = _words(value[key], depth - 1)
                place = value.get("loc")
                return f"{'.'.join(map(str, place))}: {said}" if isinstance(place, list) else said
    return value if isinstance(value, str) else json.dumps(value)[:MOST_WORDS]


def _value(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError as error:
        start = body[:80].decode("utf-8", "replace")
        raise MalformedAnswer(f"an answer that is not JSON ({error}): {words_of(start)}") from None


def _first(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, fault['loc'])) or 'the whole'}: {fault['msg']}"


def _joined(content: Content) -> str:
    if isinstance(content, list):
        return "".join(part.text for part in content if isinstance(part, _Text))
    return content or ""
