"""The descriptions' whole path against a real vLLM with a LLaVA of the true architecture (tests/vllm/tiny_llava.py).

Its texts are noise, which the quality gate has to reject; the path that carries them is the real one.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from pipeline.config.loading import load
from pipeline.config.sources import template as source
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError, ServiceError
from pipeline.texts.llm import pictures
from pipeline.texts.llm.ask import Question, ask_all
from pipeline.texts.llm.journal import Journal
from pipeline.texts.llm.templates import template

pytestmark = pytest.mark.vllm
TEMPLATE = template(source("describe-v2"), "describe", key="descriptions.template")
ROOT = Path(__file__).parents[2]


def questions(count: int, shown: dict[int, tuple[pictures.Picture, ...]] | None = None) -> list[Question]:
    return [
        Question(name=hoi.name, rendered=TEMPLATE.render(hoi), about=hoi, pictures=(shown or {}).get(hoi.hoi_id, ()))
        for hoi in HICO.classes[:count]
    ]


def answers(path: Path) -> dict[tuple[str, int], dict]:
    """Journalled answers by prompt and seed."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return {(r["request"]["prompt"], r["request"]["seed"]): r for r in records}


def ask(served, path: Path, asked: list[Question], *settings: str) -> dict[tuple[str, int], dict]:
    """Ask, expecting the gate to reject the noise; what was answered is in the journal."""
    llm = load(overrides=served.settings(*settings), environment={}).llm
    with Journal(path) as journal, pytest.raises(DataError, match="got no usable text"):
        ask_all(asked, template=TEMPLATE, llm=llm, journal=journal, progress=lambda *_: None, among=HICO)
    return answers(path)


def test_the_command_checks_the_server(served) -> None:
    settings = [part for setting in served.settings() for part in ("--set", setting)]
    command = [str(Path(sys.executable).with_name("ezhoi")), "llm", "check", *settings]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for line in ("vllm 0.", f"model        {served.folder}", "revision     r7", "context      4096 tokens", "tokens/s"):
        assert line in said


def test_words_alone(served, tmp_path: Path) -> None:
    found = ask(served, tmp_path / "j", questions(8), "llm.attempts=2")
    assert len(found) == 16, "eight classes, each asked twice"
    for record in found.values():
        assert record["answer"]["completion_tokens"] == 24 and record["answer"]["finish_reason"] == "length"
        assert record["request"]["revision"] == "r7" and record["request"]["root"] == str(served.folder)
        assert record["answer"]["server"].startswith("vllm 0.")


def test_the_same_request_has_the_same_answer(served, tmp_path: Path) -> None:
    settings = ("llm.attempts=1", "llm.temperature=0.8", "llm.seed=5")
    together = ask(served, tmp_path / "a", questions(16), *settings)
    alone = ask(served, tmp_path / "b", questions(16), *settings, "llm.runtime.concurrency=1")
    assert {k: r["answer"]["text"] for k, r in together.items()} == {k: r["answer"]["text"] for k, r in alone.items()}
    other = ask(served, tmp_path / "c", questions(16), *settings[:2], "llm.seed=6")
    assert [r["answer"]["text"] for r in together.values()] != [r["answer"]["text"] for r in other.values()]


def test_a_picture_is_read(served, tmp_path: Path) -> None:
    hoi = HICO.classes[0]
    for number in (1, 2):
        (tmp_path / "p" / hoi.name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (640, 427), (120, 90, 60 * number)).save(tmp_path / "p" / hoi.name / f"{number}.png")
    shown = pictures.read(tmp_path / "p", HICO, most=1)
    plain = next(iter(ask(served, tmp_path / "a", questions(1), "llm.attempts=1").values()))
    seen = next(iter(ask(served, tmp_path / "b", questions(1, shown), "llm.attempts=1").values()))
    assert seen["answer"]["prompt_tokens"] - plain["answer"]["prompt_tokens"] in range(576, 582)
    assert seen["answer"]["text"] != plain["answer"]["text"] and len(seen["request"]["pictures"]) == 1
    llm = load(overrides=served.settings(), environment={}).llm
    two = questions(1, pictures.read(tmp_path / "p", HICO, most=2))
    with Journal(tmp_path / "c") as journal, pytest.raises(DataError, match=r"rejected by the server.*At most 1 image"):
        ask_all(two, template=TEMPLATE, llm=llm, journal=journal, progress=lambda *_: None, among=HICO)


def test_a_wrong_model_and_a_short_context_stop_before_the_first_question(served, tmp_path: Path) -> None:
    for setting, says in (("llm.model=llava", "it serves: "), ("llm.max_tokens=4000", "context of 4096 tokens")):
        llm = load(overrides=[*served.settings(), setting], environment={}).llm
        with Journal(tmp_path / "j") as journal, pytest.raises(ServiceError, match=says):
            ask_all(questions(1), template=TEMPLATE, llm=llm, journal=journal, progress=lambda *_: None, among=HICO)


RUN = """
import sys
from pathlib import Path
from pipeline.config.loading import load
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.texts.llm.ask import Question, ask_all
from pipeline.texts.llm.journal import Journal
from pipeline.config.sources import template as source
from pipeline.texts.llm.templates import template
wording = template(source("describe-v2"), "describe", key="descriptions.template")
questions = [Question(name=hoi.name, rendered=wording.render(hoi), about=hoi) for hoi in HICO.classes]
with Journal(Path(sys.argv[1])) as journal:
    llm = load(overrides=sys.argv[2:], environment={}).llm
    ask_all(questions, template=wording, llm=llm, journal=journal, progress=lambda *_: None, among=HICO)
"""


def test_six_hundred_classes_with_a_kill_in_the_middle(served, tmp_path: Path) -> None:
    """600 answers, none twice, and the same texts as without the kill."""
    settings = served.settings("llm.attempts=1", "llm.runtime.concurrency=64")
    path = tmp_path / "killed"
    command = [sys.executable, "-c", RUN, str(path), *settings]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    while not (path.exists() and path.read_bytes().count(b"\n") >= 100):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = path.read_bytes().count(b"\n")
    assert 100 <= kept < 600
    found = ask(served, path, questions(600), "llm.attempts=1", "llm.runtime.concurrency=64")
    assert len(found) == 600 == path.read_bytes().count(b"\n")
    whole = ask(served, tmp_path / "whole", questions(600), "llm.attempts=1", "llm.runtime.concurrency=64")
    assert {k: r["answer"]["text"] for k, r in found.items()} == {k: r["answer"]["text"] for k, r in whole.items()}


def test_stopping_leaves_no_process_and_says_so(served, tmp_path: Path) -> None:
    """The last test: Ctrl-C on the command ends vLLM's processes, and a client is told that the server is gone."""
    group = subprocess.run(["pgrep", "-f", str(served.folder)], capture_output=True, text=True).stdout.split()
    assert len(group) > 1
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(timeout=60) == 0
    assert not subprocess.run(["pgrep", "-f", str(served.folder)], capture_output=True, text=True).stdout
    llm = load(overrides=served.settings(), environment={}).llm
    with Journal(tmp_path / "j") as journal, pytest.raises(ServiceError, match=r"cannot be reached.*ezhoi llm serve"):
        ask_all(questions(1), template=TEMPLATE, llm=llm, journal=journal, progress=lambda *_: None, among=HICO)
