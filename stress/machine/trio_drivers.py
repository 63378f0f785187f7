"""The two drivers under trio. The same schedule gives the same digest under both.

In both an actor is a trio task, in a nursery that lives across executions.

- *fast*: the tasks detach their coroutines with trio's public
  ``temporarily_detach_coroutine_object``, and a controller sends to them directly: millions of
  hand-overs a second;
- *reference*: the tasks stay on trio's own loop and wake each other with ``reschedule``: some
  hundred thousand a second.
"""

from __future__ import annotations

import types
from abc import abstractmethod
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, suppress

import trio
from outcome import Value
from trio.lowlevel import (
    Abort,
    Task,
    current_task,
    reattach_detached_coroutine_object,
    reschedule,
    temporarily_detach_coroutine_object,
    wait_task_rescheduled,
)

from sim.core.machine import Abandon
from stress.machine.base import RunningMachine
from stress.machine.driver import END, DirectDriver, Driver, actor_loop
from stress.machine.protocols import Verdict
from stress.machine.scheduler import PARKED


def _abort(_: object) -> Abort:
    return Abort.FAILED


@types.coroutine
def _relay(message: object) -> Generator[object, object, object]:
    """Yield to trio what an actor yielded, and return trio's answer."""
    return (yield message)


class TrioDriver(Driver):
    """Actors are trio tasks in a nursery."""

    def __init__(self, machine: RunningMachine) -> None:
        super().__init__(machine)
        self.tasks: list[Task] = []
        self.adrift: dict[int, object] = {}
        """By slot, what each actor yielded that had opened a nursery: it is unwound under trio."""
        self.depth = 0
        """How many nurseries the task that steps had when it began; an actor's own come after
        these.
        """

    @abstractmethod
    async def host(self, slot: int) -> None:
        """Be the trio task of the actor in ``slot``."""

    def set_right(self, slot: int, yielded: object) -> None:
        if len(current_task().child_nurseries) > self.depth:
            self.adrift[slot] = yielded
        else:
            self.unwind(slot)

    def beyond_unwinding(self, slot: int) -> bool:
        return slot in self.lost or slot in self.adrift

    async def rescue(self) -> None:
        """Unwind the actors that opened nurseries.

        Such a nursery belongs to the task that stepped the actor. It is closed first: cancelled,
        and what the actor yields meanwhile is passed on to trio.
        """
        for slot, message in self.adrift.items():
            while message is not PARKED:
                opened = current_task().child_nurseries[self.depth :]
                for nursery in opened:
                    nursery.cancel_scope.cancel()
                message = self.loops[slot].send(await _relay(message)) if opened else self.loops[slot].throw(Abandon())
            self.machine.leave(slot)
        self.adrift.clear()


class FastDriver(DirectDriver, TrioDriver):
    """A controller steps detached coroutines."""

    name = "fast"

    async def host(self, slot: int) -> None:
        task = current_task()
        self.loops[slot], self.tasks[slot] = task.coro, task
        await temporarily_detach_coroutine_object(_abort)
        await actor_loop(self.machine, slot)
        await reattach_detached_coroutine_object(task, None)

    def execute_now(self) -> None:
        self.depth = len(current_task().child_nurseries)
        super().execute_now()

    def close(self) -> None:
        self.abandon()
        for slot, loop in enumerate(self.loops):
            try:
                if slot in self.lost:
                    loop.close()
                loop.send(END)
            except BaseException:  # noqa: BLE001 - the coroutine is dead: let trio find its task ended
                reschedule(self.tasks[slot])


class ReferenceDriver(TrioDriver):
    """Actors hand over on trio's own loop."""

    name = "reference"

    def __init__(self, machine: RunningMachine) -> None:
        super().__init__(machine)
        self.controller: Task | None = None

    async def host(self, slot: int) -> None:
        machine, loop = self.machine, actor_loop(self.machine, slot)
        self.loops[slot], self.tasks[slot] = loop, current_task()
        loop.send(None)
        while await wait_task_rescheduled(_abort) != END:
            try:
                self.check(slot, loop.send(None))
                while machine.live and machine.current == slot:
                    self.check(slot, loop.send(None))
            except BaseException as error:  # noqa: BLE001 - the controller raises it
                machine.verdict, machine.live = Verdict("error", error=error, reason=repr(error)), False
                await self.rescue()
            assert self.controller is not None
            reschedule(self.tasks[machine.current] if machine.live else self.controller)
        with suppress(RuntimeError):
            loop.close()

    async def execute(self) -> None:
        if self.machine.live:
            self.controller = current_task()
            reschedule(self.tasks[self.machine.current])
            await wait_task_rescheduled(_abort)
        self.conclude()

    def close(self) -> None:
        self.abandon()
        for task in self.tasks:
            reschedule(task, Value(END))


DRIVERS: dict[str, type[TrioDriver]] = {driver.name: driver for driver in (FastDriver, ReferenceDriver)}


@asynccontextmanager
async def session(machine: RunningMachine, driver: type[TrioDriver] = FastDriver) -> AsyncIterator[Driver]:
    """Open a nursery with one task per actor slot of ``machine``; yield the driver that steps them.

    The tasks end with the block, whatever ends it: an actor left parked would hang the nursery.
    """
    stepper, failure = driver(machine), None
    try:
        async with trio.open_nursery() as nursery:
            await _settle(stepper, nursery)
            try:
                yield stepper
            except BaseException as error:
                failure = error
                raise
            finally:
                await stepper.rescue()
                stepper.close()
    except BaseExceptionGroup:
        if failure is None:
            raise
    if failure is not None:
        raise failure


async def _settle(stepper: TrioDriver, nursery: trio.Nursery) -> None:
    """Start the tasks, and wait until each stands at its start."""
    slots = stepper.machine.slots
    stepper.loops = [None] * slots  # type: ignore[list-item]
    stepper.tasks = [None] * slots  # type: ignore[list-item]
    for slot in range(slots):
        nursery.start_soon(stepper.host, slot)
    while None in stepper.loops:
        await trio.lowlevel.checkpoint()
    await trio.lowlevel.checkpoint()
    if isinstance(stepper, FastDriver):
        for loop in stepper.loops:
            loop.send(None)
