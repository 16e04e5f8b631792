"""Replies of a server: one type, or a malformed answer that says what it is; nothing else reaches a journal."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.language import Llm
from pipeline.config.loading import load
from pipeline.config.sources import template as source
from pipeline.datasets.hico.vocabulary import HICO
from pipeline.errors import DataError, ServiceError
from pipeline.texts.llm import completion
from pipeline.texts.llm.ask import Asked, Question, Tally, ask_all
from pipeline.texts.llm.completion import MalformedAnswer
from pipeline.texts.llm.journal import Journal
from pipeline.texts.llm.templates import template

NAMES = ("ride horse", "hug dog", "kick sports_ball")
TEMPLATE = template(source("describe-v1"), "describe", key="descriptions.template")


def configured(server: Any, *overrides: str) -> Llm:
    settings = [f"llm.runtime.base_url={server.url}", "llm.model=tiny-describer", "llm.runtime.timeout_s=10"]
    return load(overrides=[*settings, *overrides], environment={}).llm


def ask(llm: Llm, path: Path, names: tuple[str, ...] = NAMES) -> tuple[list[Asked], Tally]:
    questions = [
        Question(name=name, rendered=TEMPLATE.render(HICO.find(name)), about=HICO.find(name)) for name in names
    ]
    with Journal(path) as journal:
        return ask_all(questions, template=TEMPLATE, llm=llm, journal=journal, progress=lambda *_: None)


def reply(**changes: Any) -> bytes:
    message = {"role": "assistant", "content": "A person rides."}
    whole = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "model": "m"}
    return json.dumps(whole | changes).encode()


def said(message: Any, reason: Any = "stop") -> bytes:
    return reply(choices=[{"message": message, "finish_reason": reason}])


def test_parts_of_a_text_are_joined() -> None:
    parts = [
        {"type": "text", "text": "A person ri"},
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "des."},
    ]
    assert completion.completion(said({"content": parts})).text == "A person rides."
    assert completion.completion(said({"content": "One \x1b[31mred\x1b[0m\u202e word.\x00"})).text == "One red word."


def test_thinking_without_an_answer_is_marked_as_such() -> None:
    for field in ("reasoning_content", "reasoning"):
        assert completion.completion(said({"content": None, field: "Let me see"})).text == "<think>Let me see"
    assert completion.completion(said({"content": "A text.", "reasoning": "hm"})).text == "A text."
    assert completion.completion(said({"content": None})).text == ""


SHAPES = {
    "content 5": said({"content": 5}),
    "content {}": said({"content": {"text": "x"}}),
    "content [5]": said({"content": [5]}),
    "a picture": said({"content": [{"type": "image_url", "image_url": {"url": "x"}}]}),
    "message a text": said("A person rides."),
    "message null": said(None),
    "message absent": reply(choices=[{"finish_reason": "stop"}]),
    "choices a text": reply(choices="A person rides."),
    "choices [null]": reply(choices=[None]),
    "choices absent": b'{"id": "1"}',
    "reason a number": said({"content": "x"}, 5),
    "usage a list": reply(usage=["5"]),
    "usage of texts": reply(usage={"prompt_tokens": "many"}),
    "usage too large": reply(usage={"prompt_tokens": 1 << 70}),
    "usage below zero": reply(usage={"completion_tokens": -1}),
    "usage NaN": reply(usage={"completion_tokens": float("nan")}),
    "model an object": reply(model={"id": "m"}),
    "half a character": reply().replace(b"rides", b"\\ud83d"),
    "bad UTF-8": reply().replace(b"rides", b"\xff"),
    "a list": b"[]",
    "null": b"null",
    "nothing": b"",
    "too deep": b'{"choices":' + b"[" * 100_000,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_no_completion_is_malformed(shape: str) -> None:
    with pytest.raises(MalformedAnswer):
        completion.completion(SHAPES[shape])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"error": {"message": "Insufficient credits", "code": 402}}, "Insufficient credits"),
        ({"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs"}]}, "body.seed: Extra inputs"),
        ({"detail": "Not \x1b[2JFound"}, "Not Found"),
        ({"object": "error", "message": "no chat template"}, "no chat template"),
        ("overloaded", "overloaded"),
        ({"error": "overloaded"}, "overloaded"),
        ({"code": 7}, '{"code": 7}'),
    ],
)
def test_the_servers_own_words(value: Any, words: str) -> None:
    assert completion.words_of(value) == words
    assert len(completion.words_of({"error": "x" * 5000})) == completion.MOST_WORDS


def test_an_error_with_status_200_is_quoted() -> None:
    with pytest.raises(MalformedAnswer, match="status 200 with an error instead of an answer: top up"):
        completion.completion(b'{"id": "gen-1", "error": {"message": "top up"}}')


def test_lists_of_models() -> None:
    both = [{"id": "a", "root": "w/a", "max_model_len": 5, "object": "model"}, {"id": "b"}]
    for body in (both, {"object": "list", "data": both}):
        found = completion.models(json.dumps(body).encode())
        assert [(m.id, m.root, m.max_model_len) for m in found] == [("a", "w/a", 5), ("b", None, None)]
    assert completion.models(b'{"data": null}') == completion.models(b"null") == []
    for wrong in (b'"x"', b'{"data": [null]}', b'{"data": [{"id": 5}]}', b'{"data": "x"}', b"[1]"):
        with pytest.raises(MalformedAnswer):
            completion.models(wrong)


@pytest.mark.usefixtures("quick_retries")
class TestAsked:
    """A completion is asked for through the client too."""

    @pytest.mark.parametrize(
        "fault",
        [
            'message:"x"',
            'message:{"content": 5}',
            'reply:{"choices": [null]}',
            'reply:{"usage": []}',
            'reply:{"model": {}}',
        ],
    )
    def test_a_malformed_answer_is_asked_again_and_never_kept(
        self, fault: str, language_server: Any, tmp_path: Path
    ) -> None:
        language_server.faults["riding a horse"] = [fault]
        accepted, tally = ask(configured(language_server), tmp_path / "j")
        assert accepted[0].answer.tries == 2 and tally.rejected == 0
        assert len((tmp_path / "j").read_text().splitlines()) == len(NAMES)
        assert ask(configured(language_server), tmp_path / "j")[1].reused == len(NAMES)

    @pytest.mark.parametrize("fault", ["huge", "bomb"])
    def test_a_reply_without_end_is_left_at_a_megabyte(self, fault: str, language_server: Any, tmp_path: Path) -> None:
        language_server.faults["riding a horse"] = [fault]
        ask(configured(language_server), tmp_path / "j", names=NAMES[1:])
        tracemalloc.start()
        accepted, _ = ask(configured(language_server), tmp_path / "j")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert accepted[0].answer.tries == 2 and language_server.sent < 20 << 20
        assert most < 16 << 20 or fault == "bomb", "the server, which is in this process, has the packed bomb"

    def test_a_server_that_only_sends_such_replies_ends_the_run(self, language_server: Any, tmp_path: Path) -> None:
        language_server.faults[""] = ["huge"] * 9
        with pytest.raises(ServiceError, match=r"an answer of more than 1,048,576 bytes"):
            ask(configured(language_server, "llm.runtime.retries=2"), tmp_path / "j", names=NAMES[:1])

    def test_errors_keep_the_servers_words(self, language_server: Any, tmp_path: Path) -> None:
        language_server.faults[""] = ['reply:{"choices": null, "error": {"message": "top up"}}'] * 9
        with pytest.raises(ServiceError, match=r"keeps failing \(2 tries\): status 200 with an error.*: top up"):
            ask(configured(language_server, "llm.runtime.retries=2"), tmp_path / "j", names=NAMES[:1])

    def test_a_question_that_is_never_taken_is_not_sent_for_all(self, language_server: Any, tmp_path: Path) -> None:

        names = tuple(hoi.name for hoi in HICO.classes[:120])
        language_server.faults[""] = [
            'status:422:{"detail": [{"loc": ["body", "seed"], "msg": "not permitted"}]}'
        ] * 500
        with pytest.raises(ServiceError, match=r"rejects every question.*status 422: body\.seed: not permitted\. "):
            ask(configured(language_server), tmp_path / "j", names=names)
        assert len(language_server.requests) < 40

    def test_rejections_that_come_first_are_no_end_where_others_are_answered(
        self, language_server: Any, tmp_path: Path
    ) -> None:

        some = HICO.classes[:40]
        for hoi in some[1:9]:
            language_server.faults[f"{hoi.phrase} "] = ['status:400:{"error": {"message": "filtered"}}']
        language_server.faults[f"{some[0].phrase} "] = ["wait:0.6"]
        with pytest.raises(DataError, match=r"(?s)8 of 40 classes.*rejected by the server: status 400: filtered"):
            ask(configured(language_server), tmp_path / "j", names=tuple(hoi.name for hoi in some))

    def test_an_answer_that_was_cut_off_in_its_thinking_says_so(self, language_server: Any, tmp_path: Path) -> None:

        thought = '{"message": {"content": null, "reasoning_content": "The user"}, "finish_reason": "length"}'
        language_server.faults["riding a horse"] = [f"choice:{thought}"] * 3
        with pytest.raises(DataError, match=r"ride horse: thinking aloud without an answer, cut off.*llm\.max_tokens"):
            ask(configured(language_server), tmp_path / "j")

    def test_thinking_is_cut_off(self, language_server: Any, tmp_path: Path) -> None:
        text = "A person rides along on a horse with both hands at the reins."
        language_server.faults["riding a horse"] = [f"text:<think>\nOkay, the user\n</think>\n\n{text}"]
        accepted, _ = ask(configured(language_server), tmp_path / "j")
        assert accepted[0].text == text and accepted[0].verdict == "passed" and "<think>" in accepted[0].answer.text
