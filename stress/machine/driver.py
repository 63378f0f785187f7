"""Drivers: they resume the actors' coroutines, check what those yield, and unwind them when an
execution is given up.

An actor yields HANDOVER (another actor goes next) or PARKED (its body has ended), and nothing else.
Any other yield is a trio primitive awaited inside a stepped region. Passing it on to trio would
park the task that steps all actors, so the actor is unwound and the run ends with
:class:`~stress.errors.ForeignYield`.

:class:`PlainDriver` steps the coroutines without trio. ``show`` uses it, because importing trio
takes longer than all the rest of that command. The drivers that searches use are in
:mod:`stress.machine.trio_drivers`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from sim.core.machine import Abandon
from stress.errors import ForeignYield
from stress.machine.base import RunningMachine
from stress.machine.protocols import Verdict
from stress.machine.scheduler import HANDOVER, PARKED, park

END = "end"
"""What a parked actor's loop is sent when the session is over."""

UNWINDS_MAX = 8
"""How often an actor that keeps awaiting trio is told to unwind."""


async def actor_loop(machine: RunningMachine, slot: int) -> None:
    """Run bodies until told to end, parking before each."""
    while await park() != END:
        await machine.run_body(slot)


class Driver(ABC):
    """Runs the executions that a machine's ``begin`` has set up."""

    name: str

    def __init__(self, machine: RunningMachine) -> None:
        self.machine = machine
        self.loops: list[Coroutine[Any, Any, None]] = []
        self.lost: set[int] = set()
        """Slots whose actors could not be unwound."""

    @abstractmethod
    async def execute(self) -> None:
        """Run the execution to its end; its verdict is the machine's."""

    @abstractmethod
    def close(self) -> None:
        """Let every actor end."""

    def check(self, slot: int, yielded: object) -> None:
        """Unwind the actor and raise ForeignYield unless it yielded one of ours."""
        if yielded is HANDOVER or yielded is PARKED:
            return
        error = self._foreign(slot, yielded)
        self.machine.abandoning, self.machine.live = True, False
        self.set_right(slot, yielded)
        raise error

    def set_right(self, slot: int, yielded: object) -> None:
        """Bring an actor that yielded something foreign back to its start."""
        self.unwind(slot)

    def _foreign(self, slot: int, yielded: object) -> ForeignYield:
        """Make the verdict that the tool was misused: a trio primitive in a stepped region."""
        error = ForeignYield(
            f"actor {self.machine.actors[slot].name} awaited a trio primitive inside a stepped region "
            f"(it yielded {type(yielded).__name__}): model code and scenarios may await only the machine's primitives"
        )
        self.machine.verdict = Verdict("error", error=error, reason=str(error))
        return error

    def unwind(self, slot: int) -> None:
        """Throw Abandon into the actor until it is parked.

        One that will not be unwound is lost, and its task ends with the session.
        """
        for _ in range(UNWINDS_MAX):
            try:
                yielded = self.loops[slot].throw(Abandon())
            except BaseException:  # noqa: BLE001 - its loop is dead: whatever killed it has been raised already
                break
            if yielded is PARKED:
                return
            self._foreign(slot, yielded)
        self.machine.leave(slot)
        self.lost.add(slot)

    def beyond_unwinding(self, slot: int) -> bool:
        """Return whether the actor is not to be unwound: it is lost."""
        return slot in self.lost

    def abandon(self) -> None:
        """Unwind every actor that is inside its body, so that all stand at their start."""
        machine = self.machine
        machine.abandoning, machine.live, machine.granted = True, False, 0
        for slot in range(machine.slots):
            if machine.started[slot] and not self.beyond_unwinding(slot):
                machine.current = slot
                self.unwind(slot)
                machine.leave(slot)
        machine.abandoning = False

    def conclude(self) -> None:
        """Unwind the actors that are inside their bodies, let the machine finish, and raise the
        error if there was one.
        """
        machine, current = self.machine, self.machine.current
        self.abandon()
        machine.current = current
        machine.finish()
        if machine.verdict.error is not None:
            raise machine.verdict.error


class DirectDriver(Driver):
    """A controller sends to the coroutines directly."""

    async def execute(self) -> None:
        self.execute_now()

    def execute_now(self) -> None:
        """Do what :meth:`execute` does, without awaiting: for loops over many executions."""
        machine, sends = self.machine, [loop.send for loop in self.loops]
        while machine.live:
            slot = machine.current
            yielded = sends[slot](None)
            if yielded is not HANDOVER and yielded is not PARKED:
                with suppress(ForeignYield):
                    self.check(slot, yielded)
        self.conclude()


class PlainDriver(DirectDriver):
    """Steps coroutines that belong to no trio task."""

    name = "plain"

    def __init__(self, machine: RunningMachine) -> None:
        super().__init__(machine)
        self.loops = [actor_loop(machine, slot) for slot in range(machine.slots)]
        for loop in self.loops:
            loop.send(None)

    def close(self) -> None:
        self.abandon()
        for loop in self.loops:
            loop.close()


@asynccontextmanager
async def plain_session(machine: RunningMachine) -> AsyncIterator[Driver]:
    """Yield a driver that needs no trio."""
    stepper = PlainDriver(machine)
    try:
        yield stepper
    finally:
        stepper.close()


def run_plain(main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that awaits nothing but what runs under the plain driver, and return its
    result.
    """
    try:
        main.send(None)
    except StopIteration as end:
        return end.value
    main.close()
    raise RuntimeError("it awaits something that needs trio")
