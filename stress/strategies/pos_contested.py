"""POS that branches at contested cells only.

An actor goes on until its next step is at a cell that several actors were seen to contend for in
this case: in between, its steps commute with everybody's. There it is as :mod:`stress.strategies.pos`.
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

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        self.note(self.chosen, self.code)
        self.redraw()
        code = self.parked[current]
        if code and current in enabled and not self.is_contested(code):
            return self.take(current)
        return self.take(self.highest(enabled))
