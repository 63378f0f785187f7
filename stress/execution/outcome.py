"""What one execution did: its verdict, and lazily its digests and statistics.

An outcome reads the machine's log and the arena as the execution left them, so it must be used
before the next execution begins. Each figure is computed when it is asked for: of most executions a
campaign asks the verdict alone.

Digests name sites and columns by checksums of their names, never by their numbers, which depend on
the order of imports. They do not depend on byte order or on Python's hash seed.
"""

from __future__ import annotations

import hashlib
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sim.core.arena import Layout
from sim.core.machine import SITES
from sim.core.step import TLB_SHIFT, column_of, index_of, kind_of, site_of, tlb_column_of
from stress.execution.overlaps import OVERLAPS
from stress.execution.touches import StepTouches, site_checksums, through_tlb, touches_of
from stress.rng import mixed

if TYPE_CHECKING:
    import numpy as np

    from stress.execution.finished import Finished
    from stress.machine.protocols import Verdict

    Array = np.ndarray[Any, np.dtype[Any]]

CHECK_BYTES = 2
"""Bytes of the rolling digest kept per step."""

_NAME_BITS = 32
_GOLDEN = 0x9E3779B97F4A7C15


@lru_cache(maxsize=256)
def column_checksums(layout: Layout) -> list[int]:
    """Return the checksum of every column's name, by number."""
    return [zlib.crc32(field.name.encode()) for field in layout.fields]


class Outcome:
    """What one execution did, until the next begins."""

    __slots__ = ("_rows", "_words", "finished", "symptom", "verdict")

    def __init__(self, finished: Finished, verdict: Verdict) -> None:
        self.finished, self.verdict = finished, verdict
        self.symptom = ""
        """What the parallel run, which this execution replays, showed to be wrong by itself."""
        self._rows: Array | None = None
        self._words: Array | None = None

    @property
    def steps(self) -> int:
        """How many steps were made."""
        return self.finished.steps

    def schedule(self) -> list[tuple[int, int]]:
        """Return the schedule tape, runs of (slot, steps); an execution that ended in its setup has
        none.
        """
        return [] if self.finished.setup else self.finished.turns()

    @property
    def tapes(self) -> dict[int, list[int]]:
        """The data tapes: slot -> what it drew."""
        tapes: dict[int, list[int]] = {} if self.finished.setup else getattr(self.finished.machine.data, "tapes", {})
        return {slot: list(tape) for slot, tape in sorted(tapes.items()) if tape}

    def rows(self) -> Array:
        """Return the rows that the digest is over (:func:`rows_of`)."""
        if self._rows is None:
            codes, values = self._log()
            self._rows = rows_of(self.finished.arena.layout, codes, values, self._actors(len(codes)))
        return self._rows

    def _log(self) -> tuple[Array, Array]:
        import numpy

        if self._words is None:
            self._words = numpy.array(self.finished.machine.log, dtype="<i8")
        return self._words[::2], self._words[1::2]

    def _actors(self, steps: int) -> Array:
        import numpy

        turns = numpy.array(self.finished.turns(), dtype="<i8").reshape(-1, 2)
        return numpy.repeat(turns[:, 0], turns[:, 1])[:steps]

    def digest(self) -> str:
        """Return the digest of every step's actor, kind, site, column, index and value: 32 hex
        digits.
        """
        return digest_of(self.rows())

    def step_checks(self) -> bytes:
        """Return CHECK_BYTES per step of a rolling digest: two executions part at the first step
        whose bytes differ.
        """
        import numpy

        rows = self.rows().astype("<u8")
        words = numpy.arange(1, len(rows) + 1, dtype="<u8") * numpy.uint64(_GOLDEN)
        for at in range(rows.shape[1]):
            words = mixed(words ^ rows[:, at])
        rolling: Array = mixed(numpy.cumsum(words, dtype="<u8"))
        return (rolling >> numpy.uint64(64 - 8 * CHECK_BYTES)).astype("<u2").tobytes()

    def model_hash(self) -> str:
        """Return the hash of the model region as the execution left it."""
        return self.finished.arena.model_hash()

    def visits(self) -> Array:
        """Return how often each site was visited, by its number in this process
        (sim.core.machine.SITES).
        """
        import numpy

        visits: Array = numpy.bincount(site_of(self._log()[0]), minlength=len(SITES))
        return visits

    def overlaps(self) -> dict[tuple[str, str], int]:
        """Return how often an operation began on a CPU while another CPU was in one: (that one, the
        one that began) -> times (:mod:`sim.core.operations`).
        """
        column = self.finished.arena.columns.get("overlaps")
        counts = column.view.tolist() if column is not None else []
        return {OVERLAPS[at]: count for at, count in enumerate(counts) if count}

    def touches(self) -> StepTouches:
        """Return which location each step has touched."""
        codes, values = self._log()
        return touches_of(codes, values, self._actors(len(codes)))


def rows_of(layout: Layout, codes: Array, values: Array, actors: Array) -> Array:
    """Return one row per step: site checksum, column checksum (and the TLB's above it), actor << 8
    | kind, index, value (int64).
    """
    import numpy

    rows = numpy.empty((len(codes), 5), dtype="<i8")
    rows[:, 0] = numpy.array(site_checksums(), dtype="<i8")[site_of(codes)]
    columns = numpy.array(column_checksums(layout), dtype="<i8")
    rows[:, 1] = columns[column_of(codes)]
    rows[:, 2] = actors << 8 | kind_of(codes)
    rows[:, 3] = index_of(codes)
    rows[:, 4] = values
    through = through_tlb(codes)
    rows[through, 1] |= columns[tlb_column_of(values[through])] << _NAME_BITS - 1
    rows[through, 4] &= (1 << TLB_SHIFT) - 1
    return rows


def digest_of(rows: Array) -> str:
    """Return the digest of a run's rows: 32 hex digits."""
    return hashlib.blake2b(rows.tobytes(), digest_size=16).hexdigest()
