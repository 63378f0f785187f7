"""Two ways to resume the actors' coroutines; they give equal digests (law L3).

In both, an actor is a trio task in a nursery that lives across executions, and what it runs yields only HANDOVER
(somebody else goes next) or PARKED (its body has ended).

- *fast*: tasks detach their coroutines with trio's public ``temporarily_detach_coroutine_object`` and a
  controller sends to them directly: millions of hand-overs a second;
- *reference*: tasks stay on trio's own loop and wake each other with ``reschedule``.

A trio primitive awaited inside a stepped region yields something else. That parks the task that steps, so it is
never recovered from: the run ends with :class:`ForeignYield`.
"""

from __future__ import annotations

import types
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Coroutine, Generator
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio
from outcome import Value
from trio.lowlevel import Abort, Task, current_task, reattach_detached_coroutine_object, reschedule, temporarily_detach_coroutine_object, wait_task_rescheduled

from sim.machine import Abandon
from stress.errors import ForeignYield
from stress.fingerprint import await_chain
from stress.lockstep import HANDOVER, PARKED, Lockstep, Verdict, park

END = "end"
"""What a parked actor's loop is sent when the session is over."""

UNWINDS_MAX = 8
"""How often an actor that keeps awaiting trio is told to unwind."""


async def _actor_loop(machine: Lockstep, slot: int) -> None:
    """Run bodies until told to end, parking before each."""
    while await park() != END:
        await machine.run_body(slot)


def _abort(_: object) -> Abort:
    return Abort.FAILED


@types.coroutine
def _relay(message: object) -> Generator[object, object, object]:
    """Yield to trio what an actor yielded, and return trio's answer."""
    return (yield message)


class Driver(ABC):
    """Runs executions that :meth:`Lockstep.begin` has set up."""

    name: str

    def __init__(self, machine: Lockstep) -> None:
        self.machine = machine
        self.loops: list[Coroutine[Any, Any, None]] = []
        self.tasks: list[Task] = []
        self.lost: set[int] = set()
        self.adrift: dict[int, object] = {}
        self.depth = 0
        """Nurseries of the task that steps. Whatever an actor opens comes on top."""
        machine.frames = lambda slot: await_chain(self.loops[slot])

    @abstractmethod
    async def host(self, slot: int) -> None:
        """Be the trio task of the actor in ``slot``."""

    @abstractmethod
    async def execute(self) -> None:
        """Run the execution to its end; its verdict is the machine's."""

    @abstractmethod
    def close(self) -> None:
        """Let every actor's task end."""

    def check(self, slot: int, yielded: object) -> None:
        """Unwind the actor and raise ForeignYield unless it yielded one of ours."""
        if yielded is HANDOVER or yielded is PARKED:
            return
        error = self._foreign(slot, yielded)
        self.machine.abandoning, self.machine.live = True, False
        if len(current_task().child_nurseries) > self.depth:
            self.adrift[slot] = yielded
        else:
            self.unwind(slot)
        raise error

    def _foreign(self, slot: int, yielded: object) -> ForeignYield:
        """Make the verdict that the tool was misused: a trio primitive in a stepped region."""
        error = ForeignYield(
            f"actor {self.machine.actors[slot].name} awaited a trio primitive inside a stepped region "
            f"(it yielded {type(yielded).__name__}): model code and scenarios may await only the machine's primitives"
        )
        self.machine.verdict = Verdict("error", error=error, reason=str(error))
        return error

    def unwind(self, slot: int) -> None:
        """Throw Abandon into the actor until it is parked. One that will not be unwound is lost, and its task ends with the session."""
        for _ in range(UNWINDS_MAX):
            try:
                yielded = self.loops[slot].throw(Abandon())
            except BaseException:  # noqa: BLE001 - its loop is dead: whatever killed it has been raised already
                break
            if yielded is PARKED:
                return
            self._foreign(slot, yielded)
        self.lost.add(slot)

    async def rescue(self) -> None:
        """Unwind the actors that opened nurseries, which are now this task's: close those first, by letting trio have what they yield."""
        for slot, message in self.adrift.items():
            while message is not PARKED:
                opened = current_task().child_nurseries[self.depth :]
                for nursery in opened:
                    nursery.cancel_scope.cancel()
                message = self.loops[slot].send(await _relay(message)) if opened else self.loops[slot].throw(Abandon())
            self.machine.started[slot] = False
        self.adrift.clear()

    def abandon(self) -> None:
        """Unwind every actor that is inside its body, so that all stand at their start."""
        machine = self.machine
        machine.abandoning, machine.live, machine.run = True, False, 0
        for slot in range(machine.slots):
            if machine.started[slot] and slot not in self.lost and slot not in self.adrift:
                machine.current = slot
                self.unwind(slot)
                machine.started[slot] = False
        machine.abandoning = False

    def conclude(self) -> None:
        """Abandon what is left of the execution, let the strategy learn, and raise the error if there was one."""
        machine, current = self.machine, self.machine.current
        self.abandon()
        machine.current = current
        machine.finish()
        if machine.verdict.error is not None:
            raise machine.verdict.error


class FastDriver(Driver):
    """A controller steps detached coroutines."""

    name = "fast"

    async def host(self, slot: int) -> None:
        task = current_task()
        self.loops[slot], self.tasks[slot] = task.coro, task
        await temporarily_detach_coroutine_object(_abort)
        await _actor_loop(self.machine, slot)
        await reattach_detached_coroutine_object(task, None)

    async def execute(self) -> None:
        self.execute_now()

    def execute_now(self) -> None:
        """As :meth:`execute`, without awaiting: for loops over many executions."""
        machine, sends = self.machine, [loop.send for loop in self.loops]
        self.depth = len(current_task().child_nurseries)
        while machine.live:
            slot = machine.current
            yielded = sends[slot](None)
            if yielded is not HANDOVER and yielded is not PARKED:
                with suppress(ForeignYield):
                    self.check(slot, yielded)
        self.conclude()

    def close(self) -> None:
        self.abandon()
        for slot, loop in enumerate(self.loops):
            try:
                if slot in self.lost:
                    loop.close()
                loop.send(END)
            except BaseException:  # noqa: BLE001 - the coroutine is dead: let trio find its task ended
                reschedule(self.tasks[slot])


class ReferenceDriver(Driver):
    """Actors hand over on trio's own loop."""

    name = "reference"

    def __init__(self, machine: Lockstep) -> None:
        super().__init__(machine)
        self.controller: Task | None = None

    async def host(self, slot: int) -> None:
        machine, loop = self.machine, _actor_loop(self.machine, slot)
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


DRIVERS: dict[str, type[Driver]] = {driver.name: driver for driver in (FastDriver, ReferenceDriver)}


@asynccontextmanager
async def session(machine: Lockstep, driver: str = "fast") -> AsyncIterator[Driver]:
    """Open a nursery with one task per actor slot of ``machine``; yield the driver that steps them.

    The tasks end with the block, whatever ends it: an actor left parked would hang the nursery.
    """
    stepper, failure = DRIVERS[driver](machine), None
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


async def _settle(stepper: Driver, nursery: trio.Nursery) -> None:
    """Start the tasks, and let each come to stand at its start."""
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
