"""The cases that a worker keeps open, bounded by the bytes that they take; and its strategies,
which learn from lease to lease.

Opening a case costs as much as dozens of executions, so a case stays open until its bytes are
wanted: the least recently used one is closed first. A nursery must be closed before the one that
was opened before it, in the same task. So each case is held open by a task of its own, and any of
them can be closed at any time.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from stress.case import Case
from stress.catalogue import Catalogue
from stress.execution.runner import Runner, open_runner

if TYPE_CHECKING:
    from stress.strategies import Strategy
    from stress.workers.messages import LeaseOrder

BYTES_MAX = 32 << 20
"""Bytes that the open cases of a worker take together.

Beside them there are 45 MiB of Python and the model, 8 MiB of open cases that note footprints, and
up to 90 MiB of compiled kernels with what they search in. Room for a case is made before it is
opened; the largest world takes 60 MiB, and for moments 30 MiB besides. A closed case keeps nothing:
its arena is unmapped and its snapshot dropped at once (:meth:`sim.core.arena.Arena.close`), and not
when cycles are collected. The endurance test measures a worker's peak, and allows 300 MiB.
"""

RUNNER_BYTES = 320 << 10
"""What an open case takes besides its arena and the snapshot of it: the composed kernel's objects.
Measured over 176 cases; the smallest arenas have a tenth of it.
"""


@dataclass
class Held:
    """An open case, and the task that holds it."""

    runner: Runner
    leave: trio.Event = field(default_factory=trio.Event)
    """Tells the task to close it."""
    gone: trio.Event = field(default_factory=trio.Event)
    """It is closed."""
    error: Exception | None = None
    """What closing it raised."""

    @property
    def bytes(self) -> int:
        """How many bytes it takes, about."""
        return bytes_of(self.runner.arena.layout.bytes)

    async def close(self) -> None:
        """Close it, and wait until it is closed. Raises what that raises."""
        self.leave.set()
        await self.gone.wait()
        if self.error is not None:
            raise self.error


def bytes_of(arena: int) -> int:
    """Return how many bytes an open case takes, about, whose arena has so many."""
    return RUNNER_BYTES + 2 * arena


class OpenCases:
    """Opens cases and closes them again. ``nursery`` is where the tasks that hold them live;
    ``closing`` is told of each runner before it is closed. ``noted``: on machines that note
    footprints.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        catalogue: Catalogue,
        closing: Callable[[Runner], None] = lambda runner: None,
        bytes_max: int = BYTES_MAX,
        noted: bool = False,
    ) -> None:
        self.noted = noted
        self.nursery, self.catalogue, self.closing, self.bytes_max = nursery, catalogue, closing, bytes_max
        self.held: OrderedDict[Case, Held] = OrderedDict()
        """The least recently used one first."""
        self.bytes = 0

    async def runner(self, case: Case) -> Runner:
        """Return the runner of ``case``, opened now or before. Raises what opening it raises."""
        held = self.held.get(case)
        if held is None:
            held = await self.nursery.start(self._hold, case)
            self.held[case] = held
            self.bytes += held.bytes
        self.held.move_to_end(case)
        return held.runner

    async def make_room(self, arena: int) -> None:
        """Close the cases that were not used for longest, until one more fits, whose arena has so
        many bytes, or none is open.
        """
        while self.held and self.bytes + bytes_of(arena) > self.bytes_max:
            await self._close(next(iter(self.held)))

    async def close(self) -> None:
        """Close every case, the last one first."""
        while self.held:
            await self._close(next(reversed(self.held)))

    async def _close(self, case: Case) -> None:
        held = self.held.pop(case)
        self.bytes -= held.bytes
        self.closing(held.runner)
        await held.close()

    async def _hold(self, case: Case, *, task_status: trio.TaskStatus[Held]) -> None:
        """Hold a case open until its time has come."""
        held: Held | None = None
        try:
            async with open_runner(case, catalogue=self.catalogue, noted=self.noted, room=self.make_room) as runner:
                held = Held(runner)
                task_status.started(held)
                await held.leave.wait()
        except Exception as error:
            if held is None:
                raise
            held.error = error
        finally:
            if held is not None:
                held.gone.set()


class Strategies:
    """The strategies of a worker: each learns of one case, from lease to lease."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.active: dict[tuple[Case, str, str], Strategy] = {}
        """Of the open cases, by case, name and options."""
        self.learned: dict[tuple[Case, str, str], dict[str, int]] = {}
        """What those of closed cases have learned: there are thousands, and a random generator
        takes kilobytes.
        """
        self.classes: dict[str, type[Strategy]] = {}

    def of(self, order: LeaseOrder) -> Strategy:
        """Return the strategy of an order, with what it has learned of the case."""
        key = _key(order, order.strategy)
        if key not in self.active:
            self.active[key] = self.new(order.strategy, order.options)
            if key in self.learned:
                self.active[key].recall(self.learned.pop(key))
        return self.active[key]

    def learned_of(self, order: LeaseOrder, name: str) -> dict[str, int]:
        """Return what the strategy of this name has learned of an order's case."""
        key = _key(order, name)
        return self.active[key].learned() if key in self.active else self.learned.get(key, {})

    def new(self, name: str, options: dict[str, int]) -> Strategy:
        """Return a strategy that has learned nothing.

        The catalogue is asked once per name, as it walks a directory.
        """
        if name not in self.classes:
            self.classes[name] = type(self.catalogue.strategy(name, **options))
        return self.classes[name](**options)

    def closing(self, case: Case) -> None:
        """Keep only what those of a case have learned, which is about to be closed."""
        for key in [key for key in self.active if key[0] == case]:
            self.learned[key] = self.active.pop(key).learned()


def _key(order: LeaseOrder, name: str) -> tuple[Case, str, str]:
    return order.case, name, json.dumps(order.options, sort_keys=True)
