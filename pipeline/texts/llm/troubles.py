"""What can go wrong between us and a language model's server: which of it passes, and how to tell the user the rest."""

from __future__ import annotations

import contextlib

import openai

from pipeline.config.language import Llm
from pipeline.errors import ServiceError

LONGEST_WAIT = 120.0
"""Seconds that a server may make us wait between two tries."""


class MalformedAnswer(Exception):
    """The server answered 200, but with no chat completion."""


def may_pass(error: Exception) -> bool | float:
    """Whether another try may help; a number is how many seconds the server wants us to wait."""
    if isinstance(error, openai.APIStatusError):
        if error.status_code not in (408, 409, 425, 429) and error.status_code < 500:
            return False
        wait = asks_to_wait(error)
        return True if wait is None else wait
    # Timeouts are connection errors here; a body cut short or not JSON surfaces as one of the others.
    return isinstance(
        error,
        openai.APIConnectionError | openai.APIResponseValidationError | MalformedAnswer | TimeoutError | ValueError,
    )


def asks_to_wait(error: openai.APIStatusError) -> float | None:
    """The seconds of a Retry-After header, within reason."""
    with contextlib.suppress(ValueError):
        return min(max(float(error.response.headers.get("retry-after", "")), 0.0), LONGEST_WAIT)
    return None


def explain(error: Exception, *, llm: Llm, key: str) -> ServiceError:
    """The error in the user's words, without the key."""
    url, said = llm.runtime.base_url, hide(says(error), key)
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return ServiceError(
            f"{url} refuses the key in the environment variable {llm.runtime.api_key_env} "
            f"({'which is set' if key else 'which is not set'}): {said}"
        )
    if isinstance(error, openai.NotFoundError):
        return ServiceError(
            f"{url} answers 404 for the model {llm.model!r}: {said}. "
            "Check llm.runtime.base_url (it ends in /v1 as a rule) and llm.model."
        )
    if isinstance(error, openai.RateLimitError):
        return ServiceError(
            f"{url} has answered nothing but 429 (too many requests) for {llm.runtime.patience_s:g} s "
            f"(llm.runtime.patience_s): {said}. Answers that came in are kept, so run again later."
        )
    if isinstance(error, openai.APIConnectionError | TimeoutError):
        slow = isinstance(error, openai.APITimeoutError | TimeoutError)
        kind = "does not answer in time" if slow else "cannot be reached"
        return ServiceError(
            f"the language model's server {url} {kind} ({_cause(error)}). "
            f"Start one with `ezhoi llm serve {llm.model}`, or name another with "
            "--set llm.runtime.base_url=URL; answers that came in are kept, so run again."
        )
    return ServiceError(
        f"the language model's server {url} keeps failing ({llm.runtime.retries} tries): {said}. "
        "Look at the server's log; answers that came in are kept, so run again."
    )


def hide(text: str, key: str) -> str:
    """The text without the key."""
    return text.replace(key, "***") if key else text


def says(error: Exception) -> str:
    """The first words of what the server said."""
    return " ".join(str(error).split())[:300]


def _cause(error: Exception) -> str:
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
