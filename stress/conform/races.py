"""A run in racing mode: programs from seeds, the model's ends of each, then rounds of real threads that must end in one of them."""

from __future__ import annotations

import os
import platform
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stress.conform.agents import Agents
from stress.conform.compare import broken
from stress.conform.explore import Explored
from stress.conform.listing import listing
from stress.conform.mthp import ENABLED, Configured, offered
from stress.conform.procfs import Frames, require
from stress.conform.racing import DELAY_MAX, RACERS, End, LinuxRace, ModelRace, project, race_text
from stress.conform.rig import RETRIES_MAX
from stress.conform.rules import Conditions
from stress.conform.seeds import RACE_PAGES, race_from_seed
from stress.conform.worker import Setting, composer
from stress.discovery import Catalogue
from stress.errors import CLEAN, INCONCLUSIVE, INTERRUPTED, VIOLATED, Skipped
from stress.programs.program import Program
from stress.programs.space import THREADS_MAX
from stress.rng import words

ROUNDS_EACH = 25
"""Rounds of one program."""

EXECUTIONS_MAX = 6000
"""Executions of the model that the search for one program's ends may take."""


@dataclass(frozen=True)
class Unexplained:
    """An end of the kernel's that is none of the model's, or that breaks an invariant."""

    program: Program
    why: str


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
    unexplained: list[Unexplained] = field(default_factory=list)
    elapsed: float = 0.0
    interrupted: bool = False


def run(setting: Setting, catalogue: Catalogue, rounds: int, seed: int, directory: Path, tell: Callable[[Races], None], configure: bool = False) -> Races:
    """Race ``rounds`` times, or until interrupted; if sizes are to be configured, every other program with large folios."""
    require()
    cpus = sorted(os.sched_getaffinity(0))[:RACERS]
    if len(cpus) < RACERS:
        raise Skipped(f"racing needs {RACERS} CPUs, and this process may use {len(cpus)}")
    races, began, agents, frames = Races(setting, seed, directory), time.monotonic(), Agents(THREADS_MAX), Frames()
    stack = ExitStack()
    try:
        switches = stack.enter_context(Configured()) if configure else None
        while races.rounds < rounds:
            orders = large(races.programs) if switches else ()
            if switches:
                switches.set(orders)
            program = race_from_seed(seed + races.programs, orders)
            explored = ends_of(setting, catalogue, program)
            race(races, program, explored, min(ROUNDS_EACH, rounds - races.rounds), lambda program: LinuxRace(agents, frames, program, cpus))
            races.elapsed = time.monotonic() - began
            tell(races)
    except KeyboardInterrupt:
        races.interrupted = True
    finally:
        agents.close()
        frames.close()
        stack.close()
    races.elapsed = time.monotonic() - began
    return races


def large(number: int) -> tuple[int, ...]:
    """Return the orders of program ``number``: none, then the smallest that the kernel offers and the search can master."""
    fitting = [order for order in offered(ENABLED) if RACE_PAGES >> order >= 2]
    return tuple(fitting[:1]) if number % 2 else ()


def ends_of(setting: Setting, catalogue: Catalogue, program: Program) -> Explored:
    """Return the model's ends of a racing program."""
    model = ModelRace(*composer(catalogue, setting), program, blind=bool(setting.faults))
    try:
        return model.ends(EXECUTIONS_MAX)
    finally:
        model.close()


def race(races: Races, program: Program, explored: Explored, rounds: int, start: Callable[[Program], LinuxRace]) -> None:
    """Run some rounds of one program."""
    races.programs += 1
    races.exhausted += explored.exhausted
    races.executions += explored.executions
    races.model_ends += len(explored.ends) if explored.exhausted else 0
    word = words(program.seed, "race")
    seen: set[End] = set()
    for _ in range(rounds):
        delays = [word() * DELAY_MAX >> 32 for _ in range(RACERS)]
        end, why = settled(races, program, explored, delays, start)
        races.rounds += 1
        races.conclusive += explored.exhausted
        seen.add(end)
        if why:
            races.unexplained.append(Unexplained(program, why))
            break
    races.kernel_ends += len(seen)


def settled(races: Races, program: Program, explored: Explored, delays: list[int], start: Callable[[Program], LinuxRace]) -> tuple[End, str]:
    """Run a round until no named condition interferes; return its end, and what is wrong with it, if anything."""
    for _ in range(RETRIES_MAX):
        before = Conditions.now(program)
        end, why = one_round(program, explored, delays, start)
        rules = before.moved() if why else []
        if not rules:
            break
        races.excluded.update(rules)
    return end, why


def one_round(program: Program, explored: Explored, delays: list[int], start: Callable[[Program], LinuxRace]) -> tuple[End, str]:
    """Run a round; return its end, and what is wrong with it."""
    linux = start(program)
    try:
        results, processes = linux.race(delays)
    finally:
        linux.close()
    end, wrong = project(results, processes), broken(processes)
    if wrong:
        return end, wrong[0]
    return end, race_text(end, explored.ends) if explored.exhausted and end not in explored.ends else ""


def exit_status(races: Races) -> int:
    """Return the status that the run ends with."""
    if races.interrupted:
        return INTERRUPTED
    return VIOLATED if races.unexplained else CLEAN if races.conclusive else INCONCLUSIVE


def summary(races: Races) -> dict[str, Any]:
    """Return the run as data for JSON."""
    return {
        "rounds": races.rounds, "conclusive_rounds": races.conclusive, "inconclusive_rounds": races.rounds - races.conclusive,
        "programs": races.programs, "exhausted_programs": races.exhausted, "model_executions": races.executions, "model_ends": races.model_ends,
        "kernel_ends": races.kernel_ends, "excluded": dict(races.excluded),
        "unexplained": [{"why": u.why, "seed": u.program.seed, "program": str(keep(races, u)), "listing": listing(u.program)} for u in races.unexplained],
        "running": platform.release(), "kernel": races.setting.kernel, "profile": races.setting.profile, "seed": races.seed,
        "elapsed_s": round(races.elapsed, 3), "interrupted": races.interrupted, "exit_status": exit_status(races),
    }  # fmt: skip


def keep(races: Races, found: Unexplained) -> Path:
    """Write an unexplained program to the directory; return where."""
    path = races.directory / f"race-{found.program.seed:#x}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found.program.dumps() + "\n")
    return path
