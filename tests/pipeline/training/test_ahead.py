"""Loading ahead keeps the order, is really ahead, raises where the step is due, and leaves no thread."""

import threading

import pytest

from pipeline.training.ahead import ahead


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_order_is_kept(threads: int) -> None:
    assert list(ahead(lambda step: step * step, range(3, 11), threads=threads)) == [s * s for s in range(3, 11)]


def test_the_next_step_is_made_while_one_is_in_use() -> None:
    made = threading.Event()

    def load(step: int) -> int:
        if step == 1:
            made.set()
        return step

    stream = ahead(load, range(2), threads=1)
    assert next(stream) == 0
    assert made.wait(60), "step 1 waits until step 0 is done with"


def test_an_error_comes_with_its_step() -> None:
    def load(step: int) -> int:
        if step == 2:
            raise ValueError("image 7 is torn")
        return step

    stream = ahead(load, range(5), threads=3)
    assert [next(stream), next(stream)] == [0, 1]
    with pytest.raises(ValueError, match="image 7"):
        next(stream)


def test_a_closed_stream_leaves_no_thread() -> None:
    stream = ahead(lambda step: step, range(100), threads=2)
    next(stream)
    stream.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("ahead")]
