"""The board: the words that the processes of a gang share beside the arena.

It is a memfd of 64-bit words. Nothing on it is model state (law L1): no hash sees it, and no replay
needs it. Words that processes write often lie on cache lines of their own.

A step takes its number from ``SEQ`` while it holds its stripes, and the log has a row per number,
so that the log needs no merging. A row is complete when its last word is set. The first row that is
not complete ends the recording: a process was killed while it wrote that row.
"""

from __future__ import annotations

import mmap
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

WORD = 8
LINE = 8
"""Words of a cache line."""

PROCESSES_MAX = 16
SLOTS_MAX = 64
STRIPES = 1024
TAPE_MAX = 4096
"""Choices that one actor may draw in one run."""

PAUSE_SECONDS = 50e-6
"""How often a process that stands in a pause looks whether it is over."""

READERS_MAX = 8
"""Rwsems that one actor may hold for reading at once."""

SEQ, VERSION, ABORT, READY, UNFINISHED, PAUSE, FLAG = (LINE * n for n in range(7))
PAUSED = PAUSE + 1
FLAG_VALUE = FLAG + 1
"""Words of the run.

- SEQ: steps recorded;
- VERSION: versions given to pages by unrecorded stores;
- ABORT: why the run is given up, or 0;
- READY: processes that are ready to start;
- UNFINISHED: threads that have not finished;
- PAUSE: the epoch, which is odd while actors are to stop where they are in no operation;
- PAUSED: the epoch in which all have stopped;
- FLAG, FLAG_VALUE: the first symptom, the code of its step and the value found.
"""

FULL, DEADLOCK, SYMPTOM, ERROR, KILLED, HUNG = range(1, 7)
"""Values of ``ABORT``: the log or a tape is full; no actor can go on; a count is negative; a
process raised; one died; one is silent.
"""

MADE, REST, SPINS, OVER = range(4)
"""Words of a process.

- MADE: steps that it has made;
- REST: ``(total steps + 1) << 8 | epoch`` as it last saw them while it had nothing to do. When all
  processes show the same value, no actor can move;
- SPINS: how often it has spun in vain for a stripe;
- OVER: 1 once it has come to the run's end.
"""

WAITS, READS = 0, 1
"""Words of a slot: the code of the step that it cannot make (0: none); then the rwsems that it
holds for reading, as codes.
"""

SLOT_WORDS = 2 * LINE

STRIPE_LOCK, STRIPE_MET, STRIPE_PLACE = range(3)
"""Words of a stripe: the process that holds it, plus 1; how often it was found held; and the
location that was wanted when it was last found held.
"""

LOG_WORDS = 3
"""A row of the log: code, value, 1 + slot."""

_PROCESSES = LINE * 8
_SLOTS = _PROCESSES + PROCESSES_MAX * LINE
_STRIPES = _SLOTS + SLOTS_MAX * SLOT_WORDS
_TAPES = _STRIPES + STRIPES * LINE
_LOG = _TAPES + SLOTS_MAX * (1 + TAPE_MAX)

STRIPES_AT, LOG_AT = _STRIPES, _LOG
"""Where stripes and log begin, in words."""


@dataclass(frozen=True)
class Met:
    """A location whose stripe was found held."""

    place: int
    """The column's id and the index, as a step's code has them."""
    count: int
    """How often its stripe was found held."""


class Board:
    """The words; made by the supervisor, attached by descriptor elsewhere.

    ``steps_max`` is how many rows the log has.
    """

    def __init__(self, fd: int = -1, steps_max: int = 0) -> None:
        if fd < 0:
            fd = os.memfd_create("zapstress-board", os.MFD_CLOEXEC)
            os.ftruncate(fd, (_LOG + steps_max * LOG_WORDS) * WORD)
        self.fd = fd
        size = os.fstat(fd).st_size
        self.steps_max = (size // WORD - _LOG) // LOG_WORDS
        self.map = mmap.mmap(fd, size)
        self.words = memoryview(self.map).cast("q")
        self._array: Any = None

    def process(self, process: int, word: int) -> int:
        """Return the index of a word of a process."""
        return _PROCESSES + process * LINE + word

    def slot(self, slot: int, word: int) -> int:
        """Return the index of a word of a slot."""
        return _SLOTS + slot * SLOT_WORDS + word

    def begin(self, threads: int) -> None:
        """Make everything ready for a run of so many threads. No process may be in a run."""
        words = self.words
        self.log[: min(words[SEQ], self.steps_max)] = 0
        words[:_STRIPES] = memoryview(bytes(_STRIPES * WORD)).cast("q")
        self.array[_TAPES : _LOG : 1 + TAPE_MAX] = 0
        words[UNFINISHED] = threads

    def clear_stripes(self) -> None:
        """Let every stripe go, also those that a process held when it died. No process may be in a
        run.
        """
        self.array[_STRIPES:_TAPES:LINE] = 0

    @property
    def array(self) -> np.ndarray[Any, Any]:
        """The words as a numpy array."""
        if self._array is None:
            import numpy

            self._array = numpy.frombuffer(self.map, dtype="<i8")
        found: np.ndarray[Any, Any] = self._array
        return found

    @property
    def log(self) -> np.ndarray[Any, Any]:
        """The log: a row per step number."""
        rows: np.ndarray[Any, Any] = self.array[_LOG : _LOG + self.steps_max * LOG_WORDS].reshape(-1, LOG_WORDS)
        return rows

    def progress(self, processes: int) -> int:
        """Return how many steps all processes have made.

        If it is equal at two times, no step was made in between.
        """
        words = self.words
        return sum(words[_PROCESSES + process * LINE + MADE] for process in range(processes))

    # -- the moments at which all processes agree ------------------------------------------------------------------

    def rest_mark(self, processes: int, epoch: int) -> int:
        """Return what a process that has nothing to do now, in ``epoch``, writes into REST."""
        return (self.progress(processes) + 1) << 8 | epoch & 0xFF

    def all_rest(self, process: int, processes: int, mark: int) -> bool:
        """Note that ``process`` has nothing to do at ``mark``; return whether that is so of all."""
        self.words[self.process(process, REST)] = mark
        return all(self.words[self.process(other, REST)] == mark for other in range(processes))

    def is_resting(self, process: int) -> bool:
        """Return whether a process has had nothing to do in this run."""
        return bool(self.words[self.process(process, REST)])

    def stand(self, epoch: int) -> None:
        """Stand still until the pause of ``epoch`` is over, or the run is given up."""
        words = self.words
        words[PAUSED] = epoch
        while words[PAUSE] == epoch and not words[ABORT]:
            time.sleep(PAUSE_SECONDS)

    def abort(self, why: int) -> None:
        """Let every process give the run up, unless one has said so already."""
        if not self.words[ABORT]:
            self.words[ABORT] = why

    def is_over(self, processes: int) -> bool:
        """Return whether a process has found that the run has come to its end."""
        return any(self.words[self.process(process, OVER)] for process in range(processes))

    # -- tapes -----------------------------------------------------------------------------------------------------

    def append(self, slot: int, choice: int) -> bool:
        """Put a choice on the tape of ``slot``; False if the tape is full."""
        at = _TAPES + slot * (1 + TAPE_MAX)
        made = self.words[at]
        if made >= TAPE_MAX:
            return False
        self.words[at + 1 + made] = choice
        self.words[at] = made + 1
        return True

    def tape(self, slot: int) -> list[int]:
        """Return what the actor in ``slot`` has drawn."""
        at = _TAPES + slot * (1 + TAPE_MAX)
        return self.words[at + 1 : at + 1 + self.words[at]].tolist()

    # -- contention ------------------------------------------------------------------------------------------------

    def met(self) -> list[Met]:
        """Return the locations whose stripes were found held, the most often first; since the board
        was made.
        """
        rows = ((self.words[at + STRIPE_PLACE], self.words[at + STRIPE_MET]) for at in range(_STRIPES, _TAPES, LINE))
        return sorted((Met(*row) for row in rows if row[1]), key=lambda met: -met.count)

    def holders(self) -> list[int]:
        """Return the processes that hold a stripe: at rest there are none."""
        return sorted({self.words[at] - 1 for at in range(_STRIPES, _TAPES, LINE) if self.words[at]})

    def close(self) -> None:
        """Unmap the words; they are gone with their last descriptor."""
        self._array = None
        self.words.release()
        with suppress(BufferError):  # an array of the log is still alive: the mapping goes with it
            self.map.close()
        os.close(self.fd)
