"""Moments of rest: steps at which a run of the parallel machine stood still and its arena was
audited, so that the replay audits the same states. And a look at the machine after every step, for
those who show an execution state by state.

A replay that follows its tape stands where the run stood. A tolerant one may not, as its model may
make other steps: there an audit is only made where the world is at rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stress.machine.livelock import FAIR_STEPS_MAX

if TYPE_CHECKING:
    from stress.machine.base import RunningMachine
    from stress.machine.scheduler import Scheduler

INSIDE = ("op", "irq_off")
"""Columns, by CPU, that are not 0 while its thread is inside something: an operation, or an access
that is not interrupted half-way.
"""


@dataclass(frozen=True)
class Pauses:
    """``steps``: how many steps had been made at each, ascending; ``tolerant``: the replay may have
    left its tape; ``look``: called with the machine before each step, when it is not known yet who
    makes it. The look changes nothing.
    """

    steps: tuple[int, ...] = ()
    tolerant: bool = False
    look: Callable[[Scheduler], None] | None = None

    def stops(self, steps_max: int) -> Sequence[int]:
        """Return after how many steps the machine stops, under that step budget."""
        return self.steps if self.look is None else range(steps_max + FAIR_STEPS_MAX + 2)

    def hold(self, machine: Scheduler) -> bool:
        """Look at the machine where it stops; return whether its arena is to be audited there."""
        if self.look is not None:
            self.look(machine)
        return machine.seq in self.steps and (not self.tolerant or at_rest(machine))


NEVER = Pauses()
"""No pause at all: what lockstep searches with."""


def at_rest(machine: RunningMachine) -> bool:
    """Return whether the world may be audited: no thread is inside anything, no daemon inside its
    body, and no lock is held.
    """
    columns = machine.arena.columns
    held = any(any(column.view.tolist()) for column in columns.values() if column.field.lock)
    inside = any(any(columns[name].view.tolist()) for name in INSIDE if name in columns)
    served = any(machine.started[actor.slot] for actor in machine.actors.values() if actor.daemon)
    return not (held or inside or served)
