"""Asking many classes at once: retries, the gate, re-asking, errors that name what to do."""

import logging
import signal
import time
from pathlib import Path

import pytest

from flows.server import ending
from pipeline.config.language import Llm
from pipeline.config.loading import load
from pipeline.config.sources import template as source
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError, ServiceError
from pipeline.texts.llm import pictures
from pipeline.texts.llm.ask import Asked, OnAnswer, Question, Tally, ask_all
from pipeline.texts.llm.journal import Journal
from pipeline.texts.llm.templates import template
from pipeline.texts.llm.troubles import LONGEST_WAIT, may_pass

NAMES = ("ride horse", "hug dog", "kick sports_ball", "eat pizza", "wear skis", "no_interaction cat")
TEMPLATE = template(source("describe-v1"), "describe", key="descriptions.template")


def configured(server, *overrides: str) -> Llm:
    settings = [f"llm.runtime.base_url={server.url}", "llm.model=tiny-describer", "llm.runtime.timeout_s=10"]
    return load(overrides=[*settings, *overrides], environment={}).llm


def ask(
    llm: Llm, path: Path, names=NAMES, tolerated: float = 0.0, progress: OnAnswer = lambda *_: None
) -> tuple[list[Asked], Tally]:
    questions = [
        Question(name=name, rendered=TEMPLATE.render(HICO.find(name)), about=HICO.find(name)) for name in names
    ]
    with Journal(path) as journal:
        return ask_all(
            questions,
            template=TEMPLATE,
            llm=llm,
            journal=journal,
            progress=progress,
            tolerated=tolerated,
            among=HICO,
        )


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
    assert (body["temperature"], body["top_p"], body["max_tokens"], body["seed"]) == (0.2, 0.9, 200, 0)


def test_requests_are_in_flight_together_up_to_the_limit(language_server, tmp_path: Path) -> None:
    language_server.delay_s = 0.05
    ask(configured(language_server, "llm.runtime.concurrency=3"), tmp_path / "j")
    assert language_server.most_in_flight == 3


@pytest.mark.parametrize("fault", ["429", "500", "503", "drop", "half", "reset", "truncated", "garbage", "no choices"])
def test_passing_troubles_are_tried_again(fault: str, language_server, tmp_path: Path) -> None:
    language_server.faults["riding a horse"] = [fault, fault]
    start = time.perf_counter()
    accepted, tally = ask(configured(language_server), tmp_path / "j")
    assert accepted[0].answer.tries == (1 if fault == "429" else 3) and tally.rejected == 0
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

    assert may_pass(status(429, "86400")) == LONGEST_WAIT
    assert may_pass(status(503, "Wed, 21 Oct 2026 07:28:00 GMT")) is True
    assert may_pass(status(429, None)) is True
    assert may_pass(status(404, None)) is False


def test_timeouts_are_tried_again(language_server, tmp_path: Path) -> None:
    language_server.faults["riding a horse"] = ["hang"]
    accepted, _ = ask(configured(language_server, "llm.runtime.timeout_s=0.5"), tmp_path / "j")
    assert accepted[0].answer.tries == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("empty", "empty"),
        ("length", "cut off"),
        ("text:I'm sorry, but I cannot describe a horse in that photograph for you.", "refusal"),
        ("text:A person sits on a brown cow and holds its neck with both hands.", "wrong object ('horse'"),
        ("text:Certainly! A person sits astride a horse on a meadow.", "boilerplate"),
        ("text:A person is feeding a horse and stands beside it.", "wrong verb ('feeding', not 'riding')"),
        ("text:Eine Person sitzt auf einem Horse und reitet langsam davon.", "not English"),
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
    language_server.faults["eating a pizza"] = ["400"]
    with pytest.raises(DataError) as caught:
        ask(configured(language_server), tmp_path / "j")
    message = str(caught.value)
    assert message.startswith("2 of 6 classes got no usable text from 'tiny-describer' in 3 attempts each")
    assert "ride horse: empty; cut off (finish reason 'length'); empty" in message
    assert "eat pizza: rejected by the server" in message and "maximum context length" in message
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
    with pytest.raises(
        ServiceError, match=r"127\.0\.0\.1:9/v1 cannot be reached \(ConnectError.*ezhoi llm serve.*base_url"
    ):
        ask(llm, tmp_path / "j")


def test_wrong_address_is_no_server_down(language_server, tmp_path: Path) -> None:
    llm = configured(language_server, f"llm.runtime.base_url={language_server.url}/extra")
    with pytest.raises(ServiceError, match=r"answers 404.*base_url"):
        ask(llm, tmp_path / "j")


def test_a_server_that_dies_midway_stops_the_run_and_loses_nothing(language_server, tmp_path: Path) -> None:
    language_server.lasts = 3
    llm = configured(language_server, "llm.runtime.retries=3", "llm.runtime.concurrency=1")
    with pytest.raises(ServiceError, match=r"keeps failing \(3 tries\).*EngineCore.*kept"):
        ask(llm, tmp_path / "j")
    language_server.lasts = 10_000
    _, tally = ask(llm, tmp_path / "j")
    assert tally.reused == 3 and tally.requests == 3


def test_a_request_that_the_server_stumbles_over_costs_its_class_alone(language_server, tmp_path: Path) -> None:
    language_server.faults["eating a pizza"] = ["500"] * 9
    llm = configured(
        language_server, "llm.runtime.retries=3", "llm.runtime.concurrency=1"
    )  # others come between its tries
    with pytest.raises(DataError, match=r"1 of 6 classes.*\n  eat pizza: rejected by the server.*while others"):
        ask(llm, tmp_path / "j", names=NAMES)


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


def test_few_texts_with_a_fault_may_stay_with_their_verdict(language_server, tmp_path: Path) -> None:
    bad = "text:A person is feeding a horse and stands beside it."
    language_server.faults["riding a horse"] = [bad] * 3
    accepted, tally = ask(configured(language_server), tmp_path / "j", tolerated=0.2)
    assert accepted[0].verdict == "wrong verb ('feeding', not 'riding')" and accepted[0].attempts == 3
    assert tally.kept == {"ride horse": accepted[0].verdict} and {a.verdict for a in accepted[1:]} == {"passed"}
    with pytest.raises(DataError, match="1 of 6"):
        ask(configured(language_server), tmp_path / "j", tolerated=0.1)


def test_what_is_no_text_never_stays(language_server, tmp_path: Path) -> None:
    language_server.faults["riding a horse"] = ["text:I'm sorry, but I cannot describe a horse."] * 3
    with pytest.raises(DataError, match="ride horse: refusal; refusal; refusal"):
        ask(configured(language_server), tmp_path / "j", tolerated=1.0)


def test_a_context_that_is_too_short_is_one_error_before_the_first_request(language_server, tmp_path: Path) -> None:
    language_server.context = 256
    with pytest.raises(ServiceError, match=r"context of 256 tokens.*needs about \d+ \(200 of them.*--max-model-len"):
        ask(configured(language_server), tmp_path / "j")
    assert not language_server.requests
    language_server.context = None
    ask(configured(language_server), tmp_path / "j")


def test_the_deadline_ends_the_run_and_keeps_what_came_in(language_server, tmp_path: Path) -> None:
    language_server.faults["eating a pizza"] = ["hang"] * 9
    with pytest.raises(ServiceError, match=r"deadline_s = 0\.5 s passed with 5 answers in the journal"):
        ask(configured(language_server, "llm.runtime.deadline_s=0.5"), tmp_path / "j")
    language_server.faults.clear()
    _, tally = ask(configured(language_server), tmp_path / "j")
    assert (tally.reused, tally.requests) == (5, 1)


def test_a_server_that_only_answers_429_ends_the_run(language_server, tmp_path: Path) -> None:
    language_server.capacity = 0
    with pytest.raises(ServiceError, match=r"nothing but 429 \(too many requests\) for 0\.3 s"):
        ask(configured(language_server, "llm.runtime.patience_s=0.3"), tmp_path / "j")


def test_the_system_text_is_a_message_or_comes_before_the_prompt(language_server, tmp_path: Path) -> None:
    wording = template(source("describe-v2"), "describe", key="x")
    questions = [
        Question(name="ride horse", rendered=wording.render(HICO.find("ride horse")), about=HICO.find("ride horse"))
    ]
    for setting in ("true", "false"):
        with Journal(tmp_path / setting) as journal:
            llm = configured(language_server, f"llm.system_role={setting}")
            ask_all(questions, template=wording, llm=llm, journal=journal, progress=lambda *_: None, among=HICO)
    one, two = (request["messages"] for request in language_server.requests)
    assert [m["role"] for m in one] == ["system", "user"] and [m["role"] for m in two] == ["user"]
    assert two[0]["content"] == f"{one[0]['content']}\n\n{one[1]['content']}"


def test_pictures_are_shown_and_count_for_the_request(language_server, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "shown" / "ride_horse").mkdir(parents=True)
    for name in ("b.png", "a.png", "c.png"):
        Image.new("RGB", (8, 8), (ord(name[0]), 0, 0)).save(tmp_path / "shown" / "ride_horse" / name)
    horse = HICO.find("ride horse")
    found = pictures.read(tmp_path / "shown", HICO, most=2)
    assert [picture.path.name for picture in found[horse.hoi_id]] == ["a.png", "b.png"]
    question = Question(name=horse.name, rendered=TEMPLATE.render(horse), about=horse, pictures=found[horse.hoi_id])
    with Journal(tmp_path / "j") as journal:
        llm = configured(language_server)
        (asked,), _ = ask_all(
            [question], template=TEMPLATE, llm=llm, journal=journal, progress=lambda *_: None, among=HICO
        )
    parts = language_server.requests[0]["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["image_url", "image_url", "text"]
    assert parts[0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert asked.request.pictures == tuple(picture.digest for picture in found[horse.hoi_id])
    assert "base64" not in (tmp_path / "j").read_text()


@pytest.mark.parametrize(
    ("folder", "file", "says"),
    [("ride hrse", "a.png", "ride hrse.*nearest: ride horse"), ("ride horse", "a.txt", "has no picture")],
)
def test_folders_of_pictures_are_checked(folder: str, file: str, says: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / file).write_bytes(b"")
    with pytest.raises(DataError, match=says):
        pictures.read(tmp_path, HICO, most=1)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "ride horse").mkdir()
    (tmp_path / "ride horse" / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"a\.jpg cannot be read as a picture"):
        pictures.read(tmp_path, HICO, most=1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_and_what_came_in_is_not_asked_again(
    number: signal.Signals, language_server, tmp_path: Path
) -> None:
    """As the command handles signals. The step in which one comes goes on to its end: no error is raised in the loop."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, *ending.ENDING)}
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    whole = []

    def interrupt(*_: object) -> None:
        if not whole:
            signal.raise_signal(number)
            whole.append(True)

    try:
        received = ending._listen()
        handler = signal.getsignal(number)
        with pytest.raises(KeyboardInterrupt):
            ask(configured(language_server, "llm.runtime.concurrency=1"), tmp_path / "j", progress=interrupt)
        assert whole and received == [number] and signal.getsignal(number) is handler
    finally:
        for one, old in before.items():
            signal.signal(one, old)
    _, tally = ask(configured(language_server), tmp_path / "j")
    assert tally.reused >= 1 and tally.reused + tally.requests == len(NAMES)
