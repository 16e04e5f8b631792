"""A client of OpenAI-compatible servers: vLLM first.

Temporary failures are waited for, each in its way: 429 lowers the pace of all requests (`pace.py`) and costs no try;
a server that is gone is tried once a second, for `patience_s`, while all requests wait; other failures (5xx,
timeouts, answers cut short) are tried again, with exponential backoff and jitter, `retries` times. Lasting failures
stop at once: a wrong key or model name stops the whole run; a request that the server rejects, or fails on while it answers
others, fails for its class alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2
import openai

from pipeline.config.language import Llm
from pipeline.errors import ServiceError
from pipeline.machine import awaiting, retries
from pipeline.outside.addresses import shown_address
from pipeline.outside.escaping import plain
from pipeline.texts.llm import completion, troubles
from pipeline.texts.llm.completion import MalformedAnswer
from pipeline.texts.llm.pace import InVain, Pace
from pipeline.texts.llm.pictures import Picture
from pipeline.texts.llm.proxy import proxy_of
from pipeline.texts.llm.request import Answer, Request, RequestRejected
from pipeline.texts.llm.secrets import is_address, key_of, without_user
from pipeline.texts.llm.transport import connection

log = logging.getLogger("ezhoi.llm")

WAIT_FIRST, WAIT_MOST, JITTER = 0.5, 30.0, 0.5
"""Seconds between tries: doubled from the first to the most, plus up to the jitter."""
LOOK_AGAIN = 1.0
"""Seconds between two tries to reach a server that is gone, and the pause after a 429 that names none."""
TRIES_AT_FIRST = 3
"""Tries to reach the server before anything is asked; if it is not there, that is an error at once."""
PICTURE_TOKENS = 576
"""How many tokens of LLaVA-1.5's context a picture takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A model as the server reports it."""

    model: str
    root: str | None = None
    revision: str | None = None
    """Read from a second name `MODEL@REVISION`, as `ezhoi llm serve` gives it, or a Hugging Face snapshot folder."""
    context: int | None = None
    """Tokens that prompt and answer may have together."""
    server: str | None = None


class Client:
    """An open connection to the server of a configuration; use it with `async with`."""

    def __init__(self, llm: Llm) -> None:
        self._llm = llm
        url = llm.runtime.base_url.strip().rstrip("/")
        self._shown = shown_address(url)
        if not is_address(url):
            raise ServiceError(
                f"llm.runtime.base_url = {self._shown!r} is no server's address; it is http://HOST:PORT/v1"
            )
        url, user = without_user(url)
        self._root = url.removesuffix("/v1")
        self._server: str | None = None
        self._rejection = ""
        self._away: asyncio.Task[None] | None = None
        self.pace = Pace(llm.runtime.concurrency)
        self._openai = openai.AsyncOpenAI(
            base_url=url,
            api_key=key_of(llm) or "none",  # the package insists on one; servers without keys ignore it
            default_headers=user,
            max_retries=0,
            timeout=llm.runtime.timeout_s,
            http_client=openai.DefaultAsyncHttpxClient(transport=connection(proxy_of(url))),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._away is not None:
            self._away.cancel()
        await self._openai.close()

    async def served(self) -> Served:
        """The configured model as the server reports it.

        Raises ServiceError if the server cannot be reached, or does not serve it; the message lists what it serves.
        """
        found = await self.models()
        if self._llm.model not in found:
            served = ", ".join(sorted(found)) or "none"
            raise ServiceError(
                f"{self._shown} does not serve the model {self._llm.model!r}; it serves: {served}. "
                "Choose one with --set llm.model=NAME."
            )
        model = found[self._llm.model]
        self._server = await self._version()
        return Served(
            model=model.id,
            root=model.root or None,
            revision=_revision(model.id, list(found), model.root or ""),
            context=model.max_model_len,
            server=self._server,
        )

    async def models(self) -> dict[str, completion.Model]:
        """The models that the server lists, by name; ServiceError if it cannot be reached or its list cannot be read."""
        try:
            async for attempt in self._tries(most=TRIES_AT_FIRST):
                with attempt:
                    reply = await self._openai.get("/models", cast_to=httpx2.Response)
                    return {model.id: model for model in completion.models(reply.content)}
        except (openai.OpenAIError, MalformedAnswer, ValueError) as error:
            raise self._trouble(error) from error
        raise AssertionError("the retry loop ends with an answer or an error")

    async def check_length(self, request: Request, served: Served) -> None:
        """Whether the longest of the requests fits into the model's context; ServiceError if not.

        vLLM counts the prompt's tokens. For another server a word counts as one token, which is never too many.
        """
        if served.context is None:
            return
        prompt = await self._count(request)
        if prompt is None:
            prompt = len(f"{request.system} {request.prompt}".split())
        needed = prompt + PICTURE_TOKENS * len(request.pictures) + request.max_tokens
        if needed > served.context:
            raise ServiceError(
                f"{self._shown} serves {served.model!r} with a context of {served.context} tokens, but the longest "
                f"request needs about {needed} ({request.max_tokens} of them for the answer: llm.max_tokens). Serve it "
                f"with a longer context (--max-model-len {needed} or more), or lower llm.max_tokens."
            )

    async def answer(self, request: Request, pictures: Sequence[Picture] = ()) -> Answer:
        """Send a request until it is answered.

        Raises ServiceError when the server fails for good or rejects every request, RequestRejected when it fails for
        this request alone.
        """
        body, failed_at = _body(request, pictures), math.inf
        try:
            async for attempt in self._tries():
                with attempt:
                    try:
                        return await self._unrefused(body, attempt.num)
                    except Exception:
                        failed_at = min(failed_at, time.monotonic())
                        raise
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            self._rejection = troubles.says(error, llm=self._llm)
            if self.pace.in_vain:
                raise self._in_vain() from error
            raise RequestRejected(self._rejection) from error
        except InVain:
            raise self._in_vain() from None
        except (openai.OpenAIError, MalformedAnswer, TimeoutError, ValueError) as error:
            if troubles.may_pass(error) is not False and self.pace.last_answer > failed_at:
                raise RequestRejected(f"{troubles.says(error, llm=self._llm)}, while others are answered") from error
            raise self._trouble(error) from error
        raise AssertionError("the retry loop ends with an answer or an error")

    async def _unrefused(self, body: dict[str, Any], tries: int) -> Answer:
        """One try, in which a 429 is waited out."""
        while True:
            if self._away is not None:
                await asyncio.shield(self._away)
            async with self.pace.slot() as taken:
                try:
                    answer = await self._complete(body, tries)
                except openai.RateLimitError as error:
                    wait = troubles.asks_to_wait(error)
                    self.pace.slow_down(taken=taken, wait=LOOK_AGAIN if wait is None else wait)
                    if time.monotonic() - self.pace.last_answer > self._llm.runtime.patience_s:
                        raise self._trouble(error) from error
                except (openai.BadRequestError, openai.UnprocessableEntityError):
                    self.pace.turned_down()
                    raise
                except openai.APIConnectionError as error:
                    if not isinstance(error, openai.APITimeoutError):
                        self._gone(error)
                    raise
                else:
                    self.pace.answered()
                    return answer

    async def _complete(self, body: dict[str, Any], tries: int) -> Answer:
        asked_at, start = dt.datetime.now(dt.UTC), time.perf_counter()
        async with asyncio.timeout(self._llm.runtime.timeout_s):  # the transport's own starts anew with every byte
            reply = await self._openai.post("/chat/completions", body=body, cast_to=httpx2.Response)
        found = completion.completion(reply.content)
        return Answer(
            text=found.text,
            finish_reason=found.choices[0].finish_reason or "unknown",
            prompt_tokens=found.usage.prompt_tokens if found.usage else None,
            completion_tokens=found.usage.completion_tokens if found.usage else None,
            latency_s=round(time.perf_counter() - start, 4),
            tries=tries,
            asked_at=asked_at.isoformat(timespec="milliseconds"),
            server=self._server,
            answered_by=found.model or None,
        )

    def _gone(self, error: openai.APIConnectionError) -> None:
        """The connection broke: one task finds out whether the server is gone, and all others wait for it."""
        if self._away is None or self._away.done():
            self._away = asyncio.ensure_future(self._look_for_server(error))
            self._away.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen by whoever waits

    async def _look_for_server(self, error: openai.APIConnectionError) -> None:
        start, warned = time.monotonic(), False
        while True:
            with contextlib.suppress(openai.APIConnectionError, openai.InternalServerError, MalformedAnswer):
                await self._openai.get("/models", cast_to=httpx2.Response, options={"timeout": 10.0})
                return
            waited = time.monotonic() - start
            if waited > self._llm.runtime.patience_s:
                raise self._trouble(error) from error
            if not warned:
                log.warning("%s went away; waiting %g s for it", self._shown, self._llm.runtime.patience_s)
                warned = True
            await asyncio.sleep(min(LOOK_AGAIN, self._llm.runtime.patience_s))

    async def _count(self, request: Request) -> int | None:
        """Tokens of the prompt without pictures, as vLLM counts them; other servers may not offer this."""
        body = {"model": request.model, "messages": _messages(request, ())}
        with contextlib.suppress(openai.OpenAIError, MalformedAnswer, ValueError):
            reply = await self._openai.post(f"{self._root}/tokenize", body=body, cast_to=httpx2.Response)
            count = completion.fields(reply.content).get("count")
            return count if isinstance(count, int) else None
        return None

    async def _version(self) -> str | None:
        """The server's version, which vLLM tells beside the API; other servers may not."""
        with contextlib.suppress(openai.OpenAIError, MalformedAnswer, ValueError):
            reply = await self._openai.get(f"{self._root}/version", cast_to=httpx2.Response)
            version = completion.fields(reply.content).get("version")
            return f"vllm {plain(version)[:40]}" if isinstance(version, str) else None
        return None

    def _tries(self, most: int = sys.maxsize) -> Any:
        return retries.retry_context(
            on=troubles.may_pass,
            attempts=min(self._llm.runtime.retries, most),
            timeout=None,
            wait_initial=WAIT_FIRST,
            wait_max=WAIT_MOST,
            wait_jitter=JITTER,
        )

    def _trouble(self, error: Exception) -> ServiceError:
        return troubles.explain(error, llm=self._llm)

    def _in_vain(self) -> ServiceError:
        return troubles.rejects_all(self._rejection, count=self.pace.rejected, llm=self._llm)


def served_names(llm: Llm) -> list[str]:
    """Names of the models that the server of a configuration lists; raises ServiceError as `Client.models` does."""

    async def names() -> list[str]:
        async with Client(llm) as client:
            return list(await client.models())

    return awaiting.run(names())


def _revision(model: str, names: Sequence[str], root: str) -> str | None:
    for name in names:
        if name.startswith(f"{model}@"):
            return name.removeprefix(f"{model}@")
    folder = root.rstrip("/").rpartition("/snapshots/")[2]
    return folder if folder != root.rstrip("/") and "/" not in folder else None


def _body(request: Request, pictures: Sequence[Picture]) -> dict[str, Any]:
    return {
        "model": request.model,
        "messages": _messages(request, pictures),
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
        "seed": request.seed,
    }


def _messages(request: Request, pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """The messages of a request; what all classes share comes first, so that servers compute it once."""
    words = request.prompt
    messages: list[dict[str, Any]] = []
    if request.system and request.system_role:
        messages.append({"role": "system", "content": request.system})
    elif request.system:
        words = f"{request.system}\n\n{words}"
    if not pictures:
        return [*messages, {"role": "user", "content": words}]
    shown = [{"type": "image_url", "image_url": {"url": picture.url}} for picture in pictures]
    return [*messages, {"role": "user", "content": [*shown, {"type": "text", "text": words}]}]
