"""What is sent to a language model and what comes back."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from pipeline.store import digest


class RequestRejected(Exception):
    """The server will never answer this request (too long, malformed): a matter of one class."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Everything that determines an answer, as far as a client can."""

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
    """A completion and how it came about; `latency_s` is that of the try that succeeded."""

    text: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    latency_s: float
    tries: int
    asked_at: str
    """UTC, ISO 8601."""
    server: str | None = None
    """Version of the server software, if it tells."""
    answered_by: str | None = None
    """The model that the answer itself names: a server may resolve a name to a dated one."""
