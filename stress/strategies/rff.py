"""RFF: reads-from feedback (Wolff, Shi, Duck, Mathur, Roychoudhury, *Greybox Fuzzing for
Concurrency Testing*, ASPLOS 2024).

What an execution has read from what is its *reads-from pairs*: the site and the cell of a step that
has read, and of another actor's that had written there last, or none. Pairs that no execution of
the case has shown before are kept, the latest of them, and an execution is made to show one or two
of these again, or the contrary: a step whose pair is wanted is held until the wanted step has
written last, and whoever would write there is then held until it has read; a pair that is not
wanted is held as long as it would come about. All else is as in :mod:`stress.strategies.pos`.

Deviations: the corpus is of single pairs, the 64 found last, among them the rarest; the paper keeps
sets of pairs and draws them by how rare their executions were. A pair is known by a hash of
244 values, and an event by one of 32,749. What is held too long, or holds everybody, is given up.
"""

from __future__ import annotations

from collections.abc import Mapping

from sim.core.step import KIND_MASK, KIND_SHIFT, SITE_SHIFT, WRITE, writes
from stress.rng import WORD_BITS, words
from stress.strategies._contested import CELLS, hashed
from stress.strategies.pos import Pos

EVENTS, EVENT_BITS = 32_749, 15
"""Values of the hash of a site and a cell, a prime, and its bits; 0 is the beginning."""

SEEN, PAIR_BITS = 4, 61
"""Words of the hash of the pairs that were seen, and the values of each."""

KEPT = 64
"""Pairs that are kept: the latest that were new."""

WISHES = 2
"""Pairs that an execution is about at most."""

PATIENCE = 100
"""How often a wish may hold somebody."""


def event(code: int) -> int:
    """Return the hash of the site and the cell of a step."""
    return ((code >> SITE_SHIFT) * CELLS + hashed(code)) % EVENTS + 1


def reads(code: int) -> bool:
    """Return whether the step reads the cell that its code names."""
    return code >> KIND_SHIFT & KIND_MASK != WRITE


class Rff(Pos):
    """Partial order sampling that seeks and avoids rare pairs."""

    name = "rff"
    free = 0

    def __init__(self) -> None:
        self.seen = [0 for _ in range(SEEN)]
        self.kept = [0 for _ in range(KEPT)]
        self.found = 0

    def start(self, seed: int, slots: int) -> None:
        self.begin(seed, slots)
        self.written_by = [0 for _ in range(CELLS)]
        self.last_write = [0 for _ in range(CELLS)]
        self.wished = [0 for _ in range(WISHES)]
        self.refused = [0 for _ in range(WISHES)]
        self.patience = [PATIENCE for _ in range(WISHES)]
        self.wish(seed)

    def wish(self, seed: int) -> None:
        """Draw what the execution is about: of every four one is about nothing."""
        word = words(seed, "wishes")
        known = min(self.found, KEPT)
        wishes = word() * (2 * WISHES) >> WORD_BITS
        for at in range(WISHES):
            if known and at < wishes:
                self.wished[at] = self.kept[word() * known >> WORD_BITS]
                self.refused[at] = word() * 2 >> WORD_BITS

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        self.note(self.chosen, self.code)
        self.redraw()
        free = [slot for slot in enabled if not self.is_held(slot)]
        if free:
            return self.take(self.highest(free))
        for at in range(WISHES):
            self.wished[at] = 0
        return self.take(self.highest(enabled))

    def is_held(self, slot: int) -> bool:
        """Return whether the step that an actor stands before has to wait for a wish."""
        code = self.parked[slot]
        held = False
        for at in range(WISHES):
            if code and self.wished[at] and self.is_against(at, slot, code):
                self.patience[at] -= 1
                held = True
                if not self.patience[at]:
                    self.wished[at] = 0
        return held

    def is_against(self, at: int, slot: int, code: int) -> bool:
        """Return whether a step would make a wish come to nothing."""
        writer, reader = self.wished[at] >> EVENT_BITS, self.wished[at] & (1 << EVENT_BITS) - 1
        cell = hashed(code)
        is_written = self.last_write[cell] == writer and self.written_by[cell] != slot + 1
        if event(code) == reader:
            return is_written == (self.refused[at] != 0)
        return not self.refused[at] and writer != 0 and is_written and writes(code) and self.stands_before(reader, slot)

    def stands_before(self, reader: int, other: int) -> bool:
        """Return whether an actor but ``other`` stands before the step that is to read."""
        for slot in range(len(self.parked)):
            if slot != other and self.parked[slot] and event(self.parked[slot]) == reader:
                return True
        return False

    def note(self, slot: int, code: int) -> None:
        """Take note of what a step has read, and of what it has written."""
        if not code:
            return
        cell, what = hashed(code), event(code)
        if reads(code) and self.written_by[cell] != slot + 1:
            self.show(self.last_write[cell] << EVENT_BITS | what)
        if writes(code):
            self.written_by[cell], self.last_write[cell] = slot + 1, what

    def show(self, pair: int) -> None:
        """Take note of a pair, keep it if it is new, and let a wish go that it fulfils."""
        at = pair % (SEEN * PAIR_BITS)
        word, bit = at // PAIR_BITS, 1 << at % PAIR_BITS
        if not self.seen[word] & bit:
            self.seen[word] |= bit
            self.kept[self.found % KEPT] = pair
            self.found += 1
        for k in range(WISHES):
            if self.wished[k] == pair:
                self.wished[k] = 0

    def finish(self, steps: int) -> None:
        self.note(self.chosen, self.code)

    def learned(self) -> dict[str, int]:
        if not self.found:
            return {}
        kept = {f"kept{at}": pair for at, pair in enumerate(self.kept)}
        return {"found": self.found} | kept | {f"seen{at}": word for at, word in enumerate(self.seen)}

    def recall(self, learned: Mapping[str, int]) -> None:
        self.found = learned.get("found", 0)
        self.kept = [learned.get(f"kept{at}", 0) for at in range(KEPT)]
        self.seen = [learned.get(f"seen{at}", 0) for at in range(SEEN)]
