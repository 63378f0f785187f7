"""The states of a case, one transition at a time: make one, take it back, save, restore, name.

A *transition* is one step of one actor and all plain code up to its next step; the beginning of a
body belongs to its first step. Where an actor draws, each sequence of choices is a branch. What an
execution of the lockstep machine can do between two of its choices is a transition here, and the
other way round: :meth:`StateSpace.runs` and :meth:`StateSpace.tapes` replay a way in Python.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from ctypes import POINTER, Structure, c_char_p, c_int64, c_uint64, c_void_p
from dataclasses import dataclass, field

from sim.core.arena import CHANGE, INSIDE, MOMENT, OWN_MOMENT, SECTION, WHO, WORD, Field, Layout
from stress.execution.runner import Runner
from stress.execution.touches import site_checksums
from stress.native.runner import Library, NativeCase, NotCovered

_PLAIN, _FREE, _CHANGE, _MOMENT, _OWN_MOMENT, _WHO, _CONTENT, _SECTION, _INSIDE = range(9)
"""Kinds of words (search.c)."""
FREE, CHANGES, MOMENTS = _FREE, _CHANGE, _MOMENT

_DECIDES = {CHANGE: _CHANGE, MOMENT: _MOMENT, OWN_MOMENT: _OWN_MOMENT, WHO: _WHO, SECTION: _SECTION, INSIDE: _INSIDE}
DRAWN_MAX = 24
"""Choices of a transition, as in search.c."""
SLOTS_MAX = 64
"""Actors, as in runtime.h."""
_TOUCHES, _CHANGES = 1, 2
UNRANKED, NO_MEMORY, UNNAMED = 100, 101, 102
_REASONS = {
    UNRANKED: "a step number lies in a column that declares none",
    NO_MEMORY: "memory ran out",
    UNNAMED: "there are more step numbers or contents than are told apart",
}
TOLD_APART = 1 << 12
"""Step numbers, and contents, that a state may have, as in search.c."""


class _Search(Structure):
    _fields_ = [
        ("kinds", c_void_p), ("changes", c_void_p), ("moments", c_void_p), ("owners", c_void_p), ("contents", c_void_p),
        ("changes_nr", c_int64), ("moments_nr", c_int64), ("contents_nr", c_int64), ("salt", c_int64),
        ("inside_first", c_int64), ("inside_nr", c_int64), ("sections_first", c_int64), ("sections_nr", c_int64),
        ("told_apart", c_int64), ("sites", c_void_p), ("sites_nr", c_int64),
    ]  # fmt: skip


@dataclass(frozen=True)
class Taken:
    """A transition that was made, or why it was given up (0 if it was not): then all is as before.

    ``first`` and ``last`` are the numbers of steps that the execution had before it and after it;
    ``drawn`` holds (choice, of how many).
    """

    slot: int
    why: int
    first: int
    last: int
    drawn: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Footprint:
    """What of a transition decides of conflicts with those of other actors (``find_feet`` in
    ``search.c``): places that it touches, and places that it changes. Places are words of the
    arena; then one for changes and one for moments, of which each touches the other's; then each
    actor's suspension.
    """

    touched: frozenset[int]
    changed: frozenset[int]

    def conflicts(self, other: Footprint) -> bool:
        """Return whether one changes what the other touches."""
        return bool(self.touched & other.changed or self.changed & other.touched)


@dataclass(frozen=True)
class Saved:
    """A state that was saved, and the way to it."""

    words: bytes
    way: tuple[Taken, ...]


@dataclass(frozen=True)
class Earlier:
    """What has run in earlier processes, of whose search this one is the rest: functions of the C,
    and how often each override of a patch.
    """

    functions: tuple[str, ...] = ()
    overrides: Mapping[str, int] = field(default_factory=dict)


class StateSpace(NativeCase):
    """A case in the flavour for exhaustive search; it stands at the beginning once it is made.

    ``salt`` is part of every name of a state. Raises NotCovered as NativeCase does, and if the case
    violates before anything runs, or begins in a state that has no name.
    """

    def __init__(self, library: Library, runner: Runner, salt: int = 0) -> None:
        super().__init__(library, runner)
        declare(library.lib)
        self.declared = self._declared(salt)
        self.begin()

    def _declared(self, salt: int) -> _Search:
        """Tell the C what each word of the arena is."""
        layout = self.runner.arena.layout
        self.kinds = bytearray(self.world.words)
        changes, moments, owners, contents = list[int](), list[int](), list[int](), list[int]()
        for column in layout.fields:
            first, kind = layout.offsets[column.name] // WORD, kind_of(column)
            self.kinds[first : first + column.count] = bytes([kind]) * column.count
            words = range(first, first + column.count)
            if kind == _CHANGE:
                changes += words
            elif kind in (_MOMENT, _OWN_MOMENT):
                moments += words
                owners += range(column.count) if kind == _OWN_MOMENT else [-1] * column.count
            elif kind == _CONTENT:
                contents += words
        self.known = [(c_int64 * max(1, len(x)))(*x) for x in (changes, moments, owners, contents)]
        self.kinds_of = (ctypes.c_ubyte * len(self.kinds)).from_buffer(self.kinds)
        at = ctypes.addressof
        counts = len(changes), len(moments), len(contents), salt
        sections = [word for decides in (INSIDE, SECTION) for word in columns_of(layout, decides)]
        names = site_checksums()
        self.sites = (c_int64 * len(names))(*names)
        return _Search(
            at(self.kinds_of), *map(at, self.known), *counts, *sections, TOLD_APART, at(self.sites), len(names)
        )

    def described(self) -> list[object]:
        """Return what the C is told of this case, as plain data that is the same in every process:
        columns and their kinds, entries of the table, actors.
        """
        manifest, layout = self.library.manifest, self.runner.arena.layout
        columns = [(field.name, layout.offsets[field.name], field.count, kind_of(field)) for field in layout.fields]
        entries = [
            (owner, path, list(value) if kind == "list" else int(value))
            for path, owner, kind in manifest.entries
            if owner in self.owners
            for value in (self._evaluate(path),)
        ]
        bodies, gates = ({n: key for key, n in known.items()} for known in (manifest.bodies, manifest.gates))
        actors = [
            (a.slot, bodies[a.body], a.daemon, gates.get(a.gate), list(a.keys), list(a.args), list(a.gate_args))
            for a in self.actors
        ]
        return [columns, entries, actors, self.world.steps_max, self.world.versions]

    # -- the way ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Stand at the beginning of an execution. Raises NotCovered if that has no name."""
        self.library.lib.zap_use(ctypes.byref(self.world))
        self.library.in_use = self
        self.way: list[Taken] = []
        self.fixed = 0
        """How much of the way cannot be taken back: what led to a state that was restored."""
        self.earlier = Earlier()
        why = self.library.lib.zap_search_begin(ctypes.byref(self.declared))
        if why:
            raise NotCovered(self.reason(why))

    @property
    def enabled(self) -> list[int]:
        """The slots that can make a transition, ascending."""
        words = self.library.lib.zap_enabled()
        found: list[int] = words[1 : 1 + words[0]]
        return found

    @property
    def unfinished(self) -> int:
        """How many threads have not finished; if nobody is enabled then, the execution is stuck."""
        found: int = self.library.lib.zap_unfinished()
        return found

    def step(self, slot: int, choices: Sequence[int] = ()) -> Taken:
        """Make the next transition of an enabled actor, which draws ``choices`` and then 0."""
        lib, first = self.library.lib, self.library.lib.zap_seq()
        why = lib.zap_forward(slot, len(choices), (c_int64 * max(1, len(choices)))(*choices))
        drawn = (c_int64 * (2 * DRAWN_MAX))()
        nr = lib.zap_drawn(drawn)
        pairs = tuple((drawn[2 * k], drawn[2 * k + 1]) for k in range(nr))
        taken = Taken(slot, why, first, lib.zap_bailed_seq(), pairs)
        if not why:
            self.way.append(taken)
        return taken

    def back(self) -> None:
        """Take back the last transition."""
        assert len(self.way) > self.fixed, "there is nothing to take back"
        self.way.pop()
        self.library.lib.zap_back()

    def audit(self) -> int:
        """Audit the arena, where nobody is enabled and no thread unfinished; return 0, or why not."""
        found: int = self.library.lib.zap_audit()
        return found

    # -- states ----------------------------------------------------------------------------------------------------

    def digest(self) -> int:
        """Return the name of the state: 64 bits, equal for states that differ in nothing that
        decides what can happen or be violated from there on.
        """
        found: int = self.library.lib.zap_digest()
        return found

    def digest_anew(self) -> int:
        """Return the same, with nothing of it kept up from one transition to the next: what
        :meth:`digest` is held against.
        """
        found: int = self.library.lib.zap_digest_anew()
        return found

    def save(self) -> Saved:
        """Return a copy of the state."""
        lib = self.library.lib
        words = (c_int64 * lib.zap_save(None))()
        lib.zap_save(words)
        return Saved(bytes(words), tuple(self.way))

    def restore(self, saved: Saved) -> None:
        """Stand in a state that was saved; what is stepped from there can be taken back."""
        self.library.lib.zap_restore(saved.words, len(saved.words) // WORD)
        self.way, self.fixed = list(saved.way), len(saved.way)

    def footprint(self) -> Footprint:
        """Return what of the last transition decides of conflicts."""
        slots = self.world.slots
        found = (c_int64 * (2 * (self.world.words + 2 + SLOTS_MAX)))()
        nr = self.library.lib.zap_feet(self.way[-1].slot, found)
        pairs = [(found[2 * k], found[2 * k + 1]) for k in range(nr)]
        assert all(at < self.world.words + 2 + slots for at, _ in pairs)
        touched, changed = (frozenset(at for at, how in pairs if how & bit) for bit in (_TOUCHES, _CHANGES))
        return Footprint(touched, changed)

    def override_runs(self) -> dict[str, int]:
        """Return how often each override of a patch has run in transitions since the beginning."""
        counters, before = self.library.lib.zap_run_counts(), self.earlier.overrides
        return {name: counters[k][0] + before.get(name, 0) for k, name in enumerate(self.library.manifest.overrides)}

    def functions_ran(self) -> list[str]:
        """Return the functions of the C that have run since the beginning, sorted."""
        names = (c_char_p * (len(self.library.manifest.functions) + 1))()
        found = {(names[k] or b"").decode() for k in range(self.library.lib.zap_ran(names))}
        return sorted(found.union(self.earlier.functions))

    # -- the same in Python ----------------------------------------------------------------------------------------

    def runs(self, *more: Taken) -> list[tuple[int, int]]:
        """Return the schedule of the way, and of transitions after it: (slot, steps)."""
        return runs_of([*self.way, *more])

    def tapes(self, *more: Taken) -> dict[int, list[int]]:
        """Return what each slot has drawn on the way, and in transitions after it."""
        return tapes_of([*self.way, *more])

    def reason(self, why: int) -> str:
        return _REASONS[why] if why in _REASONS else super().reason(why)

    def is_limit(self, why: int) -> bool:
        return why in _REASONS or super().is_limit(why)


def kind_of(field: Field) -> int:
    """Return what the cells of a column are to the search."""
    if field.statistic or (field.stamp and not field.decides):
        return _FREE
    return _DECIDES[field.decides] if field.decides else _CONTENT if field.equality == "content" else _PLAIN


def columns_of(layout: Layout, decides: str) -> tuple[int, int]:
    """Return the first word of the one column of which this decides, and how many it has; 0, 0 if
    there is none.
    """
    found = [field for field in layout.fields if field.decides == decides and field.count]
    assert len(found) < 2, f"two columns that are '{decides}'"
    return (layout.offsets[found[0].name] // WORD, found[0].count) if found else (0, 0)


def runs_of(way: Sequence[Taken]) -> list[tuple[int, int]]:
    """Return the schedule that a way is: (slot, steps)."""
    runs: list[tuple[int, int]] = []
    for taken in way:
        steps = taken.last - taken.first
        if runs and runs[-1][0] == taken.slot:
            steps += runs.pop()[1]
        runs.append((taken.slot, steps))
    return runs


def tapes_of(way: Sequence[Taken]) -> dict[int, list[int]]:
    """Return what each slot draws on a way."""
    tapes: dict[int, list[int]] = {}
    for taken in way:
        if taken.drawn:
            tapes.setdefault(taken.slot, []).extend(choice for choice, _ in taken.drawn)
    return tapes


def declare(lib: ctypes.CDLL) -> None:
    """Say what the functions of the search take and return."""
    words = POINTER(c_int64)
    lib.zap_search_begin.argtypes = [POINTER(_Search)]
    lib.zap_forward.argtypes = [c_int64, c_int64, words]
    lib.zap_explore.argtypes = lib.zap_races.argtypes = lib.zap_races_begin.argtypes = [c_int64]
    lib.zap_bound.argtypes = lib.zap_poison.argtypes = [c_int64]
    lib.zap_explore_begin.argtypes = [c_int64, c_int64, c_int64]
    lib.zap_walks.argtypes = [c_uint64, c_int64]
    lib.zap_take_up.argtypes = [c_void_p, c_int64, c_int64]
    lib.zap_keep.argtypes, lib.zap_keep.restype = [c_void_p], None
    lib.zap_feet.argtypes = [c_int64, c_void_p]
    lib.zap_restore.argtypes = [c_char_p, c_int64]
    lib.zap_save.argtypes = [c_void_p]
    for name in ("zap_enabled", "zap_counts"):
        getattr(lib, name).restype = words
    for name in ("zap_drawn", "zap_ran", "zap_way"):
        getattr(lib, name).argtypes = [c_void_p]
    for name in (
        "search_begin", "forward", "audit", "seq", "bailed_seq", "unfinished", "drawn", "feet", "save", "restore",
        "explore", "explore_begin", "races", "races_begin", "way", "share", "ran",
        "kept_words", "take_up",
    ):  # fmt: skip
        getattr(lib, f"zap_{name}").restype = c_int64
    lib.zap_digest.restype = lib.zap_digest_anew.restype = c_uint64
    lib.zap_run_counts.restype = POINTER(words)
