"""What the two machines share: actors' bodies, how they end, and what drivers know of a machine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from sim.core.arena import Arena, Column
from sim.core.errors import SimError
from sim.core.machine import Abandon, Actor, Machine, Violation
from stress.machine.protocols import Verdict


def _itself(error: BaseException) -> BaseException:
    return error


class RunningMachine(Machine):
    """A machine that runs the bodies of actors, one in each of its ``slots``.

    A driver resumes the actors while :attr:`live`; then it calls :meth:`finish`, and
    :attr:`verdict` says how the execution ended.
    """

    actors: dict[int, Actor]
    """The actors of the execution, by slot."""

    def __init__(self, arena: Arena, slots: int) -> None:
        self.arena, self.slots = arena, slots
        self.accessed: Callable[[Column, int, int, int, bool], None] | None = None
        self.judge: Callable[[BaseException], BaseException] = _itself
        """Says what an exception is that ended an actor's body: a Violation, or another error."""
        self.live = False
        """The execution goes on: it is neither over nor given up."""
        self.abandoning = False
        """The execution is given up: a primitive raises Abandon, so unwinding makes no steps."""
        self.current = 0
        """The slot of the running actor."""
        self.granted = 0
        """How many more steps the running actor may make without consulting the strategy."""
        self.started = [False] * slots
        """Whether the actor in each slot is inside its body."""
        self.bodies: list[Any] = [None] * slots
        """The coroutine of each actor that is inside its body, or None."""
        self.verdict = Verdict()
        self.versions = 0
        """Versions that stores of the setup may have given pages; those of an execution are
        greater.
        """

    @abstractmethod
    def starting(self, actor: Actor) -> None:
        """Take note that the actor's body is about to run."""

    @abstractmethod
    def finished(self, actor: Actor) -> None:
        """Take note that the actor's body has run to its end."""

    @abstractmethod
    def finish(self) -> None:
        """Conclude the execution: the driver has stopped, and has unwound the actors inside."""

    async def run_body(self, slot: int) -> None:
        """Run the actor's body once, and account for how it ended. Called by the actor's task."""
        self.started[slot] = True
        actor = self.actors[slot]
        self.starting(actor)
        try:
            self.bodies[slot] = actor.body()
            await self.bodies[slot]
            self.finished(actor)
        except (Abandon, GeneratorExit):
            pass
        except BaseException as error:  # noqa: BLE001 - an interrupt too: the actor's loop must outlive it
            self._ended_by(actor, error)
        self.live = self.live and self.verdict.kind == "clean" and not self.abandoning
        self.leave(slot)

    def leave(self, slot: int) -> None:
        """Take note that the actor in ``slot`` is not inside its body any more."""
        self.started[slot], self.bodies[slot] = False, None

    def _ended_by(self, actor: Actor, error: BaseException) -> None:
        """Take what a body raised as the verdict, unless there is one: unwinding code may raise
        anything.
        """
        if self.abandoning:
            return
        error = self.judge(error)
        if isinstance(error, Violation):
            self.verdict = Verdict("violation", error, str(error))
        else:
            reason = str(error) if isinstance(error, SimError) else f"{actor.name}: {error!r}"
            self.verdict = Verdict("error", error=error, reason=reason)
        self.give_up()

    def give_up(self) -> None:
        """Make no further step."""
        self.abandoning = True
        self.granted = 0
        self.live = False

    def fail(self, violation: Violation) -> None:
        if not self.abandoning:
            self.verdict = Verdict("violation", violation, str(violation))
            self.give_up()
        raise violation
