"""Replay: who goes next is on a tape of runs (slot, steps).

*strict* stops at the first choice that cannot be followed; *tolerant* goes on with the wanted actor
if it is enabled, else the current one, else the lowest; *continue-with* hands over to another
strategy at the tape's end.
"""

from __future__ import annotations

from stress.errors import Divergence
from stress.strategies import Strategy


class Replay(Strategy):
    """Follows the tape ``runs``; after its end goes on with the strategy ``then``, if there is one.

    After an execution ``diverged`` is the step at which a tolerant replay first left the tape, or
    -1.
    """

    name = "replay"
    free = 0

    def __init__(self, runs: list[tuple[int, int]], tolerant: bool = False, then: Strategy | None = None) -> None:
        self.runs, self.tolerant, self.then = runs, tolerant, then
        self.diverged = -1

    def start(self, seed: int, slots: int) -> None:
        self.at = -1
        self.end = 0
        self.slot = -1
        self.diverged = -1
        if self.then is not None:
            self.then.parked = self.parked
            self.then.start(seed, slots)

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        if self.at < 0 or step >= self.end or self.slot not in enabled:
            self._advance(step)
        if self.at >= len(self.runs) and self.then is not None:
            chosen = self.then.choose(enabled, current, step)
            self.free = self.then.free
            return chosen
        if self.slot in enabled:
            self.free = max(0, self.end - step - 1)
            return self.slot
        if not self.tolerant:
            wanted = f"actor {self.slot}, which cannot run" if self.slot >= 0 else "the end"
            raise Divergence(f"step {step}: the trace wants {wanted}; was the model changed? try --tolerant")
        if self.diverged < 0:
            self.diverged = step
        self.free = 0
        return current if current in enabled else enabled[0]

    def _advance(self, step: int) -> None:
        self.at += 1
        while self.tolerant and self.at < len(self.runs) and not self.runs[self.at][1]:
            self.at += 1
        if self.at < len(self.runs):
            self.slot, steps = self.runs[self.at]
            self.end = step + steps
        else:
            self.slot, self.end = -1, step

    def finish(self, steps: int) -> None:
        if self.then is not None:
            self.then.finish(steps)
