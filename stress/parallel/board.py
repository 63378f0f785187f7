"""The board: what the processes of a gang share beside the arena (law L2: the machine region, apart
from the model's).

A memfd of 64-bit words. Nothing of it is model state: a hash never sees it, and a replay does not
need it. Words that processes write often lie on cache lines of their own.

A step's number comes from ``SEQ`` while the step holds its stripes; the log has a row per number,
so that it needs no merging: a row is complete when its last word is set, and the first row that is
not ends what was recorded (a process was killed in it).
"""

from __future__ import annotations

import mmap
import os
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

READERS_MAX = 8
"""Rwsems that one actor may hold for reading at once."""

SEQ, VERSION, ABORT, READY, UNFINISHED, PAUSE, FLAG = (LINE * n for n in range(7))
PAUSED = PAUSE + 1
"""Words: steps recorded; versions given by unrecorded stores; why the run is given up; processes
that are ready to start; threads that have not finished; the epoch, odd while actors are to stop
where they are in no operation, and the epoch in which all have stopped; and the first symptom: its
code, and the value found.
"""

FLAG_VALUE = FLAG + 1

FULL, DEADLOCK, SYMPTOM, ERROR, KILLED, HUNG = range(1, 7)
"""Values of ``ABORT``: the log or a tape is full; nobody can go on; a count is negative; a process
raised; one died; one is silent.
"""

MADE, REST, SPINS, OVER = range(4)
"""Words of a process: steps made; the steps (plus one, over the epoch) that all had made when it
found nothing to do; how often it has spun in vain; whether it has come to the run's end.
"""

WAITS, READS = 0, 1
"""Words of a slot: the code of the step that it cannot make (0: none); then the rwsems that it
holds for reading, as codes.
"""

SLOT_WORDS = 2 * LINE

STRIPE_LOCK, STRIPE_MET, STRIPE_PLACE = range(3)
"""Words of a stripe: who holds it (1 + process), how often it was found held, and the location that
was last wanted then.
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
    """A location that a process found held: a column's id, an index, and how often its stripe was
    met so.
    """

    place: int
    count: int


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
        """Make everything ready for a run with so many threads; nobody else is at work."""
        words = self.words
        self.log[: min(words[SEQ], self.steps_max)] = 0
        words[:_STRIPES] = memoryview(bytes(_STRIPES * WORD)).cast("q")
        self.array[_TAPES : _LOG : 1 + TAPE_MAX] = 0
        words[UNFINISHED] = threads

    def clear_stripes(self) -> None:
        """Let every stripe go, also those that a process took with it when it died; nobody is at
        work.
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

        Equal at two times: nobody made one in between.
        """
        words = self.words
        return sum(words[_PROCESSES + process * LINE + MADE] for process in range(processes))

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
