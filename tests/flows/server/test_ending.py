"""How the command ends: by a signal with one line and a closed record, by what a file system refuses with one message."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked
import pytest

from flows.server import ending

ROOT = Path(__file__).parents[3]


def command(fake: Any, *words: str, **more: str) -> dict[str, Any]:
    environment = fake.environment(EZHOI__STORE__ROOT=str(fake.root), EZHOI__CLIP__WEIGHTS=str(fake.weights), **more)
    environment["PYTHONPATH"] += f"{os.pathsep}{ROOT}"
    return {"args": [sys.executable, "-m", "flows.cli.app", *words], "env": environment, "text": True}


def own(fake: Any) -> dict[str, str]:
    """The environment of a command that executes no stage, so that it may be a fork, which has nothing to import."""
    environment = {k: v for k, v in command(fake)["env"].items() if k != "PYTHONPATH"}
    return environment | {k: v for k, v in os.environ.items() if k == "PYTHONPATH"}


def run(fake: Any, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    keys = {key: more.pop(key) for key in ("cwd", "preexec_fn", "stdout") if key in more}
    return subprocess.run(**command(fake, *words, **more), stderr=subprocess.PIPE, **keys)


def one_message(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert done.returncode == 1, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "Traceback" not in done.stderr, done.stderr
    said = done.stderr[done.stderr.index("error: ") :]  # a message may have several lines
    for part in parts:
        assert part in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_with_one_line_and_closes_the_record(fake: Any, number: signal.Signals) -> None:
    given = command(fake, "run", EZHOI_FAKE_SLEEP="detections:60")
    process = subprocess.Popen(**given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until_runs(fake, "detections")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert [line for line in errors.splitlines() if "stopped" in line] == [
        f"stopped by {number.name}. What was computed is kept: the same command goes on"
    ]
    assert "Traceback" not in errors
    (record,) = (fake.root / ".runs").glob("*.json")
    assert json.loads(record.read_text())["state"] != "running"


def test_helper_processes_end_with_the_run(fake: Any) -> None:
    given = command(fake, "run", "--set", "images.runtime.workers=2", EZHOI_FAKE_SHARDS="image_embeddings:400")
    process = subprocess.Popen(**given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until_runs(fake, "image_embeddings")
    deadline = time.monotonic() + 60
    while not (children := _children(process.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline, "a helper outlives its run"
        time.sleep(0.1)


def test_a_signal_that_is_ignored_stays_so(fake: Any, tmp_path: Path) -> None:
    """`nohup` ignores SIGHUP in this way."""
    given = command(fake, "run", EZHOI_FAKE_GATE=f"detections:{tmp_path / 'open'}")
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    process = subprocess.Popen(**given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=ignore)
    until_runs(fake, "detections")
    process.send_signal(signal.SIGHUP)
    (tmp_path / "open").write_text("")
    process.communicate(timeout=120)
    assert process.returncode == 0


def test_a_full_standard_output_is_one_message_and_loses_nothing(fake: Any) -> None:
    with Path("/dev/full").open("w") as full:
        one_message(run(fake, "run", stdout=full), "no space left for the standard output")
        listed = forked.run("ezhoi", "artifacts", "list", env=own(fake))
        assert listed.returncode == 0 and listed.stdout.startswith("vocabulary ")
        one_message(run(fake, "config", "keys", stdout=full), "standard output")


def test_a_working_directory_that_is_gone(fake: Any, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    given = command(fake, "run", "--set", "store.root=relative")
    del given["env"]["EZHOI__STORE__ROOT"]
    line = f'rmdir {tmp_path / "gone"}; exec "$@"'
    given["args"] = ["sh", "-c", line, "sh", *given["args"]]
    one_message(subprocess.run(**given, cwd=tmp_path / "gone", stderr=subprocess.PIPE), "working directory is gone")


def test_a_store_whose_path_is_too_long(fake: Any) -> None:
    one_message(run(fake, "run", "--set", f"store.root=/tmp/{'x' * 300}"), "too long")


def test_a_limit_of_file_size(fake: Any) -> None:
    limited = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))  # noqa: E731
    done = run(fake, "run", preexec_fn=limited)
    one_message(done, "stage vocabulary", "ulimit -f")


def test_a_locale_that_is_not_utf8(fake: Any, tmp_path: Path) -> None:
    """The pages have characters that ASCII has not."""
    c = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = run(fake, "run", stdout=subprocess.PIPE, **c)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert "lineage: " in done.stdout
    (page,) = (fake.root / ".runs").glob("*/index.html")
    assert "·" in page.read_text(encoding="utf-8") or "–" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["world", "sheet", "none/x.png", "--count", "1"], "none"),
        (["world", "sheet", "x.xyz", "--count", "1"], "x.xyz"),
        (["world", "sheet", "folder.png", "--count", "1"], "folder.png"),
        (["world", "clip", "none/x.safetensors"], "none"),
        (["world", "detector", "none/x.safetensors"], "none"),
        (["describe", "edit", "hug horse", "--text", "A person hugs a horse.", "--file", "none/e.yaml"], "none"),
        (["describe", "import", "texts.csv", "--to", "none/x.json"], "none"),
        (["describe", "import", "texts.csv", "--to", "texts.csv/x.csv"], "texts.csv/x.csv"),
        (["evaluate-detections", "-d", "d", "-a", "a", "--out", "texts.csv"], "texts.csv"),
        (["evaluate-detections", "-d", "d", "-a", "a", "--out", "/proc/none/x"], "/proc/none"),
    ],
)
def test_an_output_that_cannot_be_written_is_named(tmp_path: Path, words: list[str], named: str) -> None:
    (tmp_path / "texts.csv").write_text("class,text\nride horse,A person sits on a horse.\n")
    (tmp_path / "folder.png").mkdir()
    one_message(forked.run("ezhoi", *words, cwd=tmp_path), named)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


class Odd(Exception):
    """An error that nobody foresees."""


def ended(app: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """Exit code and message of a command that does this."""
    with pytest.raises(SystemExit) as end:
        ending.guarded(app)
    return end.value.code, capsys.readouterr().err


def test_what_nobody_foresaw_is_one_message_and_keeps_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def app() -> None:
        raise Odd("line one " + "x" * 5000 + "\nline two")

    monkeypatch.setenv("EZHOI_HOME", str(tmp_path / "home"))
    code, said = ended(app, capsys)
    (kept,) = (tmp_path / "home" / "errors").iterdir()
    assert code == 70 and said.startswith("error: a fault of ezhoi itself (Odd: line one xxx") and str(kept) in said
    assert len(said) < 1000 and said.count("\n") == 1
    assert "Traceback" in kept.read_text() and "line two" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600

    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EZHOI_HOME", str(tmp_path / "file"))
    code, said = ended(app, capsys)
    assert code == 70 and f"It happened in {__file__}, line " in said and "Traceback" not in said


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: not enough memory: you tried"),
    ],
)
def test_a_lack_of_memory_is_no_fault_of_the_program(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def app() -> None:
        raise error

    code, said = ended(app, capsys)
    assert code == 1 and said.startswith(f"error: there is not enough memory ({type(error).__name__}")


def test_a_signal_that_a_library_swallowed_can_be_sent_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An import in native code that is interrupted may go on; what comes at once is the same signal, of a group."""
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ending.ENDING)}
    for number in ending.ENDING:
        signal.signal(number, signal.SIG_DFL)
    passed: list[str] = []

    def app() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        passed.append("at once")
        nonlocal now
        now += 2 * ending.ONCE
        signal.raise_signal(signal.SIGTERM)
        passed.append("later")

    try:
        code, said = ended(app, capsys)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert passed == ["at once"] and code == 143 and said.startswith("stopped by SIGTERM.")


def until_runs(fake: Any, stage: str) -> None:
    deadline = time.monotonic() + 120
    while not ((fake.root / ".ran").exists() and stage in (fake.root / ".ran").read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_no_text_of_a_store_gives_the_terminal_orders(fake: Any) -> None:
    """Whichever command prints it, in results, errors and log lines; colours of our own stay."""
    from pipeline.engine import run as runner
    from pipeline.store.store import Store

    orders = "\x1b]0;owned\x07\x1b[2J\x9b5n"
    runner.run(fake.config())
    for artifact in Store(fake.root).artifacts():
        told = artifact.manifest.model_copy(update={"made_at": f"2026{orders}", "host": orders}).sealed()
        (fake.root / artifact.stage / artifact.fingerprint / "manifest.json").write_text(told.as_json())
    (fake.root / "seen" / Store(fake.root).find("seen").fingerprint / f"more{orders}").write_text("")
    (fake.root / ".runs" / f"odd{orders}.json").write_text("{}")
    shown = ""
    for words in (
        ["artifacts", "list"],
        ["artifacts", "lineage", "evaluation"],
        ["artifacts", "verify"],
        ["artifacts", "gc", "--dry-run"],
        ["status"],
    ):
        done = forked.run("ezhoi", *words, env=own(fake))
        shown += done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    done = run(fake, "run", "--reuse", "descriptions", "--target", "seen", stdout=subprocess.PIPE)
    shown += done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert shown.count("owned") == 0 and "\x1b" not in shown and "\x9b" not in shown and "more" in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_a_library_turns_into_an_error_of_its_own_is_still_a_signal(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """As pydantic's native code makes "does not match the pattern" of a Ctrl-C."""

    def app() -> None:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            raise ValueError("does not match") from None

    before = {n: signal.getsignal(n) for n in (signal.SIGINT, *ending.ENDING)}
    for one in before:
        signal.signal(one, signal.default_int_handler if one == signal.SIGINT else signal.SIG_DFL)
    try:
        code, said = ended(app, capsys)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert code == 128 + number and said.startswith(f"stopped by {number.name}. ") and "error" not in said


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_cost_nothing(fake: Any, closed: str) -> None:
    given = command(fake, "run")
    given["args"] = ["sh", "-c", f'"$@" {closed}', "sh", *given["args"]]
    assert subprocess.run(**given, stdout=subprocess.DEVNULL).returncode == 0
