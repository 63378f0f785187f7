"""How fast the parallel machine steps: one process and two, recorded and not, beside lockstep under
pct, in one run.

The workload is the scenario ``sharers_at_work`` with many rounds: an address space per process, the
folios of one file shared between them. Both configurations make the same steps; in the first one
process has all the actors. No yields are injected.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from sim.core.profile import SMALL
from sim.core.step import column_of, index_of
from stress.case import Case
from stress.catalogue import spec_of
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.parallel.gang import Gang
from stress.parallel.settings import Settings

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.execution.runner import Runner

WORKLOAD = "sharers_at_work"
ROUNDS = 150
ROUNDS_MEASURED = 5
"""Each rate is the median of so many runs, taken in turn."""

STEPS_MAX = 1 << 19

CONTENDED_MAX = 5
"""Locations named, of those whose stripes were found held the most often."""

ALONE, TOGETHER = (0, 0), (0, 1)
"""Which process has each CPU."""


async def bench_parallel(profile: str, kernel: str, catalogue: Catalogue) -> dict[str, Any]:
    """Return the rates and their ratios."""
    case = Case(WORKLOAD, (("order", 2), ("rounds", ROUNDS)), profile, SMALL, kernel)
    async with open_runner(case, steps_max=STEPS_MAX, catalogue=catalogue) as runner:
        with Gang(2, spec_of(catalogue), STEPS_MAX) as gang:
            return measure(gang, runner, catalogue)


def measure(gang: Gang, runner: Runner, catalogue: Catalogue) -> dict[str, Any]:
    """Take every rate in turn, so that all see the same machine; the first round warms up."""
    rates: dict[str, list[float]] = {
        name: [] for name in ("lockstep_pct", "one", "one_unrecorded", "two", "two_unrecorded")
    }
    switches, steps = 0, 0
    for turn in range(ROUNDS_MEASURED + 1):
        found = {"lockstep_pct": lockstep(runner, turn, catalogue)}
        for name, owners in (("one", ALONE), ("two", TOGETHER)):
            for record in (True, False):
                recording = gang.run(runner, turn, Settings(record, yields=False, pause_steps=0, owners=owners))
                found[name if record else f"{name}_unrecorded"] = recording.steps / recording.seconds
                if record and owners == TOGETHER:
                    switches, steps = switches + recording.switches(), steps + len(recording.codes)
        if turn:
            for name, rate in found.items():
                rates[name].append(rate)
    return summary(rates, runner) | {
        "switches_per_1000_steps": round(1000 * switches / steps, 1),
        "contended": contended(gang, runner),
    }


def lockstep(runner: Runner, seed: int, catalogue: Catalogue) -> float:
    """Return lockstep's steps per second under pct, without the final audit, on the same workload."""
    from time import perf_counter

    strategy, began = catalogue.strategy("pct"), perf_counter()
    return runner.step(strategy, seed, RandomData(seed)) / (perf_counter() - began)


def summary(rates: dict[str, list[float]], runner: Runner) -> dict[str, Any]:
    """Return medians, and ratios as medians of the ratios turn by turn."""

    def ratio(over: str, under: str) -> float:
        return round(statistics.median(a / b for a, b in zip(rates[over], rates[under], strict=True)), 2)

    return {
        "workload": runner.case.scenario,
        "params": dict(runner.case.params),
        "profile": runner.case.profile,
        **{f"{name}_steps_per_s": round(statistics.median(found)) for name, found in rates.items()},
        "two_over_one": ratio("two", "one"),
        "recording_keeps": ratio("two", "two_unrecorded"),
        "process_over_lockstep_pct": ratio("one", "lockstep_pct"),
    }


def contended(gang: Gang, runner: Runner) -> dict[str, int]:
    """Return the locations that processes met at the most often, by name, and how often their
    stripes were found held.
    """
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
    rows.append(
        f"  two over one: {data['two_over_one']:.2f} x; recording keeps {data['recording_keeps']:.0%} of the rate of two"
    )
    rows.append(
        f"  lockstep, pct  {data['lockstep_pct_steps_per_s']:>10,} steps/s: a process has {data['process_over_lockstep_pct']:.2f} x that"
    )
    met = ", ".join(f"{name} {count}" for name, count in data["contended"].items()) or "none"
    rows.append(
        f"  {data['switches_per_1000_steps']:.0f} switches between processes per 1,000 recorded steps; stripes found held: {met}"
    )
    return "\n".join(rows)
