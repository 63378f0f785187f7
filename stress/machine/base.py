"""What the machines share: running actors' bodies, and how an execution ended (law L3).

Drivers know machines by this.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from sim.core.arena import Arena, Column
from sim.core.machine import Abandon, Actor, Machine, Violation
from stress.machine.protocols import Verdict


class Executing(Machine):
    """A machine that runs bodies. ``live`` is false as soon as the execution is over or given up."""

    actors: dict[int, Actor]

    def __init__(self, arena: Arena, slots: int) -> None:
        self.arena, self.slots = arena, slots
        self.accessed: Callable[[Column, int, int, int, bool], None] | None = None
        self.live = self.abandoning = False
        self.current = self.run = 0
        """Who runs, and how many steps it may make before it is asked who goes next."""
        self.started = [False] * slots
        self.verdict = Verdict()
        self.frames: Callable[[int], object] = lambda slot: None
        """Where the coroutine of a slot stands; a driver knows."""
        self.versions = 0
        """Where the versions that stores give begin: after those of the setup."""

    @abstractmethod
    def starting(self, actor: Actor) -> None:
        """The actor's body is about to run."""

    @abstractmethod
    def finished(self, actor: Actor) -> None:
        """The actor's body has run to its end."""

    @abstractmethod
    def finish(self) -> None:
        """The driver has stopped, and has abandoned whoever was inside a body."""

    async def run_body(self, slot: int) -> None:
        """Run the actor's body once, and account for how it ended. Called by the actor's task."""
        self.started[slot] = True
        actor = self.actors[slot]
        self.starting(actor)
        try:
            await actor.body()
            self.finished(actor)
        except (Abandon, GeneratorExit):
            pass
        except BaseException as error:  # noqa: BLE001 - an interrupt too: the actor's loop must outlive it
            self._ended_by(actor, error)
        self.live = self.live and self.verdict.kind == "clean" and not self.abandoning
        self.started[slot] = False

    def _ended_by(self, actor: Actor, error: BaseException) -> None:
        """Take what a body raised as the verdict, unless there is one: unwinding code may raise
        anything.
        """
        if self.abandoning:
            return
        if isinstance(error, Violation):
            self.verdict = Verdict("violation", error, str(error))
        else:
            self.verdict = Verdict("error", error=error, reason=f"{actor.name}: {error!r}")
        self.give_up()

    def give_up(self) -> None:
        """Make no further step."""
        self.abandoning = True
        self.run = 0
        self.live = False

    def fail(self, violation: Violation) -> None:
        if not self.abandoning:
            self.verdict = Verdict("violation", violation, str(violation))
            self.give_up()
        raise violation
