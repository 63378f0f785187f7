"""Search strategies: who goes next. One file each, found by its name.

- :mod:`~stress.strategies.pct`: random priorities and a few change points;
- :mod:`~stress.strategies.pos`: random priorities of steps, drawn anew where steps conflict;
- :mod:`~stress.strategies.pos_contested`: the same, only where cells are contested;
- :mod:`~stress.strategies.prefix`: follows a tape, and then wanders; no search by itself;
- :mod:`~stress.strategies.random`: a uniform random walk, the baseline;
- :mod:`~stress.strategies.replay`: follows a tape, and is no search;
- :mod:`~stress.strategies.rff`: seeks and avoids what was seldom read from what;
- :mod:`~stress.strategies.round_robin`: one step each, in turn;
- :mod:`~stress.strategies.sequential`: every actor to its end, without preemption;
- :mod:`~stress.strategies.surw`: uniform over the orders of the accesses to one cell;
- :mod:`~stress.strategies.surw_contested`: the same, over those of all contested cells.

Each has one public class, a :class:`Strategy`. A strategy sees slots, step counts, and the codes of
the steps that actors stand before (:mod:`sim.core.step`): it knows no machine and no model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

UNBOUNDED = 1 << 30
"""Steps to grant where nothing but a change of who is enabled should end the grant."""


class Strategy(ABC):
    """Chooses who goes next. One object serves many executions, one after another."""

    name: str
    """What traces and options call it."""

    free: int
    """How many steps, beyond the next one, the chosen actor may make before :meth:`choose` is asked
    again; set by :meth:`choose`, read right after it.

    The grant ends early when the set of enabled actors changes, and when the actor cannot make its
    next step. It may exceed the step budget: the machine cuts it there.
    """

    parked: list[int]
    """By slot, the code of the step that the actor stands before; 0 if its body has not begun. The
    machine's own list, which it sets before :meth:`start`.
    """

    @abstractmethod
    def start(self, seed: int, slots: int) -> None:
        """Forget the schedule of the last execution: one of ``seed`` begins, with actors in slots
        0 to ``slots`` - 1.
        """

    @abstractmethod
    def choose(self, enabled: list[int], current: int, step: int) -> int:
        """Return the slot of ``enabled`` that makes the next step, and set :attr:`free`.

        ``enabled`` is ascending and not empty, and is the machine's own list: copy it to keep it.
        ``current`` made the last step and may not be enabled; ``step`` steps have been made. The
        machine asks before the first step, whenever a grant is used up or has ended early, and
        whenever an actor ends. It asks no more once the step budget is spent.
        """

    def finish(self, steps: int) -> None:
        """Learn from the execution, which has ended after ``steps`` steps."""

    def learned(self) -> dict[str, int]:
        """Return what :meth:`finish` has learned so far, as plain numbers by name.

        A new strategy that :meth:`recall` has given them to makes the same choices for a seed, also
        in another process.
        """
        return {}

    def recall(self, learned: Mapping[str, int]) -> None:
        """Take what another strategy of this class had :meth:`learned`."""
