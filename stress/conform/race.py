"""Racing mode: two real threads run the end of a program at once, again and again; the model says
in which states that can end.

A racing program has two parts. Its *beginning* runs operation by operation, and leaves two threads,
of one process or of two. Its *race* is a few operations of each thread, which start at once on two
CPUs. An *end* is the projection of the state afterwards (:func:`project`): what the operations
returned, and all that is observed of the processes. If the model's search is exhaustive, an end of
the kernel's must be one of the model's. If it is not, the round is inconclusive.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from ctypes import CDLL, byref, c_int, c_long, c_void_p
from typing import Any

from sim.core.machine import Actor
from sim.core.profile import Profile
from stress.conform.differences import differences
from stress.conform.linux.agents import BARRIER, PATH_AT, AgentCall, Agents
from stress.conform.linux.procfs import KernelFrames
from stress.conform.linux.run import LinuxRun
from stress.conform.model.run import RACE_VERSION, ModelRun, ModelWorld
from stress.conform.model.search import Explored, Search, explore
from stress.conform.model.spec import Compose
from stress.conform.observation import Difference, FrameNames, Observation, Process, token_of
from stress.machine.chance import PLAIN
from stress.programs.operation import Operation
from stress.programs.operations import Dontneed, Fork
from stress.programs.program import Program
from stress.programs.rules import RACERS

GETPID, MOVE_PAGES = 39, 279
"""System calls of x86-64 by number."""

DELAY_MAX = 24
"""Calls of getpid(), at most, that delay a racer's first operation."""

End = tuple[tuple[tuple[int, ...], ...], tuple[Any, ...]]
"""Results of the racers; (number, pages, mappings, RSS, tables) of each process."""


def project(results: Sequence[Sequence[int]], processes: dict[int, Process]) -> End:
    """Return the end of a race as a value: results of each racer, and the processes as observed."""
    seen = tuple((number, tuple(sorted(process.pages.items())), *process[1:]) for number, process in processes.items())
    return tuple(map(tuple, results)), seen


def operations_of(program: Program, who: int) -> list[tuple[int, Operation]]:
    """Return (number, operation) of a racer's operations; the numbers follow those of the
    beginning.
    """
    first = len(program.operations)
    return [(first + at, operation) for at, operation in enumerate(program.race) if operation.who == who]


def result_of(operation: Operation, result: int) -> int:
    """Return the part of a result that is compared: all but whether MADV_DONTNEED met a hole, which
    the other thread may have made.
    """
    return 0 if isinstance(operation, Dontneed) else result


# -- the model -------------------------------------------------------------------------------------------------------


class ModelRace:
    """A racing program in the model, at the moment when the race begins.

    ``blind``: what the model's checkers say is ignored.
    """

    def __init__(self, profile: Profile, compose: Compose, program: Program, blind: bool = False) -> None:
        self.program = program
        forks = sum(isinstance(operation, Fork) for operation in (*program.operations, *program.race))
        self.world = ModelWorld(profile, compose, program, cpus=RACERS, mms=1 + forks, blind=blind)
        self.run: ModelRun = self.world.run()
        for number, operation in enumerate(program.operations):
            self.run.execute(number, operation)
        for who in range(RACERS):
            self.world.do(lambda who=who: self._ready(who), who)  # type: ignore[misc]
        self.snapshot = self.world.arena.snapshot()
        self.results: list[list[int]] = []
        self.at = [0] * RACERS
        machine = self.world.machine
        self.search = Search(machine, machine.slots - 1, lambda slot: RACE_VERSION + token_of(self.at[slot]))

    async def _ready(self, who: int) -> None:
        """Load the racer's address space, and drain its CPU's batches."""
        await self.run.task(who).switch_to(self.run.space.threads[who])
        await self.run.kernel.swap.lru_add_drain(who)

    async def _race(self, who: int) -> None:
        for number, operation in operations_of(self.program, who):
            self.at[who] = number
            self.results[who].append(result_of(operation, await operation.model(self.run)))
            self.search.note(who)

    def begin(self) -> None:
        """Restore the state before the race, and begin it."""
        self.world.arena.restore(self.snapshot)
        self.results, self.run.frames = [[] for _ in range(RACERS)], FrameNames(0)
        racers = [Actor(who, f"T{who}", lambda who=who: self._race(who)) for who in range(RACERS)]  # type: ignore[misc]
        self.world.machine.begin([*racers, *self.world.services], self.search, PLAIN, 0)

    def end(self) -> End:
        """Return the projection of the state in which the race has ended."""
        self.search.note(self.world.machine.current)
        space = self.run.space
        children = range(
            space.processes, space.processes + sum(isinstance(operation, Fork) for operation in self.program.race)
        )
        return project(self.results, self.run.observe([*space.regions, *children]))

    def ends(self, executions_max: int) -> Explored:
        """Return the states in which the race can end."""
        return explore(self.world.driver, self.search, self.begin, self.end, executions_max)

    def close(self) -> None:
        """Free the world."""
        self.world.close()


# -- the kernel ------------------------------------------------------------------------------------------------------


class LinuxRace(LinuxRun):
    """A racing program in real processes, at the moment when the race begins.

    Each racer stays on its CPU, from the beginning on.
    """

    def __init__(self, agents: Agents, frames: KernelFrames, program: Program, cpus: Sequence[int]) -> None:
        super().__init__(agents, frames, program)
        self.cpus = cpus
        self.recorded: list[AgentCall] | None = None
        """While a race is prepared: the calls of the racer, which are not made yet."""
        self._pin(0)
        for number, operation in enumerate(program.operations):
            self.execute(number, operation)
            if len(self.space.threads) == RACERS and len(self.tids) == RACERS:
                self._pin(1)

    def _pin(self, who: int) -> None:
        self.agents.pin(who + 1, self.cpus[who])

    def calls(self, who: int, calls: Sequence[AgentCall]) -> list[int]:
        """Make calls; or only take note of them, while a race is prepared."""
        if self.recorded is None:
            return super().calls(who, calls)
        self.recorded += calls
        return [0] * len(calls)

    def fork(self, who: int) -> int:
        if self.recorded is None:
            return super().fork(who)
        self.agents.load(self.space.slots + 1, ())
        self.recorded.append(self.agents.fork_call(self.space.slots + 1))
        return 0

    def race(self, delays: Sequence[int]) -> tuple[list[list[int]], dict[int, Process]]:
        """Let the racers run at once, each after its delay (calls of getpid()); return their
        results, and the processes at the end.
        """
        barrier = self.agents.address(0, PATH_AT)
        self.agents.put(0, PATH_AT, struct.pack("<q", RACERS))
        reports = [who + 1 for who in range(RACERS)]
        for who in range(RACERS):
            self.recorded = [(BARRIER, barrier), *[(GETPID,)] * delays[who]]
            for number, operation in operations_of(self.program, who):
                self.number = number
                operation.linux(self)
            self.agents.load(who + 1, self.recorded)
        self.recorded = None
        forks = [operation for operation in self.program.race if isinstance(operation, Fork)]
        drain_all()
        self.agents.order(*reports)
        self.agents.await_reports(*reports, *(self.space.slots + 1 for _ in forks))
        results = [self._results(who, 1 + delays[who]) for who in range(RACERS)]
        for operation in self.program.race:
            operation.effect(self.space)
        return results, self.observe()

    def _results(self, who: int, skip: int) -> list[int]:
        """Return what a racer's operations returned, without the ``skip`` calls before them; take
        note of its child.
        """
        mine = operations_of(self.program, who)
        results = []
        for (_, operation), result in zip(mine, self.agents.results(who + 1, skip + len(mine))[skip:], strict=True):
            if isinstance(operation, Fork):
                self.agents.own(result)
                self.born(result)
            results.append(result_of(operation, min(0, result) if isinstance(operation, Fork) else result))
        return results


def unlike(end: End, ends: Iterable[End]) -> list[Difference]:
    """Return how an end of the kernel's differs from the nearest of the model's ``ends``."""
    return min((between(model, end) for model in ends), key=len, default=[Difference("end", "the race", "none", "one")])


def between(model: End, kernel: End) -> list[Difference]:
    """Return the differences of two ends."""
    results = enumerate(zip(model[0], kernel[0], strict=True))
    found = [Difference("result", f"T{who}", ours, theirs) for who, (ours, theirs) in results if ours != theirs]
    return found + differences(observation(model), observation(kernel))


def observation(end: End) -> Observation:
    """Return the processes of an end as an observation."""
    return Observation(
        0, {number: Process(dict(pages), vmas, rss, tables) for number, pages, vmas, rss, tables in end[1]}
    )


def drain_all() -> None:
    """Have every CPU drain its LRU batches, by a call of move_pages() that moves nothing: it begins
    with lru_cache_disable() (mm/migrate.c).
    """
    page, node, status = c_void_p(1), c_int(0), c_int(0)
    CDLL(None, use_errno=True).syscall(
        c_long(MOVE_PAGES), c_int(os.getpid()), c_long(1), byref(page), byref(node), byref(status), c_int(0)
    )
