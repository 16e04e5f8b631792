"""A client of OpenAI-compatible servers: vLLM first.

The transport's own retries are off; ours wait as long as the server's Retry-After says, and back off exponentially
otherwise. What cannot be mended by waiting stops at once: a wrong key or model name is an error of the whole run, a
request that the server rejects one of its class.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import openai
import stamina

from pipeline.errors import ServiceError
from pipeline.llm.request import Answer, Request, RequestRejected
from pipeline.sections.language import Llm

log = logging.getLogger("ezhoi.llm")

WAIT_FIRST, WAIT_MOST, JITTER = 0.5, 30.0, 0.5
"""Seconds between tries: doubled from the first to the most, plus up to the jitter."""
LONGEST_RETRY_AFTER = 120.0
"""Seconds that a server may make us wait between two tries."""


class MalformedAnswer(Exception):
    """The server answered 200, but with no chat completion."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A model as the server reports it."""

    model: str
    root: str | None
    server: str | None


class Client:
    """An open connection to the server of a configuration; use it with `async with`."""

    def __init__(self, llm: Llm) -> None:
        self._llm = llm
        self._url = llm.runtime.base_url
        self._key = os.environ.get(llm.runtime.api_key_env, "")
        self._server: str | None = None
        self._openai = openai.AsyncOpenAI(
            base_url=self._url,
            api_key=self._key or "none",  # the package insists on one; servers without keys ignore it
            max_retries=0,
            timeout=llm.runtime.timeout_s,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._openai.close()

    async def served(self) -> Served:
        """The configured model as the server reports it.

        Raises ServiceError if the server cannot be reached, or does not serve it; the message lists what it serves.
        """
        try:
            async for attempt in self._tries():
                with attempt:
                    page = await self._openai.models.list()
        except (openai.OpenAIError, ValueError) as error:
            raise self._trouble(error) from error
        found = {model.id: model for model in page.data or ()}
        if self._llm.model not in found:
            served = ", ".join(sorted(found)) or "none"
            raise ServiceError(
                f"{self._url} does not serve the model {self._llm.model!r}; it serves: {served}. "
                "Choose one with --set llm.model=NAME."
            )
        self._server = await self._version()
        root = (found[self._llm.model].model_extra or {}).get("root")
        return Served(model=self._llm.model, root=str(root) if root else None, server=self._server)

    async def answer(self, request: Request) -> Answer:
        """Send a request until it is answered.

        Raises ServiceError when the server fails for good, RequestRejected when it fails for this request alone.
        """
        try:
            async for attempt in self._tries():
                with attempt:
                    return await self._complete(request, attempt.num)
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            raise RequestRejected(self._hide(_says(error))) from error
        except (openai.OpenAIError, MalformedAnswer, ValueError) as error:
            raise self._trouble(error) from error
        raise AssertionError("the retry loop ends with an answer or an error")

    async def _complete(self, request: Request, tries: int) -> Answer:
        asked_at, start = dt.datetime.now(dt.UTC), time.perf_counter()
        completion = await self._openai.chat.completions.create(
            model=request.model,
            messages=[{"role": "user", "content": request.prompt}],
            temperature=request.temperature,
            top_p=request.top_p,
            max_tokens=request.max_tokens,
            seed=request.seed,
        )
        choices: Any = getattr(completion, "choices", None)
        if not choices or choices[0].message is None:
            raise MalformedAnswer("an answer without choices")
        usage = completion.usage
        return Answer(
            text=choices[0].message.content or "",
            finish_reason=choices[0].finish_reason or "unknown",
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            latency_s=round(time.perf_counter() - start, 4),
            tries=tries,
            asked_at=asked_at.isoformat(timespec="milliseconds"),
            server=self._server,
        )

    async def _version(self) -> str | None:
        """vLLM tells its version beside the API; other servers need not."""
        with contextlib.suppress(openai.OpenAIError, ValueError, AttributeError):
            reply = await self._openai.get(self._url.rstrip("/").removesuffix("/v1") + "/version", cast_to=object)
            version = reply.get("version") if isinstance(reply, dict) else None
            return f"vllm {version}" if version else None
        return None

    def _tries(self) -> Any:
        return stamina.retry_context(
            on=_may_pass,
            attempts=self._llm.runtime.retries,
            timeout=None,
            wait_initial=WAIT_FIRST,
            wait_max=WAIT_MOST,
            wait_jitter=JITTER,
        )

    def _trouble(self, error: Exception) -> ServiceError:
        """The error in the user's words."""
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return ServiceError(
                f"{self._url} refuses the key in the environment variable {self._llm.runtime.api_key_env} "
                f"({'which is set' if self._key else 'which is not set'}): {self._hide(_says(error))}"
            )
        if isinstance(error, openai.NotFoundError):
            return ServiceError(
                f"{self._url} answers 404 for the model {self._llm.model!r}: {self._hide(_says(error))}. "
                "Check llm.runtime.base_url (it ends in /v1 as a rule) and llm.model."
            )
        if isinstance(error, openai.APIConnectionError):
            kind = "does not answer in time" if isinstance(error, openai.APITimeoutError) else "cannot be reached"
            return ServiceError(
                f"the language model's server {self._url} {kind} ({self._llm.runtime.retries} tries; {_cause(error)}). "
                f"Start it, for example with `vllm serve {self._llm.model}`, or name another with "
                "--set llm.runtime.base_url=URL; answers that came in are kept, so run again."
            )
        return ServiceError(
            f"the language model's server {self._url} keeps failing ({self._llm.runtime.retries} tries): "
            f"{self._hide(_says(error))}. Look at the server's log; answers that came in are kept, so run again."
        )

    def _hide(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def _may_pass(error: Exception) -> bool | float:
    """Whether another try may help; a number is how many seconds the server wants us to wait."""
    if isinstance(error, openai.APIStatusError):
        if error.status_code not in (408, 409, 425, 429) and error.status_code < 500:
            return False
        with contextlib.suppress(ValueError):
            return min(max(float(error.response.headers.get("retry-after", "")), 0.0), LONGEST_RETRY_AFTER)
        return True
    # Timeouts are connection errors here; a body cut short or not JSON surfaces as one of the others.
    return isinstance(
        error, openai.APIConnectionError | openai.APIResponseValidationError | MalformedAnswer | ValueError
    )


def _says(error: Exception) -> str:
    """The first words of what the server said."""
    return " ".join(str(error).split())[:300]


def _cause(error: Exception) -> str:
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}" if str(cause) else type(cause).__name__
