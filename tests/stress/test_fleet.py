"""When a fleet is given up whose workers are killed before they are ready."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from stress.workers.fleet import STILLBORN_MAX, STILLBORN_SECONDS, Fleet, FleetError


class Nobody:
    """A boss that takes note of nothing."""

    def died(self, *_: Any) -> None:
        """A worker has died."""


def bury(fleet: Fleet, times: int, ready: bool = False) -> None:
    """Have so many workers be killed, before they are ``ready`` or after."""
    worker = SimpleNamespace(ready=ready, remains=None, process=SimpleNamespace(returncode=-signal.SIGKILL))
    for _ in range(times):
        fleet._bury(0, cast(Any, worker), None, cast(Any, Nobody()))


def test_workers_that_are_killed_are_replaced_for_a_while() -> None:
    clock = MockClock()

    async def run() -> None:
        fleet = Fleet(1)
        fleet.since = trio.current_time()
        bury(fleet, 2 * STILLBORN_MAX)
        clock.jump(STILLBORN_SECONDS + 1)
        bury(fleet, 1, ready=True)
        bury(fleet, STILLBORN_MAX)
        clock.jump(STILLBORN_SECONDS + 1)
        with pytest.raises(FleetError, match="before it was ready"):
            bury(fleet, 1)

    trio.run(run, clock=clock)


def test_a_slow_start_alone_is_no_reason() -> None:
    clock = MockClock()

    async def run() -> None:
        fleet = Fleet(1)
        fleet.since = trio.current_time()
        clock.jump(10 * STILLBORN_SECONDS)
        bury(fleet, STILLBORN_MAX)

    trio.run(run, clock=clock)
