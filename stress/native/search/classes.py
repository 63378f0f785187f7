"""Classes of executions: those that differ only in the order of transitions which do not depend on
each other have the same name (a Mazurkiewicz trace: A. Mazurkiewicz, *Concurrent Program Schemes
and their Interpretations*, DAIMI PB 78, 1977).

Two transitions of different actors depend on each other by the rules of exhaustive search
(``explore.c``): one changes a word of the arena that the other touches, whoever reads it; one notes
a change and the other a moment; one suspends or resumes the other's actor. These are more than
matter: so there are more classes than a cleverer relation would tell apart, never fewer, and all
executions of a class end in the same state with the same verdict.

``classes.c`` computes the name, from the tapes of an execution; :class:`PythonClass` does the same
from what the noting machine (:mod:`stress.machine.noted`) tells.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_int64, c_uint64, c_void_p
from typing import TYPE_CHECKING, Any

from sim.core.arena import WORD, Layout
from stress.machine.noted import Noted, NotedMachine
from stress.native.runner import NativeCase, shared
from stress.native.search.space import CHANGES, FREE, MOMENTS, StateSpace, kind_of
from stress.rng import mix

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_MASK, _GOLDEN, _MULTIPLIER = (1 << 64) - 1, 0x9E3779B97F4A7C15, 0x94D049BB133111EB


class NativeClasses:
    """Names the classes of executions of a case that was just executed natively."""

    def __init__(self, space: StateSpace) -> None:
        self.space, self.lib = space, space.library.lib
        self.lib.zap_class.argtypes = [c_void_p, c_int64, c_void_p, c_int64, POINTER(c_uint64), c_void_p]
        self.lib.zap_class.restype = c_int64
        self.named = shared("states", 1 + space.runner.machine.steps_max)

    def of_last(self, native: NativeCase, states: bool = False) -> int | None:
        """Return the class of the latest execution of ``native``, which is of the same runner; None
        if it cannot be made again. With ``states`` those that it went through are named too.
        """
        if self.space.library.in_use is not self.space:
            self.space.begin()
        lib, found = native.library.lib, c_uint64()
        tape, draws = ctypes.addressof(native.tape), ctypes.addressof(native.draws)
        into = ctypes.addressof(self.named) if states else None
        self.named[0] = 0
        why = self.lib.zap_class(tape, lib.zap_turns(), draws, lib.zap_draws(), byref(found), into)
        if why and states:
            return self.of_last(native)
        return None if why else found.value

    def states(self) -> Array:
        """Return the names of the states that the execution went through which was named last, one
        after each transition (``search.c``; uint64); none if they were not asked for, or one has no
        name.
        """
        import numpy

        return numpy.frombuffer(self.named, "<u8", self.named[0], WORD)


class PythonClass:
    """The class of the execution that a noting machine makes; begin one for each."""

    def __init__(self, machine: NotedMachine) -> None:
        layout = machine.arena.layout
        self.words = layout.bytes // WORD
        self.kinds = kinds_of(layout)
        self.met: dict[int, tuple[int, int]] = {}
        """Of each place: the hash of what changed it last, and the sum of the hashes of what has
        touched it since.
        """
        self.last = [0] * machine.slots
        self.changes = self.moments = self.sum = 0
        self.cells = machine.arena.block.cast("q")
        machine.listen = self.add

    def add(self, noted: Noted) -> None:
        """Add a transition."""
        slot, touched = noted.slot, {~noted.slot: False} | {~k: True for k in noted.suspending}
        touched |= {at: self.cells[at] != old for at, old in noted.words.items() if self.kinds[at] != FREE}
        changed = {self.kinds[at] for at, differs in touched.items() if differs and at >= 0}
        is_change, is_moment = CHANGES in changed, noted.keeps_seq or MOMENTS in changed
        total = sum(_met_hash(at, self._before(at, differs)) for at, differs in touched.items())
        total += _met_hash(self.words, self.moments) if is_change else 0
        total += _met_hash(self.words + 1, self.changes) if is_moment else 0
        total += sum(_met_hash(self.words + 2 + k, choice) for k, choice in enumerate(noted.draws))
        found = self.last[slot] = mix(self.last[slot] + total + slot & _MASK)
        for at, differs in touched.items():
            before, since = self.met.get(at, (0, 0))
            self.met[at] = (found, 0) if differs else (before, since + found & _MASK)
        self.changes += found if is_change else 0
        self.moments += found if is_moment else 0
        self.sum += found

    def _before(self, at: int, differs: bool) -> int:
        """Return the hashes of the transitions that one depends on which touches a place."""
        changed, touched = self.met.get(at, (0, 0))
        return changed + touched if differs else changed

    def name(self) -> int:
        """Return the class, once the execution has ended clean."""
        return mix(self.sum & _MASK)


def kinds_of(layout: Layout) -> list[int]:
    """Return the kind of each word of an arena."""
    return [kind for field in layout.fields for kind in [kind_of(field)] * field.count]


def _met_hash(place: int, hash_: int) -> int:
    x = place * _GOLDEN + hash_ & _MASK
    x = (x ^ x >> 32) * _MULTIPLIER & _MASK
    return x ^ x >> 29
