"""A real vLLM that serves a tiny LLaVA, started by the project's own command. See `make test-vllm`."""

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENVIRONMENT = Path(os.environ.get("EZHOI_VLLM") or ROOT / ".venv-vllm")
MODEL, REVISION = "tiny-llava", "r7"
READY_SECONDS = 600


@dataclass
class Served:
    """The process of `ezhoi llm serve`, and the model that it serves."""

    url: str
    folder: Path
    process: subprocess.Popen[str]
    home: Path

    def settings(self, *more: str) -> list[str]:
        return [
            f"llm.runtime.base_url={self.url}", f"llm.model={self.folder}", "llm.max_tokens=24",
            "llm.runtime.timeout_s=60", *more,
        ]  # fmt: skip


def environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EZHOI_", "PREFECT_"))}
    return kept | {"EZHOI_HOME": str(home), "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if not (ENVIRONMENT / "bin" / "vllm").is_file():
        pytest.skip(f"vLLM is not installed in {ENVIRONMENT}: make .venv-vllm")
    folder, home = tmp_path_factory.mktemp(MODEL), tmp_path_factory.mktemp("home")
    subprocess.run([ENVIRONMENT / "bin" / "python", HERE / "tiny_llava.py", folder], check=True)
    port = free_port()
    command = [str(Path(sys.executable).with_name("ezhoi")), "llm", "serve", str(folder), "--port", str(port)]
    command += ["--environment", str(ENVIRONMENT), "--revision", REVISION]
    process = subprocess.Popen(
        command,
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=None,
        text=True,
        start_new_session=True,
        # A shell starts what it runs in the background with Ctrl-C ignored, and these tests perhaps with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: [lines.put(line) for line in process.stdout], daemon=True).start()
    try:
        first = lines.get(timeout=READY_SECONDS)
        assert first == f"ready: http://127.0.0.1:{port}/v1 serves {folder}\n"
        yield Served(f"http://127.0.0.1:{port}/v1", folder, process, home)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
