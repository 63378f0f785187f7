"""A run in racing mode: racing programs from seeds. The model's ends of each are searched for; then
rounds of real threads must each end in one of them.
"""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stress.catalogue import Catalogue
from stress.conform.differences import broken
from stress.conform.draw import RACE_PAGES, race_from_seed
from stress.conform.findings import SHRINK_SECONDS_MAX
from stress.conform.linux.agents import Agents
from stress.conform.linux.events import Settled, settle
from stress.conform.linux.folio_sizes import ENABLED, ConfiguredSizes, offered
from stress.conform.linux.procfs import KernelFrames, require
from stress.conform.listing import listing
from stress.conform.model.search import Explored
from stress.conform.model.spec import ModelSpec, composer
from stress.conform.observation import Difference
from stress.conform.race import DELAY_MAX, End, LinuxRace, ModelRace, project, unlike
from stress.conform.session import Timed, follow
from stress.conform.shrink import shrink
from stress.errors import CLEAN, INCONCLUSIVE, INTERRUPTED, VIOLATED, Skipped
from stress.files import make_folder, write_atomically
from stress.programs.program import Program
from stress.programs.rules import RACERS
from stress.programs.space import THREADS_MAX
from stress.rng import words

ROUNDS_EACH = 25
"""Rounds of one program."""

EXECUTIONS_MAX = 6000
"""Executions of the model that the search for one program's ends may take."""


@dataclass(frozen=True)
class Unexplained:
    """An end of the kernel's that is none of the model's, or that contradicts itself."""

    program: Program
    differences: tuple[Difference, ...]
    smallest: bool = False
    """Whether no program that is smaller by one step shows it."""

    @property
    def why(self) -> str:
        """Say what is wrong."""
        return "the model cannot end so; what it can, or the state itself, says otherwise: " + "; ".join(
            map(str, self.differences)
        )


@dataclass
class Races(Timed):
    """What a racing run has found, so far."""

    model: ModelSpec
    seed: int
    directory: Path
    rounds: int = 0
    conclusive: int = 0
    """Rounds of programs whose search was exhaustive, less those given up."""
    programs: int = 0
    exhausted: int = 0
    """Programs whose search was exhaustive."""
    executions: int = 0
    """Executions of the model, in all searches."""
    model_ends: int = 0
    """Ends that the exhaustive searches found."""
    kernel_ends: int = 0
    """Different ends of real threads."""
    excluded: Counter[str] = field(default_factory=Counter)
    """Rounds that were set aside, by rule."""
    given_up: int = 0
    """Rounds of which every run was set aside."""
    unexplained: list[Unexplained] = field(default_factory=list)
    override_runs: Counter[str] = field(default_factory=Counter)
    """How often each override of the patch ran in the model's searches."""


class Racers:
    """Real threads on two CPUs, and the model that is to explain them. A context manager."""

    def __init__(self, model: ModelSpec, catalogue: Catalogue) -> None:
        require()
        self.model, self.catalogue, self.cpus = model, catalogue, sorted(os.sched_getaffinity(0))[:RACERS]
        if len(self.cpus) < RACERS:
            raise Skipped(f"racing needs {RACERS} CPUs, and this process may use {len(self.cpus)}")
        self.agents, self.frames = Agents(THREADS_MAX), KernelFrames()
        self.override_runs: Counter[str] = Counter()

    def __enter__(self) -> Racers:
        return self

    def __exit__(self, *error: object) -> None:
        self.agents.close()
        self.frames.close()

    def ends_of(self, program: Program) -> Explored:
        """Return the model's ends of a racing program; count how often each override ran."""
        model = ModelRace(*composer(self.catalogue, self.model), program, blind=bool(self.model.faults))
        try:
            return model.ends(EXECUTIONS_MAX)
        finally:
            self.override_runs.update(model.world.fresh_override_runs())
            model.close()

    def rounds(self, program: Program, explored: Explored, count: int) -> Iterator[Settled[End]]:
        """Run ``count`` rounds of a program, each with other delays."""
        word = words(program.seed, "race")
        for _ in range(count):
            delays = [word() * DELAY_MAX >> 32 for _ in range(RACERS)]
            yield settle(program, lambda: self._round(program, explored, delays))  # noqa: B023 - called at once

    def _round(self, program: Program, explored: Explored, delays: list[int]) -> tuple[End, list[Difference]]:
        """Run a round; return its end, and what is wrong with it."""
        linux = LinuxRace(self.agents, self.frames, program, self.cpus)
        try:
            results, processes = linux.race(delays)
        finally:
            linux.close()
        end, wrong = project(results, processes), broken(processes)
        return end, wrong or (unlike(end, explored.ends) if explored.exhausted and end not in explored.ends else [])

    def shows(self, program: Program, what: str) -> tuple[Difference, ...]:
        """Return the differences that a program shows in some round, if the first is in the field
        ``what``; else an empty tuple.
        """
        found = (
            settled.differences
            for settled in self.rounds(program, self.ends_of(program), ROUNDS_EACH)
            if settled.differences
        )
        return next((differences for differences in found if differences[0].what == what), ())


def run(
    model: ModelSpec,
    catalogue: Catalogue,
    rounds: int,
    seed: int,
    directory: Path,
    tell: Callable[[Races], None],
    configure: bool = False,
) -> Races:
    """Race ``rounds`` times, or until interrupted; ``tell`` is called after each program.

    With ``configure`` every other program has large folios.
    """
    races = Races(model, seed, directory)
    with ExitStack() as stack:
        racers = stack.enter_context(Racers(model, catalogue))
        switches = stack.enter_context(ConfiguredSizes()) if configure else None
        follow(races, programs(races, racers, rounds, switches), tell)
    races.clock()
    return races


def programs(races: Races, racers: Racers, rounds: int, switches: ConfiguredSizes | None) -> Iterator[None]:
    """Race one program after the other, until ``rounds`` are made."""
    while races.rounds < rounds:
        orders: tuple[int, ...] = ()
        if switches is not None:
            orders = large(races.programs)
            switches.set(orders)
        program = race_from_seed(races.seed + races.programs, orders)
        race(races, racers, program, min(ROUNDS_EACH, rounds - races.rounds))
        yield


def large(number: int) -> tuple[int, ...]:
    """Return the folio orders of program ``number``: for every other one the smallest order that
    the kernel offers, if two such folios fit into the window.
    """
    fitting = [order for order in offered(ENABLED) if RACE_PAGES >> order >= 2]
    return tuple(fitting[:1]) if number % 2 else ()


def race(races: Races, racers: Racers, program: Program, rounds: int, shrinks: bool = True) -> None:
    """Run ``rounds`` of one program, or until an end is not explained; shrink the program then, if
    it ``shrinks``.
    """
    explored, races.override_runs = racers.ends_of(program), racers.override_runs
    races.programs += 1
    races.exhausted += explored.exhausted
    races.executions += explored.executions
    races.model_ends += len(explored.ends) if explored.exhausted else 0
    seen: set[End] = set()
    for settled in racers.rounds(program, explored, rounds):
        races.rounds += 1
        races.excluded.update(settled.excluded)
        races.given_up += settled.given_up
        races.conclusive += explored.exhausted and not settled.given_up
        seen.add(settled.ran)
        if settled.differences:
            races.unexplained.append(Unexplained(program, settled.differences))
            if shrinks:
                races.unexplained[-1] = shrunk(racers, races.unexplained[-1])
            break
    races.kernel_ends += len(seen)


def shrunk(racers: Racers, found: Unexplained) -> Unexplained:
    """Return the same of a smaller program, or ``found`` itself if it does not come again."""
    what = found.differences[0].what
    if not racers.shows(found.program, what):
        return found
    small, done = shrink(found.program, lambda program: bool(racers.shows(program, what)), SHRINK_SECONDS_MAX)
    again = racers.shows(small, what)
    return Unexplained(small, again, done) if again else found


def run_program(model: ModelSpec, catalogue: Catalogue, program: Program, rounds: int, directory: Path) -> Races:
    """Race one program, as it is."""
    races = Races(model, program.seed, directory)
    with Racers(model, catalogue) as racers:
        race(races, racers, program, rounds, shrinks=False)
    races.clock()
    return races


def exit_status(races: Races) -> int:
    """Return the status that the run ends with."""
    if races.interrupted:
        return INTERRUPTED
    if races.unexplained:
        return VIOLATED
    return CLEAN if races.conclusive and not races.given_up else INCONCLUSIVE


def summary(races: Races) -> dict[str, Any]:
    """Return the run as data for JSON."""
    return {
        "rounds": races.rounds,
        "conclusive_rounds": races.conclusive,
        "inconclusive_rounds": races.rounds - races.conclusive,
        "programs": races.programs,
        "exhausted_programs": races.exhausted,
        "model_executions": races.executions,
        "model_ends": races.model_ends,
        "kernel_ends": races.kernel_ends,
        "excluded": dict(races.excluded),
        "given_up": races.given_up,
        "override_runs": dict(sorted(races.override_runs.items())),
        "unexplained": [unexplained_data(races, unexplained) for unexplained in races.unexplained],
        "running": platform.release(),
        "kernel": races.model.kernel,
        "profile": races.model.profile,
        "seed": races.seed,
        "elapsed_s": round(races.elapsed, 3),
        "interrupted": races.interrupted,
        "exit_status": exit_status(races),
    }


def unexplained_data(races: Races, found: Unexplained) -> dict[str, Any]:
    """Return an unexplained end as data for JSON."""
    shown = listing(found.program)
    return {
        "why": found.why,
        "seed": found.program.seed,
        "program": str(keep(races, found)),
        "smallest": found.smallest,
        "listing": shown,
    }


def keep(races: Races, found: Unexplained) -> Path:
    """Write an unexplained program to the directory; return its path."""
    path = races.directory / f"race-{found.program.seed:#x}.json"
    make_folder(path.parent)
    write_atomically(path, (found.program.dumps() + "\n").encode())
    return path
