"""What is told as the cause of a difference, and what only follows from it."""

from pipeline.engine import causes
from pipeline.engine.causes import Cause
from pipeline.store.compare import Difference


def cause(stage: str, name: str, old: str, new: str) -> Cause:
    return Cause(stage, Difference("config", name, old, new))


HEAD = cause("utpl", "model.head", "ezhoi", "memory")
FOLLOWS = [cause("pair_features", "pairs.columns", "-", "['human']"), cause("utpl", "utpl.steps", "60", "-")]
CODE = Cause("utpl", Difference("code", "utpl", "a", "b"))


def test_a_key_that_one_side_alone_read_follows_from_what_was_set_otherwise() -> None:
    assert causes._chosen([FOLLOWS[0], HEAD, FOLLOWS[1], CODE]) == [HEAD, CODE]


def test_where_nothing_else_was_set_otherwise_it_is_told() -> None:
    assert causes._chosen([*FOLLOWS, CODE]) == [*FOLLOWS, CODE]
    assert causes._chosen([]) == []
