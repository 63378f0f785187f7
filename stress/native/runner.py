"""Runs executions of a case natively: the machine that is not Python.

It works on the arena of a :class:`~stress.execution.runner.Runner` that stands at the end of its
setup, so that a native execution leaves the arena as the Python machine would. It gives the steps'
codes and values, the schedule and the data tapes; it never judges: an execution that is not clean
is one that Python must make again.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_int64, c_uint64, c_void_p, cast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.core.arena import WORD
from sim.core.machine import SITE_NUMBERS, Actor
from sim.core.step import SITE_SHIFT
from stress.execution.runner import Runner
from stress.translation.assemble import Manifest
from stress.translation.sources import ARGS_MAX, root_of
from stress.translation.subset import Unsupported
from stress.translation.unit import CHECK_FIRST

KEYS_MAX = 4
"""Cells that a gate may depend on (runtime.h)."""
LIST_MIN = 72
"""Elements that a list may have at least."""
STACK_LISTS, STACK_WORDS = 160, 6_000
"""Room for an actor's frames: lists, and words besides."""
SCRATCH_LISTS = 64
DRAWS_MAX = 1 << 16

LIMITS = (
    "clean", "the step budget ran out", "nobody can run", "a list is full", "an index is out of range", "frames are full",
    "a number is too large", "a loop does not end", "the model raised", "a lock is not its owner's", "the tapes are full",
)  # fmt: skip
"""Bail-outs that are no checker's, by number (runtime.h)."""


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
    ]  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """What came of a number of seeds: how many were clean, their steps, and why the next one was
    given up (0 if none was).
    """

    clean: int
    steps: int
    why: int


class Library:
    """A compiled translation, loaded into this process."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.manifest = manifest
        self.lib = ctypes.CDLL(str(path))
        self.lib.zap_use.argtypes = [POINTER(_World)]
        self.lib.zap_run.argtypes = [c_uint64, c_int64, c_int64, c_int64, POINTER(c_int64)]
        for name in ("zap_steps", "zap_turns", "zap_draws"):
            getattr(self.lib, name).restype = c_int64
        self.lib.zap_held.restype = POINTER(c_int64)
        self.in_use: NativeCase | None = None


class NativeCase:
    """A case that runs natively. Raises NotCovered if the translation does not hold for it."""

    def __init__(self, library: Library, runner: Runner) -> None:
        self.library, self.runner = library, runner
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
        g, steps = kernel.geometry, machine.steps_max + 8
        cap = max(LIST_MIN, g.gather_batch + 8, g.ptrs_per_pte + 8)
        stack, scratch = STACK_WORDS + STACK_LISTS * cap, SCRATCH_LISTS * cap + 40 * kernel.world.pages + 4096
        self.snapshot = ctypes.create_string_buffer(runner.snapshot, len(runner.snapshot))
        self.stacks, self.scratch = (c_int64 * (stack * machine.slots))(), (c_int64 * scratch)()
        self.codes, self.values, self.tape = ((c_int64 * n)() for n in (steps, steps, 2 * steps + 8))
        self.draws = (c_int64 * (2 * DRAWS_MAX))()
        self.lists: list[Any] = []
        table = self._table(kernel)
        self.table = (c_int64 * max(1, len(table)))(*table)
        actors = [self._actor(actor) for actor in runner.actors]
        self.actors = (_Actor * len(actors))(*actors)
        self.block = (ctypes.c_char * len(runner.snapshot)).from_buffer(runner.arena.block)
        pointer = ctypes.addressof
        return _World(
            pointer(self.block), pointer(self.snapshot), len(runner.snapshot) // WORD,
            pointer(self.stacks), stack, pointer(self.scratch), scratch,
            pointer(self.codes), pointer(self.values), pointer(self.tape), pointer(self.draws), DRAWS_MAX,
            machine.slots, machine.steps_max, machine.versions, cap,
            pointer(self.table), len(actors), pointer(self.actors),
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
        held = lib.zap_held()
        module = type(strategy).__module__.rpartition(".")[2]
        mine = [(at, name) for at, (owner, name) in enumerate(self.library.manifest.held) if owner == module]
        for at, name in mine:
            held[at] = getattr(strategy, name, 0)
        result = (c_int64 * 3)()
        lib.zap_run(seed & (1 << 64) - 1, nr, self.library.manifest.strategies.index(strategy.name), audit, result)
        for at, name in mine:
            setattr(strategy, name, held[at])
        return Ran(*result)

    def log(self) -> list[int]:
        """Return code and value of each step of the last execution, as the machine's log has them."""
        nr = self.library.lib.zap_steps()
        return [word for pair in zip(self.codes[:nr], self.values[:nr], strict=True) for word in pair]

    def turns(self) -> list[int]:
        """Return the tape of the last execution: slots, each with the step that its run ended at."""
        found: list[int] = self.tape[: 2 * self.library.lib.zap_turns()]
        return found

    def tapes(self) -> dict[int, list[int]]:
        """Return what each slot drew in the last execution."""
        found: dict[int, list[int]] = {}
        for k in range(self.library.lib.zap_draws()):
            found.setdefault(self.draws[2 * k], []).append(self.draws[2 * k + 1])
        return found

    def reason(self, why: int) -> str:
        """Return in words why an execution was given up."""
        if why < CHECK_FIRST:
            return LIMITS[why]
        function, line = self.library.manifest.checks[why - CHECK_FIRST]
        return f"{function}, line {line}, objects or raises"


__all__ = ["Library", "NativeCase", "NotCovered", "Ran", "cast"]
