"""Runs one program at a time on both sides, in the model and in real processes, and compares after
each operation.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import TracebackType

from sim.core.machine import Violation
from sim.core.profile import Profile
from stress.conform.differences import differences
from stress.conform.linux.agents import Agents
from stress.conform.linux.events import PMD_SPLIT, SMALL_FILES, settle
from stress.conform.linux.procfs import KernelFrames, require
from stress.conform.linux.run import LinuxRun
from stress.conform.model.run import ModelRun, ModelWorld
from stress.conform.model.spec import Compose
from stress.conform.observation import Difference, Observation
from stress.programs.operation import Operation
from stress.programs.operations import LoadWord, Map
from stress.programs.program import Program
from stress.programs.space import THREADS_MAX, File

WORLDS_MAX = 32
"""Composed model worlds that are kept; the least recently used is closed first."""


@dataclass
class ComparedCounts:
    """How much has been compared."""

    operations: Counter[str] = field(default_factory=Counter)
    """By name."""
    pages: int = 0
    """Present pages; a page counts each time it is compared."""
    observations: int = 0
    """Processes; a process counts each time it is compared."""
    excluded: Counter[str] = field(default_factory=Counter)
    """Runs that were set aside, by rule (:data:`stress.conform.linux.events.ABOUT`)."""
    retried: int = 0
    """Programs that were run again."""
    given_up: int = 0
    """Programs of which every run was set aside."""
    override_runs: Counter[str] = field(default_factory=Counter)
    """How often each override of the patch ran in the model."""

    def add(self, other: ComparedCounts) -> None:
        """Add the counts of ``other``."""
        self.operations += other.operations
        self.excluded += other.excluded
        self.pages += other.pages
        self.observations += other.observations
        self.retried += other.retried
        self.given_up += other.given_up
        self.override_runs += other.override_runs


@dataclass(frozen=True)
class Found:
    """The first operation of a program after which the sides differ."""

    program: Program
    number: int
    differences: tuple[Difference, ...]

    @property
    def signature(self) -> str:
        """What makes two finds the same: the operation and the field that differs first."""
        return f"{self.program.operations[self.number].name} {self.differences[0].what}"


class Rig:
    """Both sides, ready to run programs: agents, and model worlds. A context manager.

    This process and its agents stay on one CPU. ``blind``: what the model's checkers say is
    ignored.
    """

    def __init__(self, profile: Profile, compose: Compose, cpu: int | None = None, blind: bool = False) -> None:
        require()
        self.profile, self.compose, self.blind = profile, compose, blind
        self.allowed = os.sched_getaffinity(0)
        self.cpu = min(self.allowed) if cpu is None else cpu
        os.sched_setaffinity(0, {self.cpu})
        self.agents = Agents(THREADS_MAX, self.cpu)
        self.frames = KernelFrames()
        self.worlds: dict[object, ModelWorld] = {}
        self.counts = ComparedCounts()

    def __enter__(self) -> Rig:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.sched_setaffinity(0, self.allowed)
        self.agents.close()
        self.frames.close()
        for world in self.worlds.values():
            world.close()

    def world(self, program: Program) -> ModelWorld:
        """Return the model's world for programs of this shape."""
        shape = (program.first, program.pages, program.orders, program.files)
        world = self.worlds.pop(shape, None) or ModelWorld(self.profile, self.compose, program, blind=self.blind)
        self.worlds[shape] = world
        if len(self.worlds) > WORLDS_MAX:
            self.worlds.pop(next(iter(self.worlds))).close()
        return world

    @cached_property
    def large_file_folios(self) -> bool:
        """Whether the file system makes large folios as large pieces are written."""
        operations = (Map(0, 0, 16, 0, 1, 0), LoadWord(0, 0))
        linux = LinuxRun(self.agents, self.frames, Program(0, 0, 16, (), (File(False, 16, 4),), operations))
        try:
            for number, operation in enumerate(operations):
                linux.execute(number, operation)
            return linux.observe()[0].pages[0].order == 4
        finally:
            linux.close()

    def fit(self, program: Program) -> Program:
        """Return the program as this file system can run it: with small folios in regular files if
        it makes no large ones.
        """
        if self.large_file_folios or not any(file.order and not file.memfd for file in program.files):
            return program
        self.counts.excluded[SMALL_FILES] += 1
        return replace(program, files=tuple(file if file.memfd else replace(file, order=0) for file in program.files))

    def check(self, program: Program) -> Found | None:
        """Run a program until the sides differ; return where, or None.

        A run that differs while the kernel did something of its own accord is set aside, and made
        again (:func:`stress.conform.linux.events.settle`).
        """
        program = self.fit(program)
        settled = settle(program, lambda: self._run(program))
        self.counts.excluded.update(settled.excluded)
        self.counts.retried += bool(settled.excluded)
        self.counts.given_up += settled.given_up
        return settled.ran if settled.differences else None

    def _run(self, program: Program) -> tuple[Found | None, tuple[Difference, ...]]:
        """Run a program once; return where the sides differ, and in what."""
        model, linux = self.world(program).run(), LinuxRun(self.agents, self.frames, program)
        try:
            for number, operation in enumerate(program.operations):
                if operation.allowed(model.space):
                    different = tuple(self._step(model, linux, number, operation))
                    if different:
                        return Found(program, number, different), different
            return None, ()
        finally:
            self.counts.excluded[PMD_SPLIT] += linux.splits
            self.counts.override_runs.update(model.world.fresh_override_runs())
            linux.close()

    def _step(self, model: ModelRun, linux: LinuxRun, number: int, operation: Operation) -> list[Difference]:
        """Run one operation on both sides; return the differences afterwards.

        In a blind rig an exception of the model's is one.
        """
        self.counts.operations[operation.name] += 1
        try:
            returned = model.execute(number, operation)
        except Violation as violation:
            return [Difference("model", "the operation", str(violation), "not run")]
        except Exception as error:
            if not self.blind:
                raise
            return [Difference("model", "the operation", f"{type(error).__name__}: {error}", "not run")]
        given = linux.execute(number, operation)
        ours, theirs = Observation(returned, model.observe()), Observation(given, linux.observe())
        self.counts.observations += len(ours.processes)
        self.counts.pages += sum(len(process.pages) for process in ours.processes.values())
        return differences(ours, theirs)
