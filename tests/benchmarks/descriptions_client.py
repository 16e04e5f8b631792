"""Does the client keep the server busy? Answers a second of `ask_all` against a bare async loop and one at a time.

    python tests/benchmarks/descriptions_client.py                                        a stand-in server of 1 s an answer
    python tests/benchmarks/descriptions_client.py --url http://127.0.0.1:8000/v1 --model NAME     a real one

The bare loop sends the same requests with the same package and concurrency and keeps nothing: no journal, no gate, no
retries. Both take turns, each turn with seeds of its own. Also: the time that a finished journal of 600 takes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import multiprocessing.connection
import statistics
import tempfile
import time
from pathlib import Path

import openai

from pipeline.config.language import Llm
from pipeline.config.loading import load
from pipeline.config.sources import template as source
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError
from pipeline.texts.llm.ask import Question, ask_all
from pipeline.texts.llm.journal import Journal
from pipeline.texts.llm.templates import template

WORDING = template(source("describe-v2"), "describe", key="descriptions.template")


def stand_in(pipe: multiprocessing.connection.Connection, seconds: float) -> None:
    """A server that answers every question after so many seconds, however many there are."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length: ")[2].partition("\r\n")[0] or 0)
                body = json.loads(await reader.readexactly(length)) if length else {}
                if "messages" not in body or "/tokenize" in head:
                    reply = {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "x"}]}
                else:
                    await asyncio.sleep(seconds)
                    words = body["messages"][-1]["content"].removeprefix("What does a photograph of ")
                    text = f"Here {words.partition(' look like')[0]} is seen, and number {body['seed']} is in the back."
                    message = {"role": "assistant", "content": text}
                    reply = {
                        "id": "x", "object": "chat.completion", "created": 1, "model": "m",
                        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                        "usage": {"prompt_tokens": 200, "completion_tokens": 60, "total_tokens": 260},
                    }  # fmt: skip
                content = json.dumps(reply).encode()
                head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
                writer.write(head.encode() + content)

    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=512)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def ours(llm: Llm, count: int, folder: Path) -> float:
    """Answers a second of the project's client."""
    questions = [Question(name=h.name, rendered=WORDING.render(h), about=h) for h in HICO.classes[:count]]
    start = time.perf_counter()
    with Journal(folder / f"{llm.seed}.jsonl") as journal, contextlib.suppress(DataError):  # noise fails the gate
        ask_all(questions, template=WORDING, llm=llm, journal=journal, progress=lambda *_: None, among=HICO)
    return count / (time.perf_counter() - start)


def bare(llm: Llm, count: int, concurrency: int) -> float:
    """Answers a second of a loop that does nothing but ask."""

    async def work() -> None:
        slots = asyncio.Semaphore(concurrency)
        async with openai.AsyncOpenAI(base_url=llm.runtime.base_url, api_key="none", max_retries=0) as client:

            async def one(system: str, prompt: str) -> None:
                async with slots:
                    await client.chat.completions.create(
                        model=llm.model,
                        messages=[{"role": "system", "content": system}, {"role": "user", "content": prompt}],
                        temperature=llm.temperature, top_p=llm.top_p, max_tokens=llm.max_tokens, seed=llm.seed,
                    )  # fmt: skip

            asked = [WORDING.render(hoi) for hoi in HICO.classes[:count]]
            await asyncio.gather(*(one(rendered.system, rendered.prompt) for rendered in asked))

    start = time.perf_counter()
    asyncio.run(work())
    return count / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--model", default="m")
    parser.add_argument("--seconds", type=float, default=1.0, help="of an answer of the stand-in server")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, default=60)
    given = parser.parse_args()
    url = given.url
    if url is None:
        here, there = multiprocessing.Pipe()
        multiprocessing.Process(target=stand_in, args=(there, given.seconds), daemon=True).start()
        url = f"http://127.0.0.1:{here.recv()}/v1"

    def llm(seed: int) -> Llm:
        settings = [f"llm.runtime.base_url={url}", f"llm.model={given.model}", f"llm.seed={seed}", "llm.attempts=1"]
        settings += [f"llm.runtime.concurrency={given.concurrency}", f"llm.max_tokens={given.max_tokens}"]
        return load(overrides=settings, environment={}).llm

    bare(llm(1), 32, given.concurrency)  # the first requests of a fresh server are slow
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = []
        for turn in range(given.turns):
            mine, plain = 100 + 2 * turn, 101 + 2 * turn
            if turn % 2:  # who comes second finds the server warmer
                other = bare(llm(plain), given.count, given.concurrency)
                pairs.append((ours(llm(mine), given.count, folder), other))
            else:
                own = ours(llm(mine), given.count, folder)
                pairs.append((own, bare(llm(plain), given.count, given.concurrency)))
            print(f"turn {turn + 1}: ours {pairs[-1][0]:.1f}/s, bare loop {pairs[-1][1]:.1f}/s")
        single = bare(llm(999), max(8, given.count // 20), 1)
        start = time.perf_counter()
        ours(llm(100), given.count, folder)
        again = time.perf_counter() - start
    print(
        f"ours / bare loop at {given.concurrency} in flight: {statistics.median(a / b for a, b in pairs):.3f} (median)"
    )
    print(f"ours / one at a time: {statistics.median(a for a, _ in pairs) / single:.1f}")
    print(f"a finished journal of {given.count} answers is taken up in {again:.2f} s")


if __name__ == "__main__":
    main()
