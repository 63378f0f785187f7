"""Runs executions of a case natively: the machine that is not Python.

It works on the arena of a :class:`~stress.execution.runner.Runner` that stands at the end of its
setup, so that a native execution leaves the arena as the Python machine would. It gives the steps'
codes and values, the schedule and the data tapes; it never judges: an execution that is not clean
is one that Python must make again.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ctypes import POINTER, Structure, c_int64, c_uint64, c_void_p
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import ref

from sim.core.arena import WORD
from sim.core.machine import SITE_NUMBERS, SITES, Actor
from sim.core.operations import OPERATIONS
from sim.core.step import SITE_SHIFT
from stress.execution.runner import Runner
from stress.machine.livelock import FAIR_STEPS_MAX
from stress.native.translate.assemble import HELD_MAX, Manifest
from stress.native.translate.sources import ARGS_MAX, root_of
from stress.native.translate.subset import Unsupported
from stress.native.translate.unit import CHECK_FIRST

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

KEYS_MAX = 4
"""Cells that a gate may depend on (runtime.h)."""
LIST_MIN, LIST_MAX, SLACK = 64, 2048, 8
"""Elements that a list has room for: at least, at most for the sake of a large address space, and
besides.
"""
STACK_LISTS, STACK_WORDS = 160, 6_000
"""Room for an actor's frames: lists, and words besides."""
SCRATCH_LISTS = 64
KEPT_WORDS = 2_500
"""Of a state that is kept, words besides: what the scheduler has (``came_again`` in runtime.c)."""
DRAWS_MAX = 1 << 16
BATCH_MAX = 1 << 14
"""Executions that are asked for at once at most: so many seeds may be lost with a process."""

LOOKED = 4
"""When the budget is spent, a state that comes again is looked for in so many times the fair turns
that Python takes: it remembers every state, and the native core one.
"""

LIMITS = (
    "clean", "the step budget ran out", "nobody can run", "a list is full", "an index is out of range", "frames are full",
    "a number is too large", "a loop does not end", "the model raised", "a lock is not its owner's", "the tapes are full",
    "the same state came again",
)  # fmt: skip
"""Bail-outs that are no checker's, by number (runtime.h)."""

BUDGET = LIMITS.index("the step budget ran out")
"""Inconclusive, as in Python: the only bail-out that Python need not judge."""

JUDGMENTS = frozenset(map(LIMITS.index, ("nobody can run", "a lock is not its owner's")))
"""Those that Python must confirm; the others are limits of the native core."""


class NotCovered(Exception):
    """A translation does not hold for a case; the message says why."""


class _Actor(Structure):
    _fields_ = [
        ("slot", c_int64), ("body", c_int64), ("daemon", c_int64), ("gate", c_int64),
        ("keys", c_int64 * KEYS_MAX), ("args", c_int64 * ARGS_MAX), ("gate_args", c_int64 * ARGS_MAX),
    ]  # fmt: skip


class _World(Structure):
    _fields_ = [
        ("block", c_void_p), ("snapshot", c_void_p), ("words", c_int64),
        ("stacks", c_void_p), ("stack_words", c_int64), ("scratch", c_void_p), ("scratch_words", c_int64),
        ("codes", c_void_p), ("values", c_void_p), ("tape", c_void_p), ("draws", c_void_p), ("draws_max", c_int64),
        ("slots", c_int64), ("steps_max", c_int64), ("versions", c_int64), ("cap", c_int64),
        ("table", c_void_p), ("actors_nr", c_int64), ("actors", c_void_p),
        ("visits", c_void_p), ("overlaps_at", c_int64), ("overlaps_nr", c_int64), ("overlaps", c_void_p),
        ("seed_at", c_void_p), ("given", c_void_p),
        ("kept", c_void_p), ("model_words", c_int64), ("fair_max", c_int64), ("looked_max", c_int64),
    ]  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """What came of a number of seeds: how many were clean, their steps (and those of the next one,
    if it ran out of its budget), and why the next one was given up (0 if none was), after a step at
    which site.
    """

    clean: int
    steps: int
    why: int
    site: int = 0


@dataclass(frozen=True)
class Tallied:
    """How often, in clean executions: sites were visited, by name; operations overlapped, by their
    two names with `` / `` between them; overrides of a patch ran, by name.
    """

    visits: dict[str, int]
    overlaps: dict[str, int]
    runs: dict[str, int]


class Library:
    """A compiled translation, loaded into this process."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.manifest = manifest
        self.lib = ctypes.CDLL(str(path))
        self.lib.zap_use.argtypes = [POINTER(_World)]
        self.lib.zap_run.argtypes = [c_uint64, c_int64, c_int64, c_int64, POINTER(c_int64)]
        for name in ("zap_steps", "zap_turns", "zap_draws"):
            getattr(self.lib, name).restype = c_int64
        self.lib.zap_held.restype = POINTER(POINTER(c_int64))
        self.lib.zap_runs.restype = POINTER(c_int64)
        self.held, self.runs = self.lib.zap_held(), self.lib.zap_runs()
        """Where the integers are that strategies keep, and the runs of a patch's overrides, in the
        manifest's order.
        """
        self.checks = {number: (function, line) for number, function, line in manifest.checks}
        self.path = path.resolve()

    @property
    def in_use(self) -> NativeCase | None:
        """The case whose world the library has now. However often a process loads a library, there
        is one of it.
        """
        return _IN_USE.get(self.path)

    @in_use.setter
    def in_use(self, case: NativeCase | None) -> None:
        if case is None:
            _IN_USE.pop(self.path, None)
        else:
            _IN_USE[self.path] = case


def put_list(target: Any, values: Sequence[int]) -> None:
    """Write a list into memory as the translation has lists: its length, and its elements.

    Raises NotCovered if it is longer than lists of strategies may be.
    """
    if len(values) > HELD_MAX:
        raise NotCovered(f"a list of {len(values)} that a strategy keeps, which may have {HELD_MAX}")
    words = (c_int64 * (1 + len(values)))(len(values), *values)
    ctypes.memmove(target, words, ctypes.sizeof(words))


_buffers: dict[str, Any] = {}


def shared(name: str, words: int) -> Any:
    """Return a buffer of at least so many words, which all cases of this process use in turn;
    memory that is never touched costs nothing.
    """
    if name not in _buffers or len(_buffers[name]) < words:
        _buffers[name] = (c_int64 * words).from_buffer(mmap.mmap(-1, WORD * words))
    return _buffers[name]


_IN_USE: dict[Path, NativeCase] = {}


class NativeCase:
    """A case that runs natively. Raises NotCovered if the translation does not hold for it.

    ``seed_at`` is the address of the word where the seed that runs is written down, if somebody
    else reads it.
    """

    ran_last: ClassVar[ref[NativeCase] | None] = None
    """The case of this process that ran last: counts that another has left are not its own."""

    def __init__(self, library: Library, runner: Runner, seed_at: int = 0) -> None:
        self.library, self.runner = library, runner
        self.seed = c_int64()
        self.seed_at = seed_at or ctypes.addressof(self.seed)
        manifest, kernel = library.manifest, runner.kernel
        if manifest.columns != [field.name for field in kernel.layout.fields]:
            raise NotCovered("its arena has other columns")
        self.names = {"kernel": kernel, "scenario": runner.scenario}
        self.owners = ("", runner.case.scenario)
        for owner, expression, value in manifest.assumptions:
            if owner in self.owners and (found := self._evaluate(expression)) != value:
                raise NotCovered(f"{expression} is {found}, and was {value} where it was translated")
        self.world = self._world(kernel)

    def _evaluate(self, path: str) -> Any:
        return eval(path, {"__builtins__": {"len": len, "bool": bool}}, self.names)

    # -- the world -------------------------------------------------------------------------------------------------

    def _world(self, kernel: Any) -> _World:
        runner, machine = self.runner, self.runner.machine
        fair, model = min(machine.steps_max, FAIR_STEPS_MAX), kernel.layout.model_bytes // WORD
        g, steps = kernel.geometry, machine.steps_max + LOOKED * fair + 8
        cap = SLACK + max(LIST_MIN, g.gather_batch, g.ptrs_per_pte, min(kernel.world.vpages, LIST_MAX))
        stack, scratch = STACK_WORDS + STACK_LISTS * cap, SCRATCH_LISTS * cap + 40 * kernel.world.pages + 4096
        self.snapshot = runner.snapshot  # kept, as its address is handed over; nobody writes there
        self.stacks, self.scratch = shared("stacks", stack * machine.slots), shared("scratch", scratch)
        self.codes, self.values = shared("codes", steps), shared("values", steps)
        self.tape, self.draws = shared("tape", 2 * steps + 8), shared("draws", 3 * DRAWS_MAX)
        self.visits = shared("visits", 1 << 16)
        self.kept = shared("kept", model + stack * machine.slots + KEPT_WORDS)
        self.overlaps = (c_int64 * kernel.arena["overlaps"].count)()
        self.lists: list[Any] = []
        table = self._table(kernel)
        self.table = (c_int64 * max(1, len(table)))(*table)
        actors = [self._actor(actor) for actor in runner.actors]
        self.actors = (_Actor * len(actors))(*actors)
        self.block = (ctypes.c_char * len(runner.snapshot)).from_buffer(runner.arena.block)
        at = ctypes.addressof
        return _World(
            at(self.block), ctypes.cast(ctypes.c_char_p(self.snapshot), c_void_p).value, len(runner.snapshot) // WORD,
            at(self.stacks), stack, at(self.scratch), scratch,
            at(self.codes), at(self.values), at(self.tape), at(self.draws), DRAWS_MAX,
            machine.slots, machine.steps_max, machine.versions, cap,
            at(self.table), len(actors), at(self.actors),
            at(self.visits), kernel.layout.offsets["overlaps"] // WORD, len(self.overlaps), at(self.overlaps),
            self.seed_at, None, at(self.kept), model, fair, LOOKED * fair,
        )  # fmt: skip

    def _table(self, kernel: Any) -> list[int]:
        """Return the words of the table: columns, sites, entries."""
        table: list[int] = []
        for name in self.library.manifest.columns:
            table += (kernel.layout.offsets[name] // WORD, kernel.arena[name].count)
        table += [SITE_NUMBERS.get(name, 0) << SITE_SHIFT for name in self.library.manifest.sites]
        for path, owner, kind in self.library.manifest.entries:
            table.append(self._entry(path, kind) if owner in self.owners else 0)
        return table

    def _entry(self, path: str, kind: str) -> int:
        """Return a word of the table: an integer, or the address of a list of integers."""
        value = self._evaluate(path)
        if kind == "word":
            return int(value)
        words = (c_int64 * (1 + len(value)))(len(value), *value)
        self.lists.append(words)
        return ctypes.addressof(words)

    def _actor(self, actor: Actor) -> _Actor:
        manifest, runner = self.library.manifest, self.runner
        try:
            root = root_of(actor.body, runner.kernel, runner.scenario, runner.case.scenario)
            gate = (
                None
                if actor.ready is None
                else root_of(actor.ready, runner.kernel, runner.scenario, runner.case.scenario)
            )
        except Unsupported as error:
            raise NotCovered(str(error)) from None
        if root.key not in manifest.bodies or (gate is not None and gate.key not in manifest.gates):
            raise NotCovered(f"the body of {actor.name} is not translated")
        offsets = runner.arena.layout.offsets
        keys = [offsets[column.name] // WORD + i for column, i in actor.gate]
        return _Actor(
            actor.slot, manifest.bodies[root.key], actor.daemon, -1 if gate is None else manifest.gates[gate.key],
            (c_int64 * KEYS_MAX)(*[*keys, -1, -1, -1, -1][:KEYS_MAX]), (c_int64 * ARGS_MAX)(*root.args),
            (c_int64 * ARGS_MAX)(*(gate.args if gate else [])),
        )  # fmt: skip

    # -- executions ------------------------------------------------------------------------------------------------

    def run(self, strategy: Any, seed: int, nr: int = 1, audit: bool = True) -> Ran:
        """Execute seeds from ``seed`` on, until ``nr`` are done or one is not clean.

        ``strategy`` is the Python object: what it has learned goes in, what it learns comes back.
        """
        lib = self.library.lib
        if self.library.in_use is not self:
            lib.zap_use(ctypes.byref(self.world))
            self.library.in_use = self
        if NativeCase.ran_last is None or NativeCase.ran_last() is not self:
            self.take_counts()
            NativeCase.ran_last = ref(self)
        result = (c_int64 * 4)()
        with self._lent(strategy):
            lib.zap_run(seed & (1 << 64) - 1, nr, self.library.manifest.strategies.index(strategy.name), audit, result)
        clean, steps, why, code = result
        return Ran(clean, steps, why, code >> SITE_SHIFT)

    @contextmanager
    def _lent(self, strategy: Any) -> Iterator[None]:
        """Lend the library what the Python strategy keeps, and take it back."""
        held, module = self.library.held, type(strategy).__module__.rpartition(".")[2]
        words, lists = [], []
        for at, (owner, name, kind) in enumerate(self.library.manifest.held):
            if owner != module:
                continue
            if kind == "word":
                words.append((at, name))
                held[at][0] = getattr(strategy, name, 0)
            else:
                lists.append((at, name))
                put_list(held[at], getattr(strategy, name, ()))
        yield
        for at, name in words:
            setattr(strategy, name, held[at][0])
        for at, name in lists:
            setattr(strategy, name, held[at][1 : 1 + held[at][0]])

    def give(self, tapes: Mapping[int, Sequence[int]] | None) -> None:
        """Have actors draw what is on data tapes, as :class:`~stress.machine.chance.TapeData` has
        them; None: what the seed says.
        """
        self.given: Any = None
        if tapes is not None:
            slots, words = self.world.slots, list[int]()
            for slot in range(slots):
                tape = tapes.get(slot, ())
                words += (2 * slots + sum(len(tapes.get(other, ())) for other in range(slot)), len(tape))
            words += [choice for slot in range(slots) for choice in tapes.get(slot, ())]
            self.given = (c_int64 * len(words))(*words)
        self.world.given = None if self.given is None else ctypes.addressof(self.given)

    def take_counts(self) -> Tallied:
        """Return what was counted of clean executions since the last time."""
        visits = {SITES[k].name: n for k, n in enumerate(self.visits[: len(SITES)]) if n}
        pairs = product(OPERATIONS, OPERATIONS)
        overlaps = {f"{a} / {b}": n for (a, b), n in zip(pairs, self.overlaps, strict=True) if n}
        overrides, runs = self.library.manifest.overrides, self.library.runs
        found = Tallied(visits, overlaps, {name: runs[k] for k, name in enumerate(overrides)})
        ctypes.memset(self.visits, 0, WORD * len(SITES))
        ctypes.memset(self.overlaps, 0, ctypes.sizeof(self.overlaps))
        ctypes.memset(runs, 0, WORD * len(overrides))
        return found

    def log(self) -> list[int]:
        """Return code and value of each step of the last execution, as the machine's log has them."""
        nr = self.library.lib.zap_steps()
        return [word for pair in zip(self.codes[:nr], self.values[:nr], strict=True) for word in pair]

    def steps(self) -> tuple[Array, Array, Array]:
        """Return the steps of the last execution: their codes, values and actors (int64)."""
        import numpy

        nr, turns = self.library.lib.zap_steps(), numpy.array(self.turns(), dtype="<i8")
        codes, values = (numpy.frombuffer(words, "<i8", nr) for words in (self.codes, self.values))
        return codes, values, numpy.repeat(turns[::2], numpy.diff(turns[1::2], prepend=0))[:nr]

    def turns(self) -> list[int]:
        """Return the tape of the last execution: slots, each with the step that its run ended at."""
        found: list[int] = self.tape[: 2 * self.library.lib.zap_turns()]
        return found

    def schedule(self) -> list[tuple[int, int]]:
        """Return the same as runs: (slot, steps)."""
        turns = self.turns()
        ends = [0, *turns[1::2]]
        return [(slot, end - start) for slot, start, end in zip(turns[::2], ends, ends[1:], strict=False)]

    def drawn(self) -> dict[int, list[tuple[int, int]]]:
        """Return what each slot drew in the last execution: (of how many, choice)."""
        found: dict[int, list[tuple[int, int]]] = {}
        words = self.draws[: 3 * self.library.lib.zap_draws()]
        for slot, n, choice in zip(words[::3], words[1::3], words[2::3], strict=True):
            found.setdefault(slot, []).append((n, choice))
        return found

    def tapes(self) -> dict[int, list[int]]:
        """Return the choices alone."""
        return {slot: [choice for _, choice in drawn] for slot, drawn in self.drawn().items()}

    def is_limit(self, why: int) -> bool:
        """Return whether Python may well find clean what was given up: a limit of the native core."""
        return 0 < why < CHECK_FIRST and why not in JUDGMENTS

    def reason(self, why: int) -> str:
        """Return in words why an execution was given up."""
        if why < CHECK_FIRST:
            return LIMITS[why]
        function, line = self.library.checks[why]
        return f"{function}, line {line}, objects or raises"
