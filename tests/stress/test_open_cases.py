"""Open cases: bounded by bytes, the least recently used closed first, in any order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from stress.case import Case
from stress.errors import UsageError
from stress.execution.runner import Runner
from stress.machine.chance import RandomData
from stress.workers.open_cases import RUNNER_BYTES, OpenCases
from tests.toy import TOYS

A, B, C = (Case("counters", (("rounds", rounds),), "toy") for rounds in (2, 3, 4))


def with_cases(test: Callable[[OpenCases, list[Case]], Awaitable[None]], bytes_max: int) -> None:
    """Run ``test`` with open cases and the list of those that have been closed."""
    closed: list[Case] = []

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            cases = OpenCases(nursery, TOYS, lambda runner: closed.append(runner.case), bytes_max)
            await test(cases, closed)
            await cases.close()
            assert not cases.held and not cases.bytes

    trio.run(run)


def executes(runner: Runner) -> bool:
    """Return whether a runner is open, and executes."""
    return runner.run(TOYS.strategy("pct"), 1, RandomData(1)).verdict.kind == "clean"


def test_an_open_case_stays_open() -> None:
    async def test(cases: OpenCases, closed: list[Case]) -> None:
        runner = await cases.runner(A)
        assert runner is await cases.runner(A) and executes(runner)
        assert [] == closed

    with_cases(test, 1 << 30)


def test_the_least_recently_used_one_is_closed_first() -> None:
    """Room for two: A is older than B, but was used after it."""

    async def test(cases: OpenCases, closed: list[Case]) -> None:
        first = await cases.runner(A)
        await cases.runner(B)
        await cases.runner(A)
        third = await cases.runner(C)
        assert [B] == closed and [A, C] == list(cases.held)
        assert executes(first) and executes(third)
        assert executes(await cases.runner(B)) and [B, A] == closed

    with_cases(test, 2 * RUNNER_BYTES + RUNNER_BYTES // 2)


def test_a_case_that_is_larger_than_the_bound_is_opened_alone() -> None:
    async def test(cases: OpenCases, closed: list[Case]) -> None:
        for case in (A, B):
            assert executes(await cases.runner(case))
        assert [A] == closed

    with_cases(test, 1)


def test_a_case_that_cannot_be_opened_leaves_the_others_open() -> None:
    async def test(cases: OpenCases, closed: list[Case]) -> None:
        runner = await cases.runner(A)
        with pytest.raises(UsageError, match="nowhere"):
            await cases.runner(Case("nowhere", (), "toy"))
        assert [A] == list(cases.held) and executes(runner)

    with_cases(test, 1 << 30)


def test_what_a_closed_case_took_is_given_back_at_once() -> None:
    """Not when its cycles of objects are found to be garbage: that may be after many openings."""

    async def test(cases: OpenCases, closed: list[Case]) -> None:
        runner = await cases.runner(A)
        assert executes(runner) and runner.snapshot
        await cases.runner(B)
        assert [A] == closed
        assert runner.arena._map.closed and not runner.snapshot

    with_cases(test, 1)
