"""Random walk: uniform over the enabled actors at every step.

The baseline that everything is compared with.

The steps that one actor makes in a row are drawn at once: after choosing an actor the walk goes on
drawing until it draws another one. The actor is granted the steps before that, and the other is the
next choice. If the set of enabled actors changes meanwhile, the rest of the draw is dropped and the
walk draws anew, which changes no probability: a walk has no memory.
"""

from __future__ import annotations

from stress.rng import WORD_BITS, words
from stress.strategies import UNBOUNDED, Strategy


class RandomWalk(Strategy):
    """A uniform random walk."""

    name = "random"
    free = 0

    def start(self, seed: int, slots: int) -> None:
        self.word = words(seed, "schedule")
        self.among: list[int] = []
        self.until = self.then = 0

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        n = len(enabled)
        if n == 1:
            self.free = UNBOUNDED
            return enabled[0]
        word = self.word
        if step == self.until and enabled == self.among:
            chosen = self.then
        else:
            chosen = word() * n >> WORD_BITS
            self.among = enabled.copy()
        free = 0
        while (then := word() * n >> WORD_BITS) == chosen:
            free += 1
        self.free, self.then, self.until = free, then, step + free + 1
        return enabled[chosen]
