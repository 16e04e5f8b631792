"""What is sent to a language model and what comes back.

Both are trusted once they are made: answers of a server (`completion.py`) and lines of a journal (`journal.py`) are
checked against the types below when they come in.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field

from pipeline.outside.escaping import plain
from pipeline.store import digest

Words = Annotated[str, AfterValidator(plain)]
"""A text from outside, without control characters."""
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
CHECKED = ConfigDict(extra="forbid", allow_inf_nan=False)


class RequestRejected(Exception):
    """The server will never answer this request (too long, malformed); this concerns one class alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Everything that determines an answer, as far as a client can."""

    __pydantic_config__: ClassVar[ConfigDict] = CHECKED

    model: str
    root: str | None
    """What the server says the model was loaded from (a repository or a folder), if it says so."""
    revision: str | None
    """Revision of the weights, if the server says so."""
    template: str
    template_version: int
    system: str
    prompt: str
    pictures: tuple[str, ...]
    """Digests of the pictures that are shown."""
    temperature: float
    top_p: float
    max_tokens: int
    seed: int
    system_role: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "pictures", tuple(self.pictures))  # a journal has it as a list

    @property
    def key(self) -> str:
        """Digest of all fields: equal requests have equal keys in any process."""
        return digest.of_value(asdict(self))


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A completion and how it came about; `latency_s` is the time of the try that succeeded."""

    __pydantic_config__: ClassVar[ConfigDict] = CHECKED

    text: Words
    """As the server sent it, thinking included (`thinking.spoken` removes it)."""
    finish_reason: Words
    prompt_tokens: Count | None
    completion_tokens: Count | None
    latency_s: float
    tries: Count
    asked_at: Words
    """UTC, ISO 8601."""
    server: Words | None = None
    """Version of the server software, if it tells."""
    answered_by: Words | None = None
    """The model that the answer itself names: a server may resolve a name to a dated one."""
