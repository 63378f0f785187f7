"""How fast the parallel machine steps: with one process and with two, recorded and not, beside
lockstep under pct.

The workload is the scenario ``sharers_at_work`` with many rounds: each CPU has an address space of
its own, and the folios of one file are shared. One process or two, the run makes the same steps;
one process has the actors of both CPUs. No yields are injected.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from sim.core.profile import SMALL
from sim.core.step import column_of, index_of
from stress.case import Case
from stress.catalogue import spec_of
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.parallel.gang import Gang
from stress.parallel.settings import RunSettings

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.execution.runner import Runner

WORKLOAD = "sharers_at_work"
ROUNDS = 150
"""Rounds of the workload in one run."""

TURNS_MEASURED = 5
"""Each rate is the median of so many runs. A turn has one run of every configuration."""

STEPS_MAX = 1 << 19
"""Steps of one run."""

CONTENDED_MAX = 5
"""Locations that are named: those whose stripes were found held the most often."""

ALONE, TOGETHER = (0, 0), (0, 1)
"""The process that has each CPU: one for both, or one for each."""


async def bench_parallel(profile: str, kernel: str, patch: tuple[str, ...], catalogue: Catalogue) -> dict[str, Any]:
    """Return the rates and their ratios."""
    case = Case(WORKLOAD, (("order", 2), ("rounds", ROUNDS)), profile, SMALL, kernel, patch=patch)
    async with open_runner(case, steps_max=STEPS_MAX, catalogue=catalogue) as runner:
        with Gang(2, spec_of(catalogue), STEPS_MAX) as gang:
            return measure(gang, runner, catalogue)


def measure(gang: Gang, runner: Runner, catalogue: Catalogue) -> dict[str, Any]:
    """Take every rate once a turn, so that all see the machine in the same state; the first turn
    warms up, and does not count.
    """
    rates: dict[str, list[float]] = {
        name: [] for name in ("lockstep_pct", "one", "one_unrecorded", "two", "two_unrecorded")
    }
    switches, steps = 0, 0
    for turn in range(TURNS_MEASURED + 1):
        found = {"lockstep_pct": lockstep(runner, turn, catalogue)}
        for name, owners in (("one", ALONE), ("two", TOGETHER)):
            for record in (True, False):
                recording = gang.run(runner, turn, RunSettings(record, yields=False, pause_steps=0, owners=owners))
                found[name if record else f"{name}_unrecorded"] = recording.steps / recording.seconds
                if record and owners == TOGETHER:
                    switches, steps = switches + recording.switches(), steps + len(recording.codes)
        if turn:
            for name, rate in found.items():
                rates[name].append(rate)
    return summary(rates, runner.case) | {
        "switches_per_1000_steps": round(1000 * switches / steps, 1),
        "contended": contended(gang, runner),
    }


def lockstep(runner: Runner, seed: int, catalogue: Catalogue, clock: Callable[[], float] = perf_counter) -> float:
    """Return the steps per second of one execution in lockstep under pct, without the final
    audit.
    """
    strategy, began = catalogue.strategy("pct"), clock()
    return runner.step(strategy, seed, RandomData(seed)) / (clock() - began)


def summary(rates: Mapping[str, Sequence[float]], case: Case) -> dict[str, Any]:
    """Return the median of each rate; a ratio is the median of the ratios turn by turn."""

    def ratio(over: str, under: str) -> float:
        return round(statistics.median(a / b for a, b in zip(rates[over], rates[under], strict=True)), 2)

    return {
        "workload": case.scenario,
        "params": dict(case.params),
        "profile": case.profile,
        **{f"{name}_steps_per_s": round(statistics.median(found)) for name, found in rates.items()},
        "two_over_one": ratio("two", "one"),
        "recording_keeps": ratio("two", "two_unrecorded"),
        "process_over_lockstep_pct": ratio("one", "lockstep_pct"),
    }


def contended(gang: Gang, runner: Runner) -> dict[str, int]:
    """Return location -> how often a process found its stripe held by another, most often first."""
    fields = runner.arena.layout.fields
    return {
        f"{fields[column_of(met.place)].name}[{index_of(met.place)}]": met.count
        for met in gang.board.met()[:CONTENDED_MAX]
    }


def text(data: dict[str, Any]) -> str:
    """Return the rates for people."""
    rows = [f"parallel: {data['workload']} on {data['profile']}, two address spaces, one file's folios"]
    for name, words in (("one", "one process"), ("two", "two processes")):
        recorded, bare = data[f"{name}_steps_per_s"], data[f"{name}_unrecorded_steps_per_s"]
        rows.append(f"  {words:<14} {recorded:>10,} steps/s recorded, {bare:>10,} not")
    met = ", ".join(f"{name} {count}" for name, count in data["contended"].items()) or "none"
    return "\n".join(
        [
            *rows,
            f"  two over one: {data['two_over_one']:.2f} x;"
            f" recording keeps {data['recording_keeps']:.0%} of the rate of two",
            f"  lockstep, pct  {data['lockstep_pct_steps_per_s']:>10,} steps/s:"
            f" a process has {data['process_over_lockstep_pct']:.2f} x that",
            f"  {data['switches_per_1000_steps']:.0f} switches between processes per 1,000 recorded steps;"
            f" stripes found held: {met}",
        ]
    )
