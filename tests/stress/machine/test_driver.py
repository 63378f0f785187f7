"""Drivers agree, and whatever a body raises or awaits, no actor is left behind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import trio

from sim.core.arena import Column
from stress.case import Case
from stress.errors import ForeignYield
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.machine.lockstep import Lockstep
from stress.machine.trio_drivers import FastDriver
from tests.stress.machine.running import DRIVERS, executions, toys, verdict
from tests.toy import (
    SCENARIOS,
    SPIN,
    TOYS,
    ToyScenario,
)


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_drivers_agree(scenario: str) -> None:
    """Same seed, same run, under both drivers."""
    expected = await executions(scenario, "reference")
    assert await executions(scenario, "fast") == expected
    assert await executions(scenario, "plain") == expected


async def test_a_slip_in_one_driver_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison of digests has teeth: a driver under which one kind of step goes wrong is
    found out.
    """
    honest = FastDriver.execute_now

    def slips(self: FastDriver) -> None:
        async def wrong(site: int, col: Column, i: int, delta: int, holder: int = 0) -> int:
            return await Lockstep.add(self.machine, site, col, i, delta + 1, holder)

        self.machine.add = wrong  # type: ignore[method-assign]
        honest(self)

    expected = await executions("mailbox", "reference")
    monkeypatch.setattr(FastDriver, "execute_now", slips)
    assert await executions("mailbox", "fast") != expected


class Wrong(ToyScenario):
    """The model itself has a mistake."""

    async def thread(self, cpu: int) -> None:
        await self.kernel.m.load(SPIN, self.kernel.flag, 0)
        if cpu:
            raise KeyError("nonsense")


@pytest.mark.parametrize("driver", DRIVERS)
async def test_error_in_the_model_is_raised(driver: str) -> None:
    """What is neither a violation nor an abandonment is raised as it is, out of the session too,
    and the actors stand at their start.
    """
    with pytest.raises(KeyError, match="nonsense"):
        await verdict("wrong", catalogue=toys(wrong=Wrong), driver=driver)


async def sleep(self: Any, cpu: int) -> None:
    """Await a trio primitive that yields to the loop."""
    await self.kernel.m.load(SPIN, self.kernel.flag, 0)
    await trio.sleep(0)


async def checkpoint(self: Any, cpu: int) -> None:
    """Await the barest of trio's primitives."""
    await trio.lowlevel.checkpoint()


async def nap(self: Any, cpu: int) -> None:
    """Await inside a cancel scope, with one more await on the way out."""
    try:
        with trio.move_on_after(3600):
            await self.kernel.m.load(SPIN, self.kernel.flag, 0)
            await trio.sleep(60)
    finally:
        await trio.lowlevel.checkpoint()


async def event(self: Any, cpu: int) -> None:
    """Wait for what never happens."""
    await trio.Event().wait()


async def nursery(self: Any, cpu: int) -> None:
    """Open a nursery."""
    async with trio.open_nursery() as opened:
        opened.start_soon(trio.sleep, 0)


async def stubborn(self: Any, cpu: int) -> None:
    """Refuse to be unwound, for a while."""
    for _ in range(20):
        with suppress(BaseException):
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("body", [sleep, checkpoint, nap, event, nursery, stubborn])
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_foreign_yield(driver: str, body: Callable[..., Any]) -> None:
    """A trio primitive in a stepped region is a clear error, and hangs nothing."""
    foreign = type("Foreign", (ToyScenario,), {"thread": body})
    with (
        trio.fail_after(5),
        pytest.raises(ForeignYield, match=r"actor t[01] awaited a trio primitive inside a stepped region"),
    ):
        await verdict("foreign", catalogue=toys(foreign=foreign), driver=driver)


class Interrupted(ToyScenario):
    """Ctrl-C strikes in the middle of a body."""

    async def thread(self, cpu: int) -> None:
        await self.kernel.m.load(SPIN, self.kernel.flag, 0)
        if cpu:
            raise KeyboardInterrupt
        await self.kernel.m.load(SPIN, self.kernel.flag, 0)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_interrupt_in_a_body(driver: str) -> None:
    """The interrupt comes out of the session, which does not hang."""
    with trio.fail_after(5), pytest.raises(KeyboardInterrupt):
        await verdict("interrupted", catalogue=toys(interrupted=Interrupted), driver=driver)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_error_in_mid_execution_leaves_no_actor_behind(driver: str) -> None:
    """A strategy that breaks in mid-execution ends the session with its error, and unwinding makes
    no steps.
    """

    class Breaks:
        name, free = "breaks", 0

        def start(self, seed: int, slots: int) -> None: ...

        def choose(self, enabled: list[int], current: int, step: int) -> int:
            if step == 5:
                raise RuntimeError("broken strategy")
            return enabled[step % len(enabled)]

        def finish(self, steps: int) -> None: ...

    with pytest.raises(RuntimeError, match="broken strategy"):
        async with open_runner(Case("counters", (), "toy"), driver, catalogue=TOYS) as runner:
            await runner.execute(Breaks(), 0, RandomData(0))
    assert runner.machine.seq == 5
