"""`ezhoi llm serve` with a stand-in for vLLM: found, started with the right flags, waited for, stopped with its children."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from flows.cli.app import app
from flows.server import vllm
from flows.server.vllm import Installed, Serving
from pipeline.config.language import LlmRuntime
from pipeline.errors import ServiceError
from pipeline.machine.home import write_secret
from pipeline.texts.llm.keys import api_key, key_file

STAND_IN = """#!{python}
import json, os, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
how = os.environ.get("HOW", "well")
print("started with", sys.argv, flush=True)
if how == "dies":
    sys.exit("no memory left for the model")
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open(os.environ["CHILD"], "w").write(str(child.pid))
class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def reply(self, code, body):
        self.send_response(code); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def do_GET(self): self.reply(200, b"")
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        key = self.headers.get("Authorization")
        wanted = os.environ.get("VLLM_API_KEY")
        if wanted and key != "Bearer " + wanted: self.reply(401, b"{{}}")
        elif how == "refuses": self.reply(404, b"{{}}")
        else: self.reply(200, b"{{}}")
port = int(sys.argv[sys.argv.index("--port") + 1])
HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment whose `vllm` is a stand-in."""
    bins = tmp_path / "env" / "bin"
    bins.mkdir(parents=True)
    (bins / "vllm").write_text(STAND_IN.format(python=sys.executable))
    (bins / "python").write_text("#!/bin/sh\necho 0.99.0+cpu\n")
    for file in bins.iterdir():
        file.chmod(0o755)
    monkeypatch.setenv("CHILD", str(tmp_path / "child"))
    return tmp_path / "env"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def alive(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pid: int) -> bool:
    """Whether a process ends soon: a killed one takes a moment on a busy machine."""
    deadline = time.monotonic() + 60
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def test_flags_of_llava_on_a_gpu_and_on_a_cpu() -> None:
    serving = Serving(model="llava-hf/llava-1.5-7b-hf", revision="abc", port=8100, extra=("--swap-space", "0"))
    line = vllm.command(Installed(Path("/env/bin/vllm"), "0.33.0"), serving)
    text = " ".join(line)
    assert line[:3] == ["/env/bin/vllm", "serve", "llava-hf/llava-1.5-7b-hf"] and line[-2:] == ["--swap-space", "0"]
    for part in (
        "--host 127.0.0.1 --port 8100",
        "--served-model-name llava-hf/llava-1.5-7b-hf llava-hf/llava-1.5-7b-hf@abc",
        "--revision abc",
        "--generation-config vllm",
        "--dtype bfloat16 --gpu-memory-utilization 0.9",
        "--max-model-len 4096",
        '--limit-mm-per-prompt {"image": 1}',
        f"--chat-template {vllm.CHAT_TEMPLATE}",
    ):
        assert part in text
    assert vllm.CHAT_TEMPLATE.is_file() and "enforce-eager" not in text
    text = " ".join(vllm.command(Installed(Path("v"), "0.32.0+cpu"), serving))
    assert "--dtype float32 --enforce-eager --no-enable-chunked-prefill" in text and "gpu-memory" not in text


def test_another_model_gets_no_flags_of_llava(tmp_path: Path) -> None:
    text = " ".join(vllm.command(Installed(Path("v"), "0.33.0"), Serving(model="org/words-1b", context=900)))
    assert "chat-template" not in text and "limit-mm" not in text and "--max-model-len 900" in text
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llava"}))
    line = vllm.command(Installed(Path("v"), "0.33.0"), Serving(model=str(tmp_path), revision="r", pictures=0))
    assert '{"image": 0}' in line and "--revision" not in line and f"{tmp_path}@r" in line


def test_where_vllm_is_looked_for(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert vllm.find(environment) == Installed(environment / "bin" / "vllm", "0.99.0+cpu")
    monkeypatch.setenv("EZHOI_VLLM", str(environment))
    assert vllm.find().on_cpu
    monkeypatch.setenv("EZHOI_VLLM", str(tmp_path / "none"))
    with pytest.raises(ServiceError, match=r"not installed .*none/bin/vllm.*\n.*pip install vllm"):
        vllm.find()
    (environment / "bin" / "python").write_text("#!/bin/sh\necho 'No package metadata' >&2; exit 1\n")
    with pytest.raises(ServiceError, match="does not start: No package metadata"):
        vllm.find(environment)


def test_a_server_is_there_while_the_block_runs_and_gone_with_its_children_after(
    environment: Path, tmp_path: Path
) -> None:
    serving = Serving(model="m", port=free_port())
    with vllm.serve(vllm.find(environment), serving, log=tmp_path / "log", key="sk-secret") as process:
        child = int((tmp_path / "child").read_text())
        assert process.poll() is None and alive(child)
        with (
            pytest.raises(ServiceError, match="is taken; choose another with --port"),
            vllm.serve(vllm.find(environment), serving, log=tmp_path / "other"),
        ):
            pass
    assert process.poll() is not None and gone(child)
    assert "sk-secret" not in (tmp_path / "log").read_text(), "the key is no argument"


@pytest.mark.parametrize(("how", "says"), [("dies", "exit code 1.*\n.*no memory left"), ("refuses", "refuses a first")])
def test_a_server_that_does_not_come_up_says_why(
    how: str, says: str, environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOW", how)
    with (
        pytest.raises(ServiceError, match=rf"(?s){says}"),
        vllm.serve(vllm.find(environment), Serving(model="m", port=free_port()), log=tmp_path / "log"),
    ):
        pass
    if how == "refuses":
        assert gone(int((tmp_path / "child").read_text()))


def test_the_command_prints_where_it_serves_and_stops_with_ctrl_c(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server is asked by who finds its key, which is gone with it and was shown nowhere."""
    port = free_port()
    monkeypatch.setenv("EZHOI_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("EZHOI_LLM_API_KEY", raising=False)
    command = [sys.executable, "-m", "flows.cli.app", "llm", "serve", "m", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--environment", str(environment)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == f"ready: http://127.0.0.1:{port}/v1 serves m\n"
    said = process.stdout.readline()
    child = int((tmp_path / "child").read_text())
    runtime = LlmRuntime(base_url=f"http://127.0.0.1:{port}/v1")
    key = api_key(runtime)
    asked = {known: _status(port, known) for known in ("", "another", key)}
    process.send_signal(signal.SIGTERM)
    _, complained = process.communicate(timeout=60)
    assert process.returncode == 0 and "--set llm.model=m" in said and complained.endswith("stopped\n")
    assert gone(child)
    assert asked == {"": 401, "another": 401, key: 200} and api_key(runtime) == ""
    assert key not in said + complained + (tmp_path / "home" / "logs" / f"vllm-{port}.log").read_text()


def test_a_second_server_on_the_port_leaves_the_key_of_the_first(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EZHOI_HOME", str(tmp_path / "home"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        write_secret(key_file(port), "of the first")
        done = CliRunner().invoke(app, ["llm", "serve", "m", "--port", str(port), "--environment", str(environment)])
        assert isinstance(done.exception, ServiceError) and "is taken" in str(done.exception)
    assert api_key(LlmRuntime(base_url=f"http://127.0.0.1:{port}/v1")) == "of the first"


def _status(port: int, key: str) -> int:
    """How the server answers a question of somebody who knows this key."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(trust_env=False) as http:
        return http.post(f"http://127.0.0.1:{port}/v1/chat/completions", headers=headers, json={}).status_code
