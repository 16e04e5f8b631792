"""The quality gate: whether an answer is a description at all. It finds what is surely wrong, not what is poor."""

from __future__ import annotations

import re

from pipeline import sentences
from pipeline.llm.request import Answer

FEWEST_WORDS = 6
"""Anything shorter describes nothing."""
_FINISHED = ("stop", "eos", "eos_token", "stop_sequence")
"""The reasons that servers give for an answer that ended by itself."""

_REFUSAL = re.compile(
    r"\b(i (cannot|can ?not|can't|am unable|am not able)|i'?m (sorry|unable|not able)|i apologi[sz]e"
    r"|(as|i am|i'm) an? (ai|language model)|unable to (help|assist|provide))\b"
)
_BOILERPLATE = re.compile(
    r"^(sure|certainly|of course|okay|here (is|are)|here's|absolutely)\b"
    r"|\b(the|this) (image|photo|photograph|picture|scene) (shows|depicts|captures|features|description)\b"
    r"|\b(let me know|hope this helps|feel free to|additional information)\b"
    r"|^(user|assistant|description) ?:|\b(first|second) photograph\b|\bscene (one|two)\b"
)
_ALSO_CALLED = {
    "airplane": ("plane", "aircraft", "aeroplane", "jet"),
    "baseball bat": ("bat",),
    "baseball glove": ("glove", "mitt"),
    "bicycle": ("bike",),
    "boat": ("ship", "canoe", "kayak"),
    "cell phone": ("phone", "smartphone", "cellphone"),
    "couch": ("sofa",),
    "cow": ("cattle", "calf", "bull"),
    "cup": ("mug",),
    "dining table": ("table",),
    "donut": ("doughnut",),
    "fire hydrant": ("hydrant",),
    "frisbee": ("disc",),
    "hair drier": ("hair dryer", "hairdryer", "dryer", "blow dryer"),
    "handbag": ("purse", "bag"),
    "hot dog": ("hotdog",),
    "motorcycle": ("motorbike", "bike"),
    "parking meter": ("meter",),
    "person": ("people", "man", "woman", "child", "someone"),
    "potted plant": ("plant",),
    "refrigerator": ("fridge",),
    "remote": ("remote control",),
    "skis": ("ski",),
    "sports ball": ("ball", "basketball", "football", "baseball"),
    "stop sign": ("sign",),
    "teddy bear": ("teddy", "stuffed bear"),
    "tennis racket": ("racket", "racquet"),
    "tie": ("necktie",),
    "traffic light": ("traffic signal",),
    "tv": ("television", "screen"),
    "wine glass": ("glass", "wineglass"),
}
"""Other words for an object that an answer may use."""


def judge(answer: Answer, *, object_name: str) -> str | None:
    """Why the answer is no description of something with that object, in a few words; None if it passes.

    Whether two classes got the same text is for the caller to see: compare `normalised` texts.
    """
    text = " ".join(answer.text.split())
    plain = text.lower().replace("’", "'")
    words = normalised(text).split()
    if not words:
        return "empty"
    if _REFUSAL.search(plain) or answer.finish_reason == "content_filter":
        return "refusal"
    if answer.finish_reason not in _FINISHED:
        return f"cut off (finish reason {answer.finish_reason!r})"
    if "\ufffd" in text or sum(c.isalpha() or c.isspace() for c in text) < 0.8 * len(text):
        return "not a text"
    if len(words) < FEWEST_WORDS:
        return f"too short ({len(words)} words)"
    if _BOILERPLATE.search(plain):
        return "boilerplate"
    parts = [normalised(part) for part in sentences.split(text)]
    if len(set(parts)) < len(parts):
        return "repeats itself"
    if not names(text, object_name):
        return f"wrong object ({object_name!r} is not named)"
    return None


def normalised(text: str) -> str:
    """Lower-case words only: two texts that differ in punctuation alone become equal."""
    return " ".join(re.findall(r"[^\W\d_]+", text.lower()))


def names(text: str, object_name: str) -> bool:
    """Whether a text names the object (HICO's word with spaces), by that word, its plural or a common other word."""
    options = "|".join(re.escape(word) for word in (object_name, *_ALSO_CALLED.get(object_name, ())))
    return re.search(rf"\b({options})(e?s)?\b", " ".join(text.lower().split())) is not None
