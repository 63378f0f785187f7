"""One execution as it ended: what outcomes, steps and reports are read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim.core.arena import Arena
from stress.case import Case
from stress.machine.lockstep import Lockstep
from stress.patch.load import Patch


@dataclass(frozen=True)
class Finished:
    """An execution, as it lies in the machine's log and in the arena until the next one begins."""

    case: Case
    machine: Lockstep
    seed: int
    setup: bool = False
    """The execution ended in the setup: the log is that of the setup's failing phase, and there are
    no choices.
    """
    changes: Sequence[int] = ()
    """Two words a step: what its cell held before and after it, if that was recorded."""
    patch: Patch | None = None
    """The user's patch that took part."""

    @property
    def arena(self) -> Arena:
        """The arena as the execution left it."""
        return self.machine.arena

    @property
    def steps(self) -> int:
        """How many steps were made."""
        return self.machine.seq

    def turns(self) -> list[tuple[int, int]]:
        """Return who made the steps: runs of (slot, steps)."""
        return self.machine.schedule()

    def actor_name(self, slot: int) -> str:
        """Return how an actor is called in reports: a thread with its CPU, a service by its name."""
        actor = self.machine.actors[slot]
        return actor.name if actor.daemon else f"cpu{slot} {actor.name}"
