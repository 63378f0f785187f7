"""A run in racing mode: programs from seeds, the model's ends of each, then rounds of real threads
that must end in one of them.
"""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stress.catalogue import Catalogue
from stress.conform.differences import broken
from stress.conform.draw import RACE_PAGES, race_from_seed
from stress.conform.linux.agents import Agents
from stress.conform.linux.events import Settled, settle
from stress.conform.linux.folio_sizes import ENABLED, Configured, offered
from stress.conform.linux.procfs import Frames, require
from stress.conform.listing import listing
from stress.conform.model.search import Explored
from stress.conform.observation import Difference
from stress.conform.race import DELAY_MAX, End, LinuxRace, ModelRace, project, unlike
from stress.conform.shrink import shrink
from stress.conform.worker import SHRINK_SECONDS_MAX, Setting, composer
from stress.errors import CLEAN, INCONCLUSIVE, INTERRUPTED, VIOLATED, Skipped
from stress.programs.program import RACERS, Program
from stress.programs.space import THREADS_MAX
from stress.rng import words

ROUNDS_EACH = 25
"""Rounds of one program."""

EXECUTIONS_MAX = 6000
"""Executions of the model that the search for one program's ends may take."""


@dataclass(frozen=True)
class Unexplained:
    """An end of the kernel's that is none of the model's, or that is wrong by itself."""

    program: Program
    differences: tuple[Difference, ...]
    smallest: bool = False
    """Whether nothing smaller by one step shows it."""

    @property
    def why(self) -> str:
        """Say what is wrong."""
        return "the model cannot end so; what it can, or the state itself, says otherwise: " + "; ".join(
            map(str, self.differences)
        )


@dataclass
class Races:
    """What a run has come to, so far."""

    setting: Setting
    seed: int
    directory: Path
    rounds: int = 0
    conclusive: int = 0
    """Rounds of programs whose search came to its end."""
    programs: int = 0
    exhausted: int = 0
    executions: int = 0
    """Of the model."""
    model_ends: int = 0
    """Of the exhausted programs."""
    kernel_ends: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    """Rounds that were set aside, by the rule."""
    given_up: int = 0
    """Rounds of which every run was set aside."""
    unexplained: list[Unexplained] = field(default_factory=list)
    elapsed: float = 0.0
    interrupted: bool = False


class Racers:
    """Real threads on two CPUs, and the model that is to explain them. A context manager."""

    def __init__(self, setting: Setting, catalogue: Catalogue) -> None:
        require()
        self.setting, self.catalogue, self.cpus = setting, catalogue, sorted(os.sched_getaffinity(0))[:RACERS]
        if len(self.cpus) < RACERS:
            raise Skipped(f"racing needs {RACERS} CPUs, and this process may use {len(self.cpus)}")
        self.agents, self.frames = Agents(THREADS_MAX), Frames()

    def __enter__(self) -> Racers:
        return self

    def __exit__(self, *error: object) -> None:
        self.agents.close()
        self.frames.close()

    def ends_of(self, program: Program) -> Explored:
        """Return the model's ends of a racing program."""
        model = ModelRace(*composer(self.catalogue, self.setting), program, blind=bool(self.setting.faults))
        try:
            return model.ends(EXECUTIONS_MAX)
        finally:
            model.close()

    def rounds(self, program: Program, explored: Explored, count: int) -> Iterator[Settled[End]]:
        """Run rounds of a program."""
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
        """Return the differences that a program shows, if the first is in ``what``."""
        found = (
            settled.differences
            for settled in self.rounds(program, self.ends_of(program), ROUNDS_EACH)
            if settled.differences
        )
        return next((differences for differences in found if differences[0].what == what), ())


def run(
    setting: Setting,
    catalogue: Catalogue,
    rounds: int,
    seed: int,
    directory: Path,
    tell: Callable[[Races], None],
    configure: bool = False,
) -> Races:
    """Race ``rounds`` times, or until interrupted; if sizes are to be configured, every other
    program with large folios.
    """
    races, began = Races(setting, seed, directory), time.monotonic()
    with ExitStack() as stack:
        racers = stack.enter_context(Racers(setting, catalogue))
        switches = stack.enter_context(Configured()) if configure else None
        try:
            while races.rounds < rounds:
                orders = large(races.programs) if switches else ()
                if switches:
                    switches.set(orders)
                race(
                    races,
                    racers,
                    race_from_seed(seed + races.programs, orders),
                    min(ROUNDS_EACH, rounds - races.rounds),
                )
                races.elapsed = time.monotonic() - began
                tell(races)
        except KeyboardInterrupt:
            races.interrupted = True
    races.elapsed = time.monotonic() - began
    return races


def large(number: int) -> tuple[int, ...]:
    """Return the orders of program ``number``: none, then the smallest that the kernel offers and
    the search can master.
    """
    fitting = [order for order in offered(ENABLED) if RACE_PAGES >> order >= 2]
    return tuple(fitting[:1]) if number % 2 else ()


def race(races: Races, racers: Racers, program: Program, rounds: int, shrinks: bool = True) -> None:
    """Run some rounds of one program, until one is not explained; make it small then, if it
    ``shrinks``.
    """
    explored = racers.ends_of(program)
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
    """Return the same of a smaller program; as it is if it does not come again."""
    what = found.differences[0].what
    if not racers.shows(found.program, what):
        return found
    small, done = shrink(found.program, lambda program: bool(racers.shows(program, what)), SHRINK_SECONDS_MAX)
    again = racers.shows(small, what)
    return Unexplained(small, again, done) if again else found


def run_program(setting: Setting, catalogue: Catalogue, program: Program, rounds: int, directory: Path) -> Races:
    """Race one program, as it is."""
    races, began = Races(setting, program.seed, directory), time.monotonic()
    with Racers(setting, catalogue) as racers:
        race(races, racers, program, rounds, shrinks=False)
    races.elapsed = time.monotonic() - began
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
        "rounds": races.rounds, "conclusive_rounds": races.conclusive, "inconclusive_rounds": races.rounds - races.conclusive,
        "programs": races.programs, "exhausted_programs": races.exhausted, "model_executions": races.executions, "model_ends": races.model_ends,
        "kernel_ends": races.kernel_ends, "excluded": dict(races.excluded), "given_up": races.given_up,
        "unexplained": [unexplained_data(races, unexplained) for unexplained in races.unexplained],
        "running": platform.release(), "kernel": races.setting.kernel, "profile": races.setting.profile, "seed": races.seed,
        "elapsed_s": round(races.elapsed, 3), "interrupted": races.interrupted, "exit_status": exit_status(races),
    }  # fmt: skip


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
    """Write an unexplained program to the directory; return where."""
    path = races.directory / f"race-{found.program.seed:#x}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found.program.dumps() + "\n")
    return path
