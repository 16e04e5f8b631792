"""The pace of requests: halved by a 429, slowly raised by answers."""

import asyncio
from types import SimpleNamespace

import pytest

from pipeline.texts.llm import pace as module
from pipeline.texts.llm.pace import FEW, OPENING, InVain, Pace


class Instant(asyncio.SelectorEventLoop):
    """A loop whose time passes only where all wait, and at once: however busy a machine is, all come to the same."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        select = self._selector.select

        def pass_over(timeout: float | None = None) -> object:
            self.now += timeout or 0.0
            return select(0)

        self._selector.select = pass_over

    def time(self) -> float:
        return self.now


def run(work) -> None:
    with asyncio.Runner(loop_factory=Instant) as runner, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "time", SimpleNamespace(monotonic=runner.get_loop().time))
        runner.run(asyncio.wait_for(work, timeout=10))


def test_at_most_so_many_slots_are_taken() -> None:
    async def work() -> None:
        pace, flying, most = Pace(3), 0, 0

        async def one() -> None:
            nonlocal flying, most
            async with pace.slot():
                flying += 1
                most = max(most, flying)
                await asyncio.sleep(0.001)
                flying -= 1

        await asyncio.gather(*(one() for _ in range(50)))
        assert most == 3

    run(work())


def test_one_burst_of_refusals_halves_once_and_answers_raise_again() -> None:
    async def work() -> None:
        pace = Pace(32)
        async with pace.slot() as first, pace.slot() as second:
            pace.limit = 32.0
            pace._flying = 32
            await asyncio.sleep(0.001)  # both were taken before the first one was refused
            pace.slow_down(taken=first, wait=0)
            pace.slow_down(taken=second, wait=0)
            pace._flying = 2
        assert pace.limit == 16.0 and pace.slowed == 1
        for _ in range(16):
            pace.answered()
        assert 16.9 < pace.limit < 17.1, "a round of answers raises it by one"
        for _ in range(10_000):
            pace.answered()
        assert pace.limit == 32.0
        async with pace.slot() as later:
            pace.slow_down(taken=later, wait=0)
        assert pace.limit == 1.0 and pace.slowed == 2, "never below one, and below what was in flight"

    run(work())


def test_everybody_waits_as_long_as_the_server_asks_for() -> None:
    async def work() -> None:
        pace = Pace(4)
        async with pace.slot() as taken:
            pace.slow_down(taken=taken, wait=0.2)
        begun = []

        async def one() -> None:
            async with pace.slot() as at:
                begun.append(at)

        await asyncio.gather(*(one() for _ in range(5)))
        assert begun == pytest.approx([0.2] * 5)

    run(work())


def test_a_raised_limit_is_used_by_those_who_wait() -> None:
    async def work() -> None:
        pace, flying, most = Pace(8), 0, 0
        pace.limit = 1.0

        async def one() -> None:
            nonlocal flying, most
            async with pace.slot():
                flying += 1
                most = max(most, flying)
                await asyncio.sleep(0.002)
                flying -= 1
                pace.answered()

        await asyncio.gather(*(one() for _ in range(200)))
        assert most == 8

    run(work())


def test_few_go_first_and_the_others_with_the_first_answer() -> None:
    async def work() -> None:
        pace, flying, most = Pace(32), 0, [0]

        async def one(number: int) -> None:
            nonlocal flying
            async with pace.slot():
                flying += 1
                most[-1] = max(most[-1], flying)
                await asyncio.sleep(0.05)
                pace.answered()
                most.extend([0] if len(most) == 1 else [])
                flying -= 1

        await asyncio.gather(*(one(number) for number in range(100)))
        assert most[0] == FEW and most[1] == 32

    run(work())


def test_the_others_do_not_wait_long_for_a_slow_first_answer() -> None:
    async def work() -> None:
        pace, taken = Pace(32), []

        async def one() -> None:
            async with pace.slot() as at:
                taken.append(at)
                await asyncio.sleep(2 * OPENING)
                pace.answered()

        await asyncio.gather(*(one() for _ in range(20)))
        assert taken[FEW] - taken[0] == pytest.approx(OPENING)
        assert len(taken) == 20

    run(work())


def test_nothing_more_goes_out_when_all_of_the_first_are_rejected() -> None:
    async def work() -> None:
        pace, sent = Pace(32), 0

        async def one() -> None:
            nonlocal sent
            async with pace.slot():
                sent += 1
                await asyncio.sleep(0.01)
                pace.turned_down()

        found = await asyncio.gather(*(one() for _ in range(100)), return_exceptions=True)
        assert FEW <= sent < 2 * FEW and sum(isinstance(f, InVain) for f in found) == 100 - sent
        assert pace.in_vain and pace.rejected == sent

    run(work())


def test_an_answer_that_comes_late_ends_the_doubt() -> None:
    async def work() -> None:
        pace, sent = Pace(32), 0

        async def one(number: int) -> None:
            nonlocal sent
            async with pace.slot():
                sent += 1
                if number == 0:
                    await asyncio.sleep(0.1)
                    assert sent < 3 * FEW, "the others wait for it"
                    pace.answered()
                else:
                    pace.turned_down()

        await asyncio.gather(*(one(number) for number in range(100)))
        assert sent == 100 and not pace.in_vain

    run(work())
