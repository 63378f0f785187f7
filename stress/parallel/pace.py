"""When the actors of a process give way, so that processes overlap, and differently in each run.

Left to themselves, two processes overlap as the machine's cores happen to let them, and short runs
hardly at all. So each run draws a span, and an actor gives way after at most that many steps: to
another actor of its process, or by letting another process make some steps first. This changes
which interleavings are likely. It does not replay them: the interleaving that results is recorded.

This module decides; :mod:`stress.parallel.machine` acts.
"""

from __future__ import annotations

from typing import NamedTuple

<<<<<<< HEAD
from stress.machine.scheduler import hand_over
from stress.parallel import native
from stress.parallel.board import ABORT, DEADLOCK, MADE, OVER, PAUSE, PAUSED, READY, REST, UNFINISHED, WORD
from stress.rng import WORD_BITS, words
=======
from stress.rng import WORD_BITS, raw_words
>>>>>>> main

SPANS = (1, 2, 4, 8, 16, 64)
"""Steps, at most, between two injected yields, of which each run draws one."""

AHEAD_MAX = 4
"""Steps, at most, that an actor lets another process make first."""

UNPACED_STEPS = 1 << 10
"""Steps that are granted at once where nothing is injected."""


class GiveWay(NamedTuple):
    """What an actor does before its next step."""

    granted: int
    """Steps that it may make after that one without asking again."""
    hand_over: bool
    """It lets the other actors of its process run."""
    other: int
    """The process that it lets go ahead, or its own: then it lets none."""
    steps: int
    """The steps that this process may make first."""


class Pace:
    """The pace of one process; ``process`` is its number among ``processes``."""

    def __init__(self, process: int, processes: int) -> None:
        self.process, self.others = process, processes - 1
        self.processes = processes

<<<<<<< HEAD
    def start(self, seed: int) -> None:
        """Draw how restless the run is; a negative seed is no yields at all."""
        self.word = words(seed, "pace", 1 + self.m.process)
        spans = words(seed, "pace")
        self.span = SPANS[spans() * len(SPANS) >> WORD_BITS] if seed >= 0 else 0
=======
    def start(self, seed: int, yields: bool) -> None:
        """Draw the span of a run; without ``yields`` nothing is injected."""
        self.word = raw_words(seed, f"pace {self.process}")
        spans = raw_words(seed, "pace")
        self.span = SPANS[spans(WORD_BITS) * len(SPANS) >> WORD_BITS] if yields else 0
>>>>>>> main

    def decide(self) -> GiveWay:
        """Decide what an actor does that has made the steps it was granted."""
        if not self.span:
<<<<<<< HEAD
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
=======
            return GiveWay(UNPACED_STEPS, False, self.process, 0)
        word = self.word(WORD_BITS)
        granted, hand_over, draw = (word & 0xFFFF) % self.span, bool(word >> 16 & 1), word >> 17
        other = self.process
        if self.others:
            other = (self.process + 1 + draw % self.others) % self.processes
        return GiveWay(granted, hand_over, other, 1 + (draw >> 4) % AHEAD_MAX)
>>>>>>> main
