"""A world on which a plain kernel runs: pieces of work, how long they take, and what they count."""

from __future__ import annotations

import ctypes
import mmap
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, c_int64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.core.profile import World
from stress.errors import ZapstressError
from stress.machine.lockstep import Lockstep
from stress.native.plain.arena import PlainArena, PlainLayout
from stress.native.plain.kernel import CALLS, PlainKernel, composed
from stress.native.plain.text import room_of, value_of
from stress.native.plain.work import PIECES, Work
from stress.native.runner import LIMITS

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

KINDS = ("read", "write", "rmw", "", "", "wait")
"""Kinds of steps, as sim/core/step.py numbers them."""

SCRATCH_LISTS = 256
"""Lists that may be there at once."""

ATOMICS = 1 << 16
"""Atomic instructions in a row, to be timed."""

_USER: dict[str, PlainWorld] = {}
"""Library -> the world that it serves."""

Step = tuple[str, str, str]
"""Site, column and kind: what steps are counted by."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end the process at once: C that a wrong patch keeps in a loop does not come back
    to Python, which would raise KeyboardInterrupt.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class PlainError(ZapstressError):
    """A plain kernel gave up: the world is too small, or a patch goes wrong with nobody beside it."""


@dataclass(frozen=True)
class Done:
    """What a piece of work did: its steps, and of the calls that are counted how often each was
    made, and the length of all lists that it was given.
    """

    steps: dict[Step, int]
    calls: dict[str, int]
    words: dict[str, int]


class PlainWorld:
    """An arena, and a plain kernel on it. A context manager.

    ``counted`` says which library runs. Raises BuildError.
    """

    def __init__(self, kernel: PlainKernel, world: World, catalogue: Catalogue, counted: bool = False) -> None:
        self.manifest = kernel.manifest
        self.kernel = composed(kernel.key, world, catalogue)
        self.layout = PlainLayout(self.kernel.layout, self.manifest.types, frozenset(self.manifest.kept))
        self.arena = PlainArena(self.layout, huge=not counted)
        self.kernel.bind(self.arena, Lockstep(self.arena, self.kernel.slots, 1))
        self.work = Work(self.kernel, 0)
        self.names = {"kernel": self.kernel, "work": self.work}
        for expression, value in self.manifest.assumptions:
            assert value_of(expression, self.names) == value, f"{expression} is not {value}, as it was translated"
        self.path = str(kernel.counted if counted else kernel.timed)
        self.lib = ctypes.CDLL(self.path)
        self.lib.zap_do.restype = self.lib.zap_atomics.restype = c_int64
        self.lib.zap_made.restype = self.lib.zap_calls.restype = POINTER(c_int64)
        self.snapshot: mmap.mmap | None = None
        self.kept: list[Any] = []
        self.told = self._prepare()

    def __enter__(self) -> PlainWorld:
        return self

    def __exit__(self, *_: object) -> None:
        del self.block, self.told
        _USER.pop(self.path, None)
        self.arena.close()
        if self.snapshot is not None:
            self.snapshot.close()

    def _prepare(self) -> tuple[Any, ...]:
        """Return what the library is told of this world."""
        table = self._table()
        self.block = (ctypes.c_char * self.layout.bytes).from_buffer(self.arena.block)
        lists = (c_int64 * (SCRATCH_LISTS * room_of(self.kernel)))()
        return self.block, (c_int64 * len(table))(*table), lists, c_int64(len(lists))

    def _use(self) -> None:
        """Point the library at this world, if it serves another."""
        if _USER.get(self.path) is not self:
            self.lib.zap_use(*self.told)
            _USER[self.path] = self

    def _table(self) -> list[int]:
        layout, table = self.layout, list[int]()
        for name in self.manifest.columns:
            table += (layout.offsets[name], layout.counts[name])
        for path, kind in self.manifest.entries:
            value = value_of(path, self.names)
            if kind == "list":
                words = (c_int64 * (1 + len(value)))(len(value), *value)
                self.kept.append(words)
                value = ctypes.addressof(words)
            table.append(int(value))
        return table

    # -- work ------------------------------------------------------------------------------------------------------

    def do(self, name: str, *args: int) -> int:
        """Do a piece of work; return how many nanoseconds it took. Raises PlainError."""
        self._use()
        words, ns = (c_int64 * 8)(*args), c_int64()
        with interruptible():
            why = self.lib.zap_do(c_int64(PIECES.index(name)), words, ctypes.byref(ns))
        if why:
            said = LIMITS[why] if why < len(LIMITS) else "the model objects"
            raise PlainError(f"{name}: {said}: the world is too small for it, or the patch goes wrong")
        return ns.value

    def atomic_ns(self) -> float:
        """Return how many nanoseconds an atomic instruction takes here and now, on a cell that is
        in the cache.
        """
        return float(self.lib.zap_atomics(c_int64(ATOMICS))) / ATOMICS

    def keep(self) -> None:
        """Keep the arena as it is now."""
        self.snapshot = mmap.mmap(-1, self.layout.bytes)
        self._copy(self.snapshot, self.arena.block)

    def restore(self) -> None:
        """Put back what was kept."""
        assert self.snapshot is not None
        self._copy(self.arena.block, self.snapshot)

    def _copy(self, to: Any, source: Any) -> None:
        kind = ctypes.c_char * self.layout.bytes
        ctypes.memmove(kind.from_buffer(to), kind.from_buffer(source), self.layout.bytes)

    def counts(self) -> Done:
        """Return what was counted, and begin anew."""
        import numpy

        columns, kinds = len(self.manifest.columns), len(KINDS)
        size = len(self.manifest.sites) * columns * kinds
        made = self.lib.zap_made()
        steps: dict[Step, int] = {}
        for at in numpy.ctypeslib.as_array(made, (size,)).nonzero()[0].tolist():
            cell, kind = divmod(at, kinds)
            site, column = divmod(cell, columns)
            steps[self.manifest.sites[site], self.manifest.columns[column], KINDS[kind]] = made[at]
        calls = self.lib.zap_calls()
        found = Done(
            steps,
            {name: calls[2 * number] for number, name in enumerate(CALLS)},
            {name: calls[2 * number + 1] for number, name in enumerate(CALLS)},
        )
        ctypes.memset(made, 0, 8 * size)
        ctypes.memset(calls, 0, 16 * len(CALLS))
        return found

    def cells(self, name: str) -> list[int]:
        """Return what a column holds."""
        return [int(value) for value in self.arena[name].view.tolist()]
