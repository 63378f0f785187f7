"""Random walk: uniform over the enabled actors at every step.

The baseline that everything is compared with.

A walk's runs are drawn whole: after choosing an actor, choices are drawn on until one names
somebody else, who is next; the actor is granted the steps before. While who is enabled does not
change that is the same walk, asked about once per change of actor; when it does change the machine
asks anew, and a walk has no memory.
"""

from __future__ import annotations

from stress.rng import WORD_BITS, words

ALONE = 1 << 30
"""Steps granted to an actor that nobody competes with."""


class Strategy:
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
            self.free = ALONE
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

    def finish(self, steps: int) -> None:
        pass
