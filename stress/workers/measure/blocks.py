"""The measured executions of a case, in blocks, each as long as all before it together.

A block's executions are drawn from one mixture of strategies: the shares that they had when it
began, and what they had learned by then. So they are draws of one kind, and the part of them whose
class none before the block had says how likely that is for the next (*unseen mass*: Good,
Biometrika 40, 1953; the bound is in :mod:`stress.workers.measure.bound`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stress.rng import WORD_BITS, words
from stress.workers.measure.bound import Block

FIRST = 8
"""Executions of a case's first block."""

REMEMBERED_MAX, OF_ALL_MAX = 1 << 16, 1 << 18
"""Classes that are remembered of a case, and of all: 64 bytes each. Others count as unseen."""

Learned = dict[str, int]


@dataclass
class Frozen:
    """What the executions of a block are drawn from, and what they have shown so far."""

    size: int
    shares: Mapping[str, float]
    learned: Mapping[str, Learned]
    executions: int = 0
    unseen: int = 0
    classes: set[int] = field(default_factory=set)

    def draw(self, seed: int) -> str:
        """Return the strategy of an execution; its seed draws it."""
        left = words(seed, "measured")() / (1 << WORD_BITS) * sum(self.shares.values())
        for name, share in self.shares.items():
            left -= share
            if left < 0:
                return name
        return next(reversed(list(self.shares)))


class Memory:
    """How many classes are remembered by now, of all cases."""

    def __init__(self) -> None:
        self.used = 0

    def room(self, known: int) -> int:
        """Return how many more may be remembered of a case that has so many."""
        return max(0, min(REMEMBERED_MAX - known, OF_ALL_MAX - self.used))


class Blocks:
    """Of one case: the classes that it has shown, and its newest blocks."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.seen: set[int] = set()
        self.before = 0
        self.last: Block | None = None
        self.now: Frozen | None = None

    def begin(self, shares: Mapping[str, float], learned: Callable[[str], Learned]) -> Frozen:
        """Return the block that goes on; a new one has the shares and what was learned as they are
        now.
        """
        if self.now is None:
            known = {name: learned(name) for name in shares}
            self.now = Frozen(max(FIRST, self.before), dict(shares), known)
        return self.now

    def add(self, name: int) -> None:
        """Count an execution of the block that goes on, whose class has this name."""
        assert self.now is not None
        block = self.now
        block.executions += 1
        if name not in self.seen:
            block.unseen += 1
            block.classes.add(name)
        if block.executions == block.size:
            self._end(block)

    def _end(self, block: Frozen) -> None:
        room = self.memory.room(len(self.seen))
        fresh = [name for name, _ in zip(block.classes, range(room), strict=False)]
        self.seen.update(fresh)
        self.memory.used += len(fresh)
        self.last = Block(block.executions, block.unseen, self.before)
        self.before += block.executions
        self.now = None

    def newest(self) -> Block | None:
        """Return the block that says most: the one that goes on, once it is as long as the one
        before it.
        """
        now = self.now
        if now is None or (self.last is not None and now.executions < self.last.executions):
            return self.last
        return Block(now.executions, now.unseen, self.before) if self.last is not None else None
