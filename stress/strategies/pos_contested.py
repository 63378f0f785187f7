"""POS that branches at contested cells only.

A step at a cell that several actors were not seen to contend for in this case commutes with
everybody's, and is made at once. Once all stand before contested steps it is as
:mod:`stress.strategies.pos`.
"""

from __future__ import annotations

from stress.strategies._contested import Contested
from stress.strategies.pos import Pos


class PosContested(Pos, Contested):
    """Partial order sampling of contested steps."""

    name = "pos-contested"

    def start(self, seed: int, slots: int) -> None:
        self.forget()
        self.begin(seed, slots)

    def finish(self, steps: int) -> None:
        self.note(self.chosen, self.code)

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        self.note(self.chosen, self.code)
        self.redraw()
        if current in enabled and self.commutes(current):
            return self.take(current)
        alone = [slot for slot in enabled if self.commutes(slot)]
        return self.take(alone[0] if alone else self.highest(enabled))

    def commutes(self, slot: int) -> bool:
        """Return whether an actor stands before a step at a cell that nobody contends for."""
        code = self.parked[slot]
        return code != 0 and not self.is_contested(code)
