"""A quarter of the 600 classes, or all, from a server in every kind of trouble: 600 rows, none twice, none lost."""

import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.config.loading import load
from pipeline.config.sources import template as source
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import ServiceError
from pipeline.texts.llm.ask import Asked, Question, Tally, ask_all
from pipeline.texts.llm.journal import Journal
from pipeline.texts.llm.templates import template
from pipeline.vocabulary.vocabulary import Hoi

TEMPLATE = template(source("describe-v2"), "describe", key="descriptions.template")
SOME = HICO.classes[::4]

pytestmark = [pytest.mark.usefixtures("quick_retries"), pytest.mark.slow]


def ask(server, path: Path, *overrides: str, classes: Sequence[Hoi] = SOME) -> tuple[list[Asked], Tally]:
    settings = [f"llm.runtime.base_url={server.url}", "llm.model=tiny-describer", "llm.runtime.timeout_s=60"]
    llm = load(overrides=[*settings, *overrides], environment={}).llm
    questions = [Question(name=hoi.name, rendered=TEMPLATE.render(hoi), about=hoi) for hoi in classes]
    with Journal(path) as journal:
        return ask_all(questions, template=TEMPLATE, llm=llm, journal=journal, progress=lambda *_: None, among=HICO)


def check(asked: list[Asked], path: Path, classes: Sequence[Hoi] = SOME) -> None:
    """Every class has its own text, and the journal has one line a request."""
    assert [a.request.prompt for a in asked] == [TEMPLATE.render(hoi).prompt for hoi in classes]
    for hoi, one in zip(classes, asked, strict=True):
        assert one.text.lower().startswith(hoi.phrase) and one.verdict == "passed"
    lines = path.read_text().splitlines()
    assert len(lines) == len(set(lines)) == len({a.request.key for a in asked}) == len(classes)


@pytest.mark.parametrize(
    ("fault", "share", "settings"),
    [
        ("500", 0.2, []),
        ("drop", 0.2, []),
        ("reset", 0.2, []),
        ("truncated", 0.2, []),
        ("hang", 0.05, ["llm.runtime.timeout_s=1.5"]),
        ("wait:0.6", 0.05, []),
    ],
)
def test_every_row_arrives(fault: str, share: float, settings: list[str], language_server, tmp_path: Path) -> None:
    unlucky = random.Random(7).sample(SOME, int(len(SOME) * share))
    for hoi in unlucky:
        language_server.faults[f"{hoi.phrase} "] = [fault]
    asked, tally = ask(language_server, tmp_path / "j", *settings)
    check(asked, tmp_path / "j")
    assert tally.rejected == 0 and not any(language_server.faults.values()), "every fault must have happened"
    again = 0 if fault.startswith("wait") else len(unlucky)
    assert (
        len(language_server.requests) == len(SOME) + again or fault == "hang"
    )  # on a busy machine others time out too


def test_a_storm_of_429_lowers_the_pace_and_costs_no_try(language_server, tmp_path: Path) -> None:
    language_server.capacity, language_server.delay_s = 6, 0.005
    settings = ("llm.runtime.concurrency=48", "llm.runtime.retries=1")
    asked, _ = ask(language_server, tmp_path / "j", *settings, classes=HICO.classes)
    check(asked, tmp_path / "j", HICO.classes)
    assert {a.answer.tries for a in asked} == {1}
    assert 0 < language_server.refused < len(asked), "the pace must settle near what the server takes"


def test_answers_in_any_order_come_out_in_ours(language_server, tmp_path: Path) -> None:
    drawn = random.Random(3)
    for hoi in SOME:
        language_server.faults[f"{hoi.phrase} "] = [f"wait:{drawn.uniform(0, 0.03):.3f}"]
    asked, _ = ask(language_server, tmp_path / "j")
    check(asked, tmp_path / "j")
    came = [line.split('"prompt": "')[1][:80] for line in (tmp_path / "j").read_text().splitlines()]
    assert came != [TEMPLATE.render(hoi).prompt[:80] for hoi in SOME]


def test_a_server_that_restarts_in_the_middle(language_server, tmp_path: Path) -> None:
    language_server.delay_s = 0.01

    def restart() -> None:
        while language_server.answered < 50:
            time.sleep(0.005)
        language_server.stop()
        time.sleep(1.0)
        language_server.start()

    restarting = threading.Thread(target=restart)
    restarting.start()
    asked, _ = ask(language_server, tmp_path / "j", "llm.runtime.retries=3")
    restarting.join()
    check(asked, tmp_path / "j")
    assert max(a.answer.tries for a in asked) == 2, "the outage counts as one failure, however long it is"


def test_a_server_that_comes_back_with_another_model_stops_the_run(language_server, tmp_path: Path) -> None:
    language_server.delay_s = 0.01
    hoi = SOME[75]
    language_server.faults[f"{hoi.phrase} "] = ["404"]
    with pytest.raises(ServiceError, match="404 for the model 'tiny-describer'"):
        ask(language_server, tmp_path / "j")
    kept = len((tmp_path / "j").read_text().splitlines())
    asked, tally = ask(language_server, tmp_path / "j")
    check(asked, tmp_path / "j")
    assert tally.reused == kept > 0


def test_a_server_that_stays_away_ends_the_run_with_one_message(language_server, tmp_path: Path) -> None:
    language_server.delay_s = 0.02

    def stop() -> None:
        while language_server.answered < 20:
            time.sleep(0.005)
        language_server.stop()

    threading.Thread(target=stop, daemon=True).start()
    with pytest.raises(ServiceError, match=r"cannot be reached.*answers that came in are kept"):
        ask(language_server, tmp_path / "j", "llm.runtime.patience_s=0.5", "llm.runtime.concurrency=8")
    language_server.start()
    asked, tally = ask(language_server, tmp_path / "j")
    check(asked, tmp_path / "j")
    assert 0 < tally.reused < len(SOME)


def test_a_finished_journal_of_600_is_read_and_nothing_asked(language_server, tmp_path: Path) -> None:
    asked, _ = ask(language_server, tmp_path / "j", classes=HICO.classes)
    before = len(language_server.requests)
    again, tally = ask(language_server, tmp_path / "j", classes=HICO.classes)
    assert again == asked and tally == Tally(requests=0, reused=600, rejected=0)
    assert len(language_server.requests) == before
