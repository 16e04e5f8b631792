"""What can go wrong with a language model's server: which failures may pass, and how the others are explained to the user."""

from __future__ import annotations

import contextlib
import os

import openai

from pipeline.config.language import Llm
from pipeline.errors import ServiceError
from pipeline.outside.addresses import shown_address
from pipeline.texts.llm.completion import MalformedAnswer, words_of
from pipeline.texts.llm.proxy import proxy_of
from pipeline.texts.llm.secrets import Secrets, shown_name

LONGEST_WAIT = 120.0
"""Most seconds that a server may make us wait between two tries."""


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


def explain(error: Exception, *, llm: Llm) -> ServiceError:
    """The error as the user is told it, without the key."""
    url, said = shown_address(llm.runtime.base_url), says(error, llm=llm)
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        name = shown_name(llm.runtime.api_key_env)
        known = "which is set" if os.environ.get(llm.runtime.api_key_env) else "which is not set"
        hint = (
            ""
            if name == llm.runtime.api_key_env
            else ". llm.runtime.api_key_env is the name of the variable, not a key"
        )
        return ServiceError(f"{url} refuses the key in the environment variable {name} ({known}): {said}{hint}")
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
            f"the language model's server {url} {kind} ({said}){_through(llm)}. "
            f"Start one with `ezhoi llm serve {llm.model}`, or name another with "
            "--set llm.runtime.base_url=URL; answers that came in are kept, so run again."
        )
    return ServiceError(
        f"the language model's server {url} keeps failing ({llm.runtime.retries} tries): {said}. "
        "Look at the server's log; answers that came in are kept, so run again."
    )


def rejects_all(said: str, *, count: int, llm: Llm) -> ServiceError:
    """The error of a server that rejected every one of the first `count` questions."""
    return ServiceError(
        f"{shown_address(llm.runtime.base_url)} rejects every question ({count} of {count}), so the others were not "
        f"sent: {said}. Asking again changes nothing: serve the model as this needs it, or change llm.model, the "
        "template or the option llm.* that the server names."
    )


def says(error: Exception, *, llm: Llm) -> str:
    """What the server said first, or what happened to the connection, without secrets."""
    if isinstance(error, openai.APIStatusError):
        body = error.body if error.body else error.response.text
        text = f"status {error.status_code}: {words_of(body)}" if body else f"status {error.status_code}"
    elif isinstance(error, openai.APIConnectionError | TimeoutError):
        cause = error.__cause__ or error
        text = f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
    else:
        text = str(error)
    return Secrets.of(llm).hide(words_of(text))


def _through(llm: Llm) -> str:
    proxy = proxy_of(llm.runtime.base_url)
    if proxy is None:
        return ""
    return f", through the proxy {shown_address(proxy)} of the environment (NO_PROXY leaves it out)"
