"""Thinking and chat marks are no part of an answer, however a family of models writes them."""

import time

import pytest

from pipeline.datasets.hico.vocabulary import HICO
from pipeline.texts.judge import judge, usable
from pipeline.texts.llm.thinking import spoken

TEXT = "A person rides along on a horse with both hands at the reins."
HARMONY = "<|channel|>analysis<|message|>The user wants.<|end|><|start|>assistant<|channel|>final<|message|>"


@pytest.mark.parametrize(
    "before",
    [
        "<think>\nThe user wants a horse.\n</think>\n\n",
        "<think></think>",
        "The template began it.</think>",
        "<think>one<think>two</think>three</think>",
        "<think>one</think><think>two</think>",
        "<thinking>x</thinking>",
        "<Thought>x</Thought>",
        "<reasoning kind='long'>x</reasoning>",
        "<seed:think>x</seed:think>",
        "<thinking>x</thinking>",
        "<scratchpad>x</scratchpad>",
        "<|thinking|>x<|/thinking|>",
        "<|begin_of_thought|>x<|end_of_thought|>",
        "[THINK]x[/THINK]",
        "◁think▷x◁/think▷",
        HARMONY,
        "analysisThe user wants.assistantfinal",
        "<s> ",
        "<|im_start|>",
        "<image>\n",
    ],
)
def test_the_answer_is_what_comes_after(before: str) -> None:
    assert spoken(before + TEXT) == TEXT and judge(before + TEXT, about=HICO.find("ride horse")) == "passed"
    for end in ("</s>", "<|im_end|>", "<|eot_id|>\n", "<end_of_turn>", "<|return|>"):
        assert spoken(before + TEXT + end) == TEXT


@pytest.mark.parametrize(
    "text",
    [
        f"<think>{TEXT}",
        f"<|channel|>analysis<|message|>{TEXT}",
        f"analysis {TEXT}",
        f"<think>{TEXT}</think>",
        f"[THINK]{TEXT}",
        f"<think>x</think><think>{TEXT}",
    ],
)
def test_thinking_without_an_answer_fails_the_gate(text: str) -> None:
    verdict = judge(text, about=HICO.find("ride horse"))
    assert spoken(text) == "" and verdict == "thinking aloud without an answer" and not usable(verdict)
    cut = judge(text, finish_reason="length", about=HICO.find("ride horse"))
    assert "cut off" in cut and "llm.max_tokens" in cut and not usable(cut)


@pytest.mark.parametrize(
    "before",
    [
        "Okay, the user wants a description. ",
        "Hmm. Let me think. ",
        "We need to describe this. ",
        "**Thinking:** I see. ",
        "So, the prompt asks for a horse. ",
    ],
)
def test_thinking_without_marks_fails_the_gate(before: str) -> None:
    assert judge(before + TEXT, about=HICO.find("ride horse")) == "thinking aloud"


@pytest.mark.parametrize("mark", ["<b>", "</s>", "<|im_end|>", "[INST]", "<start_of_turn>", "<br/>", "<img src='x'>"])
def test_marks_inside_of_a_text_fail_the_gate(mark: str) -> None:
    verdict = judge(f"{TEXT} {mark} Its mane flies.", about=HICO.find("ride horse"))
    assert verdict.startswith("markup (") and not usable(verdict)


def test_other_texts_are_left_alone() -> None:
    for text in (
        TEXT,
        "A < B and B > A.",
        "So high sits the person.",
        "Reason [1] is good.",
        "First, the horse. " + TEXT,
    ):
        assert spoken(text) == text
    assert judge("First, the horse stands. " + TEXT, about=HICO.find("ride horse")) == "passed"


def test_a_long_answer_of_marks_is_soon_done() -> None:
    """A pattern that tries all ways to split such a text would take hours."""
    start = time.process_time()
    for text in ("</s>", "<think>", "</think>", "<think></think>", "<", "<|", "[", "analysis ", "ok, ", "<think "):
        judge(text * (200_000 // len(text)) + "x", about=HICO.find("ride horse"))
    assert time.process_time() - start < 20
