"""Data tapes: what the actors of an execution draw, such as operations, need_resched and allocation
failures.

Each slot has a tape of its own, so that an edited schedule does not shift the data of other actors.
0 is always the plain choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from stress.rng import WORD_BITS, words

_PLAIN_MASK = 3
_REST_BITS = WORD_BITS - 2


class RandomData:
    """Draws 0 three times out of four, else uniformly from 1 to n - 1; ``tapes`` records the draws.

    Each actor has a stream of random words of its own.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.tapes: dict[int, list[int]] = {}
        self._words: dict[int, Callable[[], int]] = {}

    def draw(self, slot: int, label: str, n: int) -> int:
        """Return a choice in 0..n-1 for the actor in ``slot``."""
        if slot not in self._words:
            self._words[slot] = words(self.seed, "data", slot)
        word = self._words[slot]()
        choice = 0 if word & _PLAIN_MASK or n < 2 else 1 + ((word >> 2) * (n - 1) >> _REST_BITS)
        self.tapes.setdefault(slot, []).append(choice)
        return choice


class TapeData:
    """Replays recorded tapes. Past the end of a tape, and for a choice that does not exist, draws
    0.

    ``tapes`` records what was drawn.
    """

    def __init__(self, recorded: Mapping[int, Sequence[int]]) -> None:
        self.recorded = recorded
        self.tapes: dict[int, list[int]] = {}

    def draw(self, slot: int, label: str, n: int) -> int:
        """Return the next choice on the tape of ``slot``."""
        done = self.tapes.setdefault(slot, [])
        tape = self.recorded.get(slot, ())
        choice = tape[len(done)] if len(done) < len(tape) else 0
        choice = choice if choice < n else 0
        done.append(choice)
        return choice


class _Plain:
    """All chance plain."""

    def draw(self, slot: int, label: str, n: int) -> int:
        """Return 0."""
        return 0


PLAIN = _Plain()
