"""`ezhoi llm`: serve a language model with vLLM, and check whether a server answers as it should."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from flows.cli import lookup, options
from flows.server import local, vllm
from pipeline.config.tree import Config
from pipeline.errors import ServiceError
from pipeline.machine.home import write_secret
from pipeline.outside.escaping import plain
from pipeline.texts.llm.keys import key_file
from pipeline.vocabulary.vocabulary import Hoi, Vocabulary

app = typer.Typer(no_args_is_help=True, help="Serve a language model, check the one that is served.")


@app.command()
def serve(
    model: Annotated[
        str | None, typer.Argument(help="A Hugging Face id or a folder; llm.model of the configuration if left out.")
    ] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65_535, help="Port on 127.0.0.1.")] = 8000,
    revision: Annotated[
        str | None, typer.Option("--revision", help="Revision of the weights; it is recorded with the texts.")
    ] = None,
    context: Annotated[
        int | None,
        typer.Option("--context", min=1, help="The most tokens of prompt and answer together; LLaVA-1.5 takes 4096."),
    ] = None,
    pictures: Annotated[int, typer.Option("--pictures", min=0, help="Pictures in a request; 0 saves memory.")] = 1,
    requests: Annotated[int, typer.Option("--requests", min=1, help="Requests computed at once.")] = 64,
    memory: Annotated[float, typer.Option("--memory", min=0.01, max=1.0, help="Share of the GPU's memory.")] = 0.9,
    environment: Annotated[
        Path | None, typer.Option("--environment", help="vLLM's environment; otherwise $EZHOI_VLLM, .venv-vllm, PATH.")
    ] = None,
    patience: Annotated[
        float, typer.Option("--patience", min=1.0, max=86_400.0, help="Seconds in which it has to become ready.")
    ] = 900.0,
    extra: Annotated[
        list[str] | None, typer.Option("--extra", help="A flag that is passed to vLLM unchanged. Can be repeated.")
    ] = None,
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """Start vLLM with the flags that LLaVA-1.5 needs, wait until it answers, and stop it with Ctrl-C.

    Clients need a key. It is the one in the variable llm.runtime.api_key_env or, if that is not set, one that is made for
    this server; commands and runs of this checkout find it by themselves (.ezhoi/llm/PORT.key, which is removed with the
    server). vLLM's output goes to .ezhoi/logs/vllm-PORT.log.

    Example: ezhoi llm serve llava-hf/llava-1.5-7b-hf --requests 32
    """
    llm = lookup.configuration(profile, overrides).llm
    serving = vllm.Serving(
        model=model or llm.model,
        revision=revision,
        port=port,
        context=context,
        pictures=pictures,
        requests=requests,
        memory=memory,
        extra=tuple(extra or ()),
    )
    _serve_until_stopped(serving, environment, own_key=os.environ.get(llm.runtime.api_key_env, ""), patience=patience)


def _serve_until_stopped(serving: vllm.Serving, environment: Path | None, *, own_key: str, patience: float) -> None:
    """Serve until Ctrl-C or SIGTERM; ServiceError if the server ends by itself. A key is made if the user has none."""
    found = vllm.find(environment)
    log = local.home() / "logs" / f"vllm-{serving.port}.log"
    typer.echo(f"starting vLLM {found.version}; its output: {log}", err=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    key = own_key or f"ezhoi-{secrets.token_urlsafe(24)}"
    try:
        with (
            vllm.serve(
                found, serving, log=log, key=key, patience=patience, say=lambda line: typer.echo(line, err=True)
            ) as process,
            nullcontext() if own_key else _found_by_clients(key_file(serving.port), key),
        ):
            typer.echo(f"ready: {serving.url} serves {serving.model}")
            typer.echo(
                "use it: ezhoi describe --set descriptions.source=llm "
                f"--set llm.model={serving.model} --set llm.runtime.base_url={serving.url}"
            )
            code = process.wait()
        raise ServiceError(f"vLLM ended by itself with exit code {code}; its output: {log}")
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)


@contextmanager
def _found_by_clients(path: Path, key: str) -> Iterator[None]:
    """Let clients of this checkout find the key while the block runs."""
    write_secret(path, key + "\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@app.command()
def check(
    name: Annotated[str, typer.Argument(metavar="CLASS", help="The class to ask about.")] = "ride horse",
    profile: options.Profile = "demo",
    overrides: options.Overrides = None,
) -> None:
    """Ask the configured server one question, and show the model, its context, its speed and the gate's verdict.

    Example: ezhoi llm check --set llm.model=llava-hf/llava-1.5-7b-hf
    """
    from pipeline.machine import awaiting  # with asyncio, which other commands do without

    config = lookup.configuration(profile, overrides)
    vocabulary = lookup.vocabulary(config)
    awaiting.run(_check(config, lookup.hoi_class(name, vocabulary), vocabulary))


async def _check(config: Config, hoi: Hoi, vocabulary: Vocabulary) -> None:
    from pipeline.outside.addresses import shown_address
    from pipeline.texts.judge import judge
    from pipeline.texts.llm import thinking
    from pipeline.texts.llm.client import Client
    from pipeline.texts.llm.request import Request, RequestRejected
    from pipeline.texts.llm.templates import template

    llm = config.llm
    wording = template(config.descriptions.template, "describe", key="descriptions.template")
    rendered = wording.render(hoi)
    async with Client(llm) as client:
        served = await client.served()
        request = Request(
            model=served.model, root=served.root, revision=served.revision, template=wording.name,
            template_version=wording.version, system=rendered.system, prompt=rendered.prompt, pictures=(),
            temperature=llm.temperature, top_p=llm.top_p, max_tokens=llm.max_tokens, seed=llm.seed,
            system_role=llm.system_role,
        )  # fmt: skip
        await client.check_length(request, served)
        try:
            answer = await client.answer(request)
        except RequestRejected as error:
            raise ServiceError(f"{shown_address(llm.runtime.base_url)} rejects the question: {error}") from None
    lines = {
        "server": f"{shown_address(llm.runtime.base_url)}  {served.server or ''}".rstrip(),
        "model": served.model,
        "loaded from": served.root or "not told",
        "revision": served.revision or "not told",
        "context": f"{served.context} tokens" if served.context else "not told",
        "answer in": f"{answer.latency_s:.2f} s",
    }
    if answer.completion_tokens:
        speed = answer.completion_tokens / max(answer.latency_s, 1e-9)
        lines["speed"] = f"{speed:.1f} tokens/s alone ({answer.prompt_tokens} read, {answer.completion_tokens} written)"
    lines |= {
        "asked about": f"{hoi.name} ({wording.name})",
        "answer": " ".join(thinking.spoken(answer.text).split()),
        "verdict": judge(answer.text, finish_reason=answer.finish_reason, about=hoi, among=vocabulary),
    }
    for key, value in lines.items():
        typer.echo(f"{key:<12} {plain(value)}")
