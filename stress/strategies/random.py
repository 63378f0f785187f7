"""Random walk: uniform over the enabled actors at every step. The baseline that everything is compared with."""

from __future__ import annotations

from stress.rng import WORD_BITS, raw_words

ALONE = 1 << 30
"""Steps granted to an actor that nobody competes with: it is asked about again when somebody does."""


class Strategy:
    """A uniform random walk."""

    name = "random"
    free = 0

    def start(self, seed: int, slots: int) -> None:
        self.word = raw_words(seed, "schedule")

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        if len(enabled) == 1:
            self.free = ALONE
            return enabled[0]
        self.free = 0
        return enabled[self.word(WORD_BITS) * len(enabled) >> WORD_BITS]

    def finish(self, steps: int) -> None:
        pass
