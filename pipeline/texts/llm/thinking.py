"""What a model says to itself before it answers, and the marks of its chat format: neither belongs to the answer.

Servers that do not split them off send them in the text, each family of models in its way:

    <think>The user wants ...</think>The answer.                                    and <thinking>, <reasoning>, ...
    [THINK]...[/THINK]     ◁think▷...◁/think▷     <|begin_of_thought|>...<|end_of_thought|>
    <|channel|>analysis<|message|>...<|end|><|start|>assistant<|channel|>final<|message|>The answer.<|return|>
"""

from __future__ import annotations

import re

_WORDS = (
    r"(?:(?!end)\w{1,20}[:_-])?"
    r"(?:think(?:ing)?|thoughts?(?:_process)?|reason(?:ing)?|reflection|analysis|scratch_?pad|monologue)"
)
_OPEN = rf"(?:<\|?{_WORDS}(?:\s[^<>]*)?\|?>|\[{_WORDS}\]|◁{_WORDS}▷|<\|(?:begin|start)_?(?:of)?_?{_WORDS}\|>)"
_CLOSE = rf"(?:<\|?/{_WORDS}\s*\|?>|\[/{_WORDS}\]|◁/{_WORDS}▷|<\|end_?(?:of)?_?{_WORDS}\|>)"
_OPENING, _CLOSING = (re.compile(mark, re.IGNORECASE) for mark in (_OPEN, _CLOSE))
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*<\|message\|>")
_NAKED_CHANNEL = re.compile(r"^analysis(?=[A-Z\s]).*?(?:assistant\s*final|$)", re.DOTALL)
"""Thinking in a channel of which the server removed the marks and left their words."""
_SPECIAL = r"(?:</?s>|<\|[^|<>]{1,40}\|>|<(?:eos|bos|pad|image|end_of_turn|start_of_turn)>)"
_FIRST = re.compile(rf"\s*{_SPECIAL}", re.IGNORECASE)
_LAST = re.compile(rf"(?:{_SPECIAL}|\s)$", re.IGNORECASE)
_LONGEST_MARK = 64


def spoken(text: str) -> str:
    """The answer without the thinking before it and the marks around it; empty if the model only thought."""
    if channels := list(_CHANNEL.finditer(text)):
        last = channels[-1]
        text = text[last.end() :].partition("<|")[0] if last[1].lower() == "final" else ""
    text = _without_blocks(_NAKED_CHANNEL.sub("", text.lstrip()))
    return _within_marks(text).strip()


def _within_marks(text: str) -> str:
    start, end = 0, len(text)
    while found := _FIRST.match(text, start):
        start = found.end()
    while start < end and (found := _LAST.search(text, max(start, end - _LONGEST_MARK), end)):
        end = found.start()
    return text[start:end]


def _without_blocks(text: str) -> str:
    """The text without blocks, in one pass over their marks: what is inside a block, nested or not, is removed.

    An end without a beginning closes a block that began before the text, in the server's template; a beginning without an end
    removes all that follows.
    """
    marks = [(m.start(), m.end(), 1) for m in _OPENING.finditer(text)]
    marks += [(m.start(), m.end(), -1) for m in _CLOSING.finditer(text)]
    kept: list[str] = []
    depth = last = 0
    for start, end, step in sorted(marks):
        if depth == 0 and step > 0:
            kept.append(text[last:start])
        elif depth == 0:
            kept.clear()
        depth = max(0, depth + step)
        last = end
    return "".join([*kept, text[last:]] if depth == 0 else kept)
