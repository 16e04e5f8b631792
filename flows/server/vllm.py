"""vLLM as a process of ours: it is found in its own environment, started with the flags that LLaVA needs, and stopped.

vLLM pins its torch, so it never shares an environment with the project. It is looked for in this order: in the environment
that is named, in $EZHOI_VLLM, in .venv-vllm of the working folder or of this checkout, on the PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.server import processes
from flows.server.api import connect
from pipeline.errors import ServiceError

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
CHAT_TEMPLATE = ROOT / "pipeline" / "texts" / "llm" / "llava15.jinja"
INSTALL = (
    "python3 -m venv .venv-vllm && .venv-vllm/bin/pip install vllm        (Linux with an NVIDIA GPU)\n"
    "or, to try it on a CPU: make .venv-vllm"
)
STOP_SECONDS = 30.0
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What to serve and how; `extra` is passed to vLLM unchanged."""

    model: str
    revision: str | None = None
    port: int = 8000
    context: int | None = None
    """Tokens of prompt and answer together; the model's own length if None."""
    pictures: int = 1
    """Pictures allowed in a request; with 0 vLLM reserves no memory for them."""
    requests: int = 64
    """Requests computed at once."""
    memory: float = 0.9
    """Share of the GPU's memory."""
    extra: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/v1"

    @property
    def is_llava(self) -> bool:
        """Whether the model is a LLaVA-1.5, by its name or by the configuration in its folder."""
        try:
            kind = json.loads((Path(self.model) / "config.json").read_text(encoding="utf-8")).get("model_type")
        except (OSError, ValueError, AttributeError):
            return "llava-1.5" in self.model.lower()
        return bool(kind == "llava")


@dataclass(frozen=True)
class Installed:
    """An installed vLLM: its command, its version, and whether it computes on the CPU."""

    command: Path
    version: str

    @property
    def on_cpu(self) -> bool:
        return "cpu" in self.version


def find(environment: Path | None = None) -> Installed:
    """The vLLM to use; ServiceError that says how to install it, where there is none or it does not start."""
    named = environment or (Path(os.environ["EZHOI_VLLM"]) if os.environ.get("EZHOI_VLLM") else None)
    folders = [named] if named is not None else [Path.cwd() / ".venv-vllm", ROOT / ".venv-vllm"]
    commands = [folder.absolute() / "bin" / "vllm" for folder in folders]
    if named is None and (on_path := shutil.which("vllm")):
        commands.append(Path(on_path))
    command = next((command for command in commands if command.is_file()), None)
    if command is None:
        looked = ", ".join(str(path) for path in commands)
        raise ServiceError(
            f"vLLM is not installed (looked for {looked}). It needs an environment of its own:\n{INSTALL}"
        )
    ask = [str(command.with_name("python")), "-c", "from importlib.metadata import version; print(version('vllm'))"]
    done = subprocess.run(
        ask, env=surroundings(on_cpu=False), capture_output=True, text=True, encoding="utf-8", errors="replace"
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ServiceError(f"{command} does not start: {last}. Make its environment anew:\n{INSTALL}")
    return Installed(command, done.stdout.strip())


def command(vllm: Installed, serving: Serving) -> list[str]:
    """The command line. Sampling defaults stay vLLM's own, since each of our requests gives its values."""
    names = [serving.model, *([f"{serving.model}@{serving.revision}"] if serving.revision else [])]
    context = serving.context or (4096 if serving.is_llava else None)
    line = [str(vllm.command), "serve", serving.model, "--host", HOST, "--port", str(serving.port)]
    line += ["--served-model-name", *names, "--generation-config", "vllm", "--seed", "0"]
    line += ["--max-num-seqs", str(serving.requests)]
    line += ["--max-model-len", str(context)] if context else []
    line += ["--revision", serving.revision] if serving.revision and not Path(serving.model).is_dir() else []
    if vllm.on_cpu:
        line += ["--dtype", "float32", "--enforce-eager"]
        # A seeded request whose prompt is computed in parts kills the engine there ("CPU Generator does not use offset").
        line += ["--no-enable-chunked-prefill", "--max-num-batched-tokens", str(max(context or 0, 8192))]
    else:
        line += ["--dtype", "bfloat16", "--gpu-memory-utilization", str(serving.memory)]
    if serving.is_llava:
        line += ["--limit-mm-per-prompt", json.dumps({"image": serving.pictures})]
        # Older copies of the weights have no chat template, and vLLM's package has none either.
        line += ["--chat-template", str(CHAT_TEMPLATE), "--chat-template-content-format", "openai"]
    return [*line, *serving.extra]


def surroundings(*, on_cpu: bool, key: str = "", base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment variables of the server: without ours, without telemetry, and with idle connections kept open."""
    source = os.environ if base is None else base
    kept = {k: v for k, v in source.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    found = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_HTTP_TIMEOUT_KEEP_ALIVE": "75"} | kept
    if on_cpu:
        found = {"VLLM_CPU_KVCACHE_SPACE": "1"} | found  # GB
    return found | ({"VLLM_API_KEY": key} if key else {})


@contextmanager
def serve(
    vllm: Installed,
    serving: Serving,
    *,
    log: Path,
    key: str = "",
    patience: float = 900.0,
    say: Say = lambda line: None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server that answers during the block, and stop it afterwards with all its processes.

    Raises ServiceError if the port is taken, or the server ends or is not ready within `patience` seconds; the message
    has the end of the log.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, serving.port))
        except OSError:
            raise ServiceError(f"port {serving.port} of {HOST} is taken; choose another with --port") from None
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(vllm, serving),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=surroundings(on_cpu=vllm.on_cpu, key=key),
            start_new_session=True,
        )
    started = processes.identify(process.pid)
    try:
        _wait(process, serving, log, key, patience, say)
        yield process
    finally:
        if started is not None:
            processes.stop(started, patience=STOP_SECONDS)
        process.wait()


def _wait(process: subprocess.Popen[bytes], serving: Serving, log: Path, key: str, patience: float, say: Say) -> None:
    """Wait until the server has answered a request: a server that says it is healthy may still fail at its first."""
    import httpx

    start = reported = time.monotonic()
    root = serving.url.removesuffix("/v1")
    probe = {"model": serving.model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hello"}]}
    while True:
        if process.poll() is not None:
            raise ServiceError(f"vLLM ended with exit code {process.returncode}; the end of {log}:\n{_end(log)}")
        if time.monotonic() - start > patience:
            raise ServiceError(f"vLLM is not ready after {patience:g} s; the end of {log}:\n{_end(log)}")
        try:
            _ask(f"{root}/health", key)
            _ask(f"{serving.url}/chat/completions", key, probe)
            return
        except httpx.HTTPStatusError as error:
            code = error.response.status_code
            if code < 500:
                raise ServiceError(f"vLLM refuses a first question ({code}); the end of {log}:\n{_end(log)}") from None
        except httpx.HTTPError:
            pass  # not listening yet
        if time.monotonic() - reported > 15:
            reported = time.monotonic()
            say(f"not ready after {reported - start:.0f} s: {_end(log, 1)[:120]}")
        time.sleep(0.5)


def _ask(url: str, key: str, body: dict[str, Any] | None = None) -> None:
    with connect(url, headers={"Authorization": f"Bearer {key}"} if key else None, timeout=120.0) as http:
        (http.get(url) if body is None else http.post(url, json=body)).raise_for_status()


def _end(log: Path, lines: int = 12) -> str:
    return "\n".join(log.read_text(errors="replace", encoding="utf-8").splitlines()[-lines:])
