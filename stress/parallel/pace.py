"""Injected yields, and the moments at which all processes of a gang agree: the start, a pause, the
end.

Left to themselves, two processes overlap as the machine's cores happen to let them, and short runs
hardly at all. So each run draws how restless it is, and an actor gives way after so many steps: to
a neighbour, or by letting another process make some steps first. It paces races; it does not
replay: what comes of it is recorded.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from stress.machine.scheduler import hand_over
from stress.parallel import native
from stress.parallel.board import ABORT, DEADLOCK, MADE, OVER, PAUSE, PAUSED, READY, REST, UNFINISHED, WORD
from stress.rng import WORD_BITS, words

if TYPE_CHECKING:
    from stress.parallel.machine import Parallel

SPANS = (1, 2, 4, 8, 16, 64)
"""Steps, at most, between two injected yields, of which each run draws one."""

AHEAD_MAX = 4
"""Steps, at most, that an actor lets another process make first."""

PAUSE_SECONDS = 50e-6
"""How often a process that stands in a pause looks whether it is over."""


class Pace:
    """When the actors of ``machine`` give way."""

    def __init__(self, machine: Parallel) -> None:
        self.m = machine
        self.meet = native.entry(native.meet)
        self.add_to = native.entry(native.add_to)

    def start(self, seed: int) -> None:
        """Draw how restless the run is; a negative seed is no yields at all."""
        self.word = words(seed, "pace", 1 + self.m.process)
        spans = words(seed, "pace")
        self.span = SPANS[spans() * len(SPANS) >> WORD_BITS] if seed >= 0 else 0

    async def give_way(self) -> None:
        """The actor has made the steps that it was granted: let others go first."""
        m = self.m
        if not self.span:
            m.run = 1 << 10
            return
        word = self.word()
        m.run = (word & 0xFFFF) % self.span
        if word >> 16 & 1:
            await hand_over()
        else:
            self._let_another_ahead(word >> 17)

    def _let_another_ahead(self, word: int) -> None:
        """Wait, for a bounded time, until another process has made some steps, unless it is at
        rest.
        """
        m, board = self.m, self.m.words
        others = m.processes - 1
        if not others:
            return
        other = (m.process + 1 + word % others) % m.processes
        made = m.board.process(other, MADE)
        if not board[m.board.process(other, REST)] and not self.meet(
            m.here, m.board_at + made * WORD, board[made] + 1 + (word >> 4) % AHEAD_MAX
        ):
            os.sched_yield()

    def meet_all(self) -> None:
        """Wait until every process is ready to start, so that they start at once."""
        m, at = self.m, self.m.board_at + READY * WORD
        self.add_to(m.here, at, 1)
        while not self.meet(m.here, at, m.processes) and not m.words[ABORT]:
            os.sched_yield()

    def at_rest(self, epoch: int) -> None:
        """Everybody is at rest: in a pause, at the end, or for ever."""
        m = self.m
        if epoch & 1:
            m.words[PAUSED] = epoch
            while m.words[PAUSE] == epoch and not m.words[ABORT]:
                time.sleep(PAUSE_SECONDS)
        elif m.words[UNFINISHED]:
            m.abort(DEADLOCK)
            m.live = False
        else:
            m.words[m.board.process(m.process, OVER)] = 1
            m.live = False
