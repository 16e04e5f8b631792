"""Whether reading a pickle of weights takes no longer than its size explains; its operations are counted, none is run.

`torch.load(weights_only=True)` executes no foreign code, but does what the pickle says: a few hundred bytes can have it hash a
tuple that holds itself a billion times, or fill a huge array. So the work that a file asks for is added up before it is read.
"""

from __future__ import annotations

import pickletools
from collections.abc import Sequence
from typing import IO, NamedTuple

MOST_WORK = 1_000_000_000
"""The most values that reading a pickle may go through: some seconds. A checkpoint with its optimiser has under a hundredth."""
SIZED = ("bytearray", "encode")
"""Callables, by the last word of their name, whose work depends on the values of their arguments: weights never need them."""
KNOWN = ("torch._utils ", "torch.serialization ")
"""Modules whose callables make one tensor each, which takes no longer for larger arguments."""


class _Value(NamedTuple):
    """What is known of a value on the pickle's stack."""

    size: int = 1
    """Values that hashing it goes through, if it can be hashed: those of a tuple, each as often as it is in it."""
    name: str = ""
    """Of a callable: `module name`."""


class CostlyError(ValueError):
    """Reading a file would take far more time or memory than what it holds explains."""


def demand_little_work(operations: bytes | IO[bytes]) -> None:
    """CostlyError if reading this pickle would take long for what it holds, ValueError if it is none.

    A file is afterwards at the end of the pickle.
    """
    stack: list[_Value] = []
    marks: list[int] = []
    memory: dict[object, _Value] = {}
    work = 0
    for count, (operation, argument, _) in enumerate(pickletools.genops(operations)):
        name = operation.name
        if name == "STOP":
            return
        if name == "MARK":
            marks.append(len(stack))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memory[len(memory) if name == "MEMOIZE" else argument] = _top(stack)
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            if argument not in memory:
                raise ValueError("it refers to a value that it does not have")
            stack.append(memory[argument])
        else:
            taken = _taken(stack, marks, operation)
            work += _work(name, taken, count)
            stack += [_made(name, argument, taken)] * len(operation.stack_after)
        if work > MOST_WORK:
            raise CostlyError("reading it would go through more values than any checkpoint has")
    raise ValueError("it has no end")


def _top(stack: list[_Value]) -> _Value:
    if not stack:
        raise ValueError("it takes a value that is not there")
    return stack[-1]


def _taken(stack: list[_Value], marks: list[int], operation: pickletools.OpcodeInfo) -> list[_Value]:
    """The values that an operation takes from the stack, a marked slice included."""
    wanted = operation.stack_before
    if pickletools.markobject in wanted:
        start = (marks.pop() if marks else -1) - wanted.index(pickletools.markobject)
    else:
        start = len(stack) - len(wanted)
    if start < 0:
        raise ValueError("it takes values that are not there")
    taken = stack[start:]
    del stack[start:]
    return taken


def _work(name: str, taken: Sequence[_Value], count: int) -> int:
    """Values that an operation goes through, beside one for each byte of it; `count` operations came before it.

    A list or dict may have grown since it was made, but has no more items than there were operations.
    """
    if name == "SETITEM":
        return taken[1].size
    if name == "SETITEMS":
        return sum(value.size for value in taken[1::2])
    if name in ("DICT", "ADDITEMS", "FROZENSET"):
        return sum(value.size for value in taken)
    if name == "BUILD":
        return count
    if name in ("REDUCE", "NEWOBJ") and not taken[0].name.startswith(KNOWN):
        return 0 if taken[1].size == 1 else count * taken[1].size  # an empty tuple of arguments is one value
    return 0


def _made(name: str, argument: object, taken: Sequence[_Value]) -> _Value:
    if name == "GLOBAL":
        if str(argument).rpartition(" ")[2] in SIZED:
            raise CostlyError(f"it calls {argument}, which weights do not need and which can take any time")
        return _Value(name=str(argument))
    if name.startswith("TUPLE"):
        return _Value(1 + sum(value.size for value in taken))
    return _Value()
