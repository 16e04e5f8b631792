"""Asking many classes at once: retries, the gate, re-asking, errors that name what to do."""

import logging
import time
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.errors import DataError, ServiceError
from pipeline.hico.vocabulary import find
from pipeline.llm.ask import Accepted, Question, Tally, ask_all
from pipeline.llm.client import LONGEST_RETRY_AFTER, _may_pass
from pipeline.llm.journal import Journal
from pipeline.llm.templates import describe_template
from pipeline.sections.language import Llm

NAMES = ("ride horse", "hug dog", "kick sports_ball", "eat pizza", "wear skis", "no_interaction cat")
TEMPLATE = describe_template("describe-v1")


def configured(server, *overrides: str) -> Llm:
    settings = [f"llm.runtime.base_url={server.url}", "llm.model=tiny-describer", "llm.runtime.timeout_s=10"]
    return load(overrides=[*settings, *overrides], environment={}).llm


def ask(llm: Llm, path: Path, names=NAMES) -> tuple[list[Accepted], Tally]:
    questions = []
    for name in names:
        hoi = find(name)
        word = hoi.object.replace("_", " ")
        questions.append(Question(name=hoi.name, prompt=TEMPLATE.render(hoi), object_name=word))
    with Journal(path) as journal:
        return ask_all(questions, template=TEMPLATE, llm=llm, journal=journal, progress=lambda *_: None)


pytestmark = pytest.mark.usefixtures("quick_retries")


def test_answers_come_in_order_with_provenance(language_server, tmp_path: Path) -> None:
    accepted, tally = ask(configured(language_server), tmp_path / "j")
    phrases = [a.text.split(" leans")[0].lower() for a in accepted]
    assert phrases[:2] == ["a person riding a horse", "a person hugging a dog"]
    assert tally == Tally(requests=6, reused=0, rejected=0)
    first = accepted[0]
    assert (first.request.model, first.request.root) == ("tiny-describer", "weights/tiny-describer")
    assert first.answer.server == "vllm 0.0-fake"
    assert (first.answer.finish_reason, first.answer.tries, first.attempts, first.request.seed) == ("stop", 1, 1, 0)
    assert first.answer.prompt_tokens == len(first.request.prompt.split()) and first.answer.completion_tokens > 5
    assert first.answer.latency_s > 0 and first.answer.asked_at.startswith("20")
    body = language_server.requests[0]
    assert (body["temperature"], body["top_p"], body["max_tokens"], body["seed"]) == (0.2, 0.9, 160, 0)


def test_requests_are_in_flight_together_up_to_the_limit(language_server, tmp_path: Path) -> None:
    language_server.delay_s = 0.05
    ask(configured(language_server, "llm.runtime.concurrency=3"), tmp_path / "j")
    assert language_server.most_in_flight == 3


@pytest.mark.parametrize("fault", ["429", "500", "503", "drop", "half", "garbage", "no choices"])
def test_passing_troubles_are_tried_again(fault: str, language_server, tmp_path: Path) -> None:
    language_server.faults["riding a horse"] = [fault, fault]
    start = time.perf_counter()
    accepted, tally = ask(configured(language_server), tmp_path / "j")
    assert accepted[0].answer.tries == 3 and tally.rejected == 0
    assert len(language_server.requests) == 8
    if fault == "429":
        assert time.perf_counter() - start > 0.6, "the server's Retry-After must be kept"


def test_a_server_cannot_make_us_wait_for_ever() -> None:
    import openai

    def status(code: int, wait: str | None) -> openai.APIStatusError:
        class Reply:
            status_code = code
            headers = {} if wait is None else {"retry-after": wait}
            request = None

        return openai.APIStatusError("x", response=Reply(), body=None)  # type: ignore[arg-type]

    assert _may_pass(status(429, "86400")) == LONGEST_RETRY_AFTER
    assert _may_pass(status(503, "Wed, 21 Oct 2026 07:28:00 GMT")) is True
    assert _may_pass(status(429, None)) is True
    assert _may_pass(status(404, None)) is False


def test_timeouts_are_tried_again(language_server, tmp_path: Path) -> None:
    language_server.faults["riding a horse"] = ["slow"]
    accepted, _ = ask(configured(language_server, "llm.runtime.timeout_s=0.5"), tmp_path / "j")
    assert accepted[0].answer.tries == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("empty", "empty"),
        ("length", "cut off"),
        ("text:I'm sorry, but I cannot describe a horse in that photograph for you.", "refusal"),
        ("text:A person sits on a brown cow and holds its neck with both hands.", "wrong object ('horse'"),
        ("text:The image shows a person who sits astride a horse on a meadow.", "boilerplate"),
        ("text:A horse runs along. A horse runs along. A horse runs along.", "repeats itself"),
        ("text:A horse.", "too short"),
    ],
)
def test_bad_answers_are_asked_again_with_a_new_seed(fault: str, reason: str, language_server, tmp_path: Path) -> None:
    language_server.faults["riding a horse"] = [fault]
    accepted, tally = ask(configured(language_server), tmp_path / "j")
    assert tally == Tally(requests=7, reused=0, rejected=1)
    assert (accepted[0].attempts, accepted[0].request.seed) == (2, 1) and "Version B" in accepted[0].text
    assert all(a.attempts == 1 for a in accepted[1:])
    language_server.faults["riding a horse"] = [fault] * 3
    with pytest.raises(DataError, match="ride horse: ") as caught:
        ask(configured(language_server), tmp_path / "other")
    assert str(caught.value).count(reason) == 3


def test_the_second_of_two_equal_texts_is_the_duplicate_whatever_the_timing(language_server, tmp_path: Path) -> None:
    text = "text:A person is near a horse and a dog, with both hands stretched forward."
    language_server.faults["hugging a dog"] = [text, text.replace(",", "")]
    language_server.faults["riding a horse"] = ["500", text]  # the later class answers first
    accepted, tally = ask(configured(language_server), tmp_path / "j")
    assert (accepted[0].attempts, accepted[1].attempts) == (1, 3)
    assert tally.rejected == 2


def test_failing_classes_are_listed_and_the_rest_is_kept(language_server, tmp_path: Path) -> None:
    language_server.faults["riding a horse"] = ["empty", "length", "empty"]
    language_server.faults["eating a pizza"] = ["400"] * 3
    with pytest.raises(DataError) as caught:
        ask(configured(language_server), tmp_path / "j")
    message = str(caught.value)
    assert message.startswith("2 of 6 classes got no usable text from 'tiny-describer' in 3 askings each")
    assert "ride horse: empty; cut off (finish reason 'length'); empty" in message
    assert "eat pizza: the server rejects the request" in message and "maximum context length" in message
    assert "The 4 answers that passed are kept" in message and "descriptions.edits" in message
    before = len(language_server.requests)
    accepted, tally = ask(configured(language_server, "llm.attempts=4"), tmp_path / "j")
    # The horse's three bad answers are known, so only its fourth asking goes out; a rejection is not kept.
    assert tally.requests == 2 and tally.reused == 7 and len(language_server.requests) - before == 2
    assert (accepted[0].attempts, accepted[3].attempts) == (4, 1)


def test_nothing_is_asked_twice(language_server, tmp_path: Path) -> None:
    first, _ = ask(configured(language_server), tmp_path / "j")
    again, tally = ask(configured(language_server), tmp_path / "j")
    assert again == first and tally == Tally(requests=0, reused=6, rejected=0)
    _, other = ask(configured(language_server, "llm.temperature=0.3"), tmp_path / "j")
    assert other.requests == 6


def test_wrong_model_name_lists_what_is_served(language_server, tmp_path: Path) -> None:
    language_server.models = ["one", "two"]
    with pytest.raises(ServiceError, match=r"does not serve the model 'tiny-describer'; it serves: one, two\."):
        ask(configured(language_server), tmp_path / "j")
    assert not language_server.requests


def test_server_down_says_where_and_what_to_do(language_server, tmp_path: Path) -> None:
    llm = configured(language_server, "llm.runtime.base_url=http://127.0.0.1:9/v1", "llm.runtime.retries=2")
    with pytest.raises(ServiceError, match=r"127\.0\.0\.1:9/v1 cannot be reached \(2 tries.*vllm serve.*base_url"):
        ask(llm, tmp_path / "j")


def test_wrong_address_is_no_server_down(language_server, tmp_path: Path) -> None:
    llm = configured(language_server, f"llm.runtime.base_url={language_server.url}/extra")
    with pytest.raises(ServiceError, match=r"answers 404.*base_url"):
        ask(llm, tmp_path / "j")


def test_a_server_that_dies_midway_stops_the_run_and_loses_nothing(language_server, tmp_path: Path) -> None:
    language_server.faults["eating a pizza"] = ["500"] * 3
    llm = configured(language_server, "llm.runtime.retries=3", "llm.runtime.concurrency=1")
    with pytest.raises(ServiceError, match=r"keeps failing \(3 tries\).*EngineCore.*kept"):
        ask(llm, tmp_path / "j")
    _, tally = ask(llm, tmp_path / "j")
    assert tally.reused == 3 and tally.requests == 3


def test_the_key_is_sent_and_never_written(language_server, tmp_path: Path, monkeypatch, caplog) -> None:
    language_server.key = "sk-very-secret"
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("EZHOI_LLM_API_KEY", "sk-very-secret")
    language_server.faults["riding a horse"] = ["500"]
    ask(configured(language_server), tmp_path / "j")
    assert "sk-very-secret" not in (tmp_path / "j").read_text() + caplog.text
    language_server.key = "sk-another"
    with pytest.raises(ServiceError, match=r"EZHOI_LLM_API_KEY \(which is set\): .*wrong key") as caught:
        ask(configured(language_server), tmp_path / "other")
    assert "sk-very-secret" not in str(caught.value)


def test_no_question_needs_no_server(tmp_path: Path) -> None:
    llm = load(overrides=["llm.runtime.base_url=http://127.0.0.1:9/v1"], environment={}).llm
    assert ask(llm, tmp_path / "j", names=()) == ([], Tally())
