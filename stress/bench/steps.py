"""How fast is it? Steps and executions per second, checkers on, beside what trio's own loop does in
the same run.

The yardstick is a bare ring of trio tasks that hand the turn on with ``reschedule`` and
``wait_task_rescheduled``, as many as the scenario has actors: the least that a tester on trio's
loop would pay for each step.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import trio
from trio.lowlevel import Abort, Task, current_task, reschedule, wait_task_rescheduled

from sim.core.profile import SMALL
from stress.bench.parallel import bench_parallel
from stress.campaign.store import Store
from stress.campaign.supervisor import Budget, Campaign
from stress.case import Case
from stress.catalogue import DEFAULT_CATALOGUE
from stress.errors import UsageError
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.parallel.gang import why_not
from stress.workers.settings import Settings

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.execution.runner import Runner

STRATEGIES = ("random", "pct")
SAMPLE_EXECUTIONS = 20
"""Executions that tell a scenario's steps."""

ROUNDS = 3
"""Each rate is the median of so many measurements."""

WARM_SECONDS = 1.5
"""Of a campaign, before it is measured."""


async def ring(tasks: int, seconds: float) -> float:
    """Return the hand-overs per second of a bare ring of trio tasks."""
    ring_of: list[Task] = []
    over = False
    count = 0

    async def member(index: int) -> None:
        nonlocal count
        ring_of.append(current_task())
        while not over:
            await wait_task_rescheduled(lambda _: Abort.FAILED)
            count += 1
            if not over:
                reschedule(ring_of[(index + 1) % tasks])

    async with trio.open_nursery() as nursery:
        for index in range(tasks):
            nursery.start_soon(member, index)
            while len(ring_of) <= index:
                await trio.lowlevel.checkpoint()
        began = perf_counter()
        reschedule(ring_of[0])
        await trio.sleep(seconds)
        rate = count / (perf_counter() - began)
        over = True
        while len(nursery.child_tasks) == tasks:
            await trio.lowlevel.checkpoint()
        for task in nursery.child_tasks:
            reschedule(task)
    return rate


@dataclass(frozen=True)
class Selection:
    """What is measured: the extremes of these scenarios, on a profile, under a kernel; ``seconds``
    is for each measurement.
    """

    scenarios: tuple[str, ...]
    profile: str
    kernel: str
    seconds: float


def cases(chosen: Selection, catalogue: Catalogue) -> Iterator[Case]:
    """Yield every scenario with every parameter set."""
    profile, kernel = chosen.profile, chosen.kernel
    for name in chosen.scenarios:
        for params in catalogue.scenario_class(name).parameters(catalogue.profile(profile), SMALL):
            yield Case(name, tuple(sorted(params.items())), profile, SMALL, kernel)


async def mean_steps(case: Case, catalogue: Catalogue) -> float:
    """Return how many steps an execution of ``case`` makes, or 0 if the case does not end clean."""
    total = 0
    async with open_runner(case, catalogue=catalogue) as runner:
        strategy = catalogue.strategy("random")
        for seed in range(SAMPLE_EXECUTIONS):
            outcome = runner.run(strategy, seed, RandomData(seed))
            if outcome.verdict.kind != "clean":
                return 0.0
            total += outcome.steps
    return total / SAMPLE_EXECUTIONS


async def extremes(chosen: Selection, catalogue: Catalogue) -> dict[str, Case]:
    """Return the cases with the fewest and with the most steps."""
    sizes = {case: size for case in cases(chosen, catalogue) if (size := await mean_steps(case, catalogue))}
    if not sizes:
        raise UsageError("no scenario ends clean, so there is nothing to measure; zapstress campaign shows why")
    return {"smallest": min(sizes, key=sizes.__getitem__), "largest": max(sizes, key=sizes.__getitem__)}


def rate(runner: Runner, strategy: str, seconds: float, catalogue: Catalogue) -> tuple[float, float]:
    """Return (executions, steps) per second: restore, execution, step-time checks and audit, as a
    campaign runs them.
    """
    chooser = catalogue.strategy(strategy)
    executions = steps = 0
    began = now = perf_counter()
    while now - began < seconds:
        steps += runner.run(chooser, executions, RandomData(executions)).steps
        executions += 1
        now = perf_counter()
    return executions / (now - began), steps / (now - began)


def stepping(runner: Runner, strategy: str, seconds: float, catalogue: Catalogue) -> float:
    """Return steps per second of executions without their final audit: ledger and step-time checks
    are on.
    """
    chooser = catalogue.strategy(strategy)
    executions = steps = 0
    began = now = perf_counter()
    while now - began < seconds:
        steps += runner.step(chooser, executions, RandomData(executions))
        executions += 1
        now = perf_counter()
    return steps / (now - began)


async def measure(case: Case, seconds: float, catalogue: Catalogue) -> dict[str, Any]:
    """Return the rates of one case under each strategy, and of the ring in between, so that both
    see the same machine.
    """
    async with open_runner(case, catalogue=catalogue) as runner:
        actors = len(runner.actors)
        rings, found = [], {name: [rate(runner, name, seconds / 4, catalogue)] for name in STRATEGIES}
        bare: dict[str, list[float]] = {name: [] for name in STRATEGIES}
        for _ in range(ROUNDS):
            rings.append(await ring(actors, seconds))
            for name, rates in found.items():
                rates.append(rate(runner, name, seconds, catalogue))
                bare[name].append(stepping(runner, name, seconds, catalogue))
    hand_overs = median(rings)
    data: dict[str, Any] = {
        "scenario": case.scenario,
        "params": dict(case.params),
        "profile": case.profile,
        "actors": actors,
        "ring_handovers_per_s": round(hand_overs),
    }
    for name, rates in found.items():
        executions, steps = (median(values) for values in zip(*rates[1:], strict=True))
        data[name] = {
            "steps_per_execution": round(steps / executions, 1),
            "executions_per_s": round(executions, 1),
            "steps_per_s": round(steps),
            "times_ring": round(steps / hand_overs, 2),
            "times_ring_without_audit": round(median(bare[name]) / hand_overs, 2),
        }
    return data


def throughput(case: Case, workers: int, seconds: float, spec: str) -> dict[str, Any]:
    """Return the executions per second of a campaign without twins, measured once its workers are
    warm.
    """
    settings = Settings(1, (case.scenario,), (case.profile,), SMALL, case.kernel, strategy="random")
    marks: list[tuple[float, int, int]] = []

    async def watch(campaign: Campaign) -> None:
        await trio.sleep(WARM_SECONDS)
        marks.append((perf_counter(), campaign.executions, campaign.steps))
        await trio.sleep(seconds)
        marks.append((perf_counter(), campaign.executions, campaign.steps))
        campaign.interrupt()

    with tempfile.TemporaryDirectory() as directory, Store(Path(directory), settings.plain()) as store:
        budget = Budget(duration_s=60.0 + seconds, workers=workers, twin_every=0)
        trio.run(Campaign(store, settings, budget, spec).run, watch)
    (began, executions, steps), (ended, executions_after, steps_after) = marks
    passed = ended - began
    return {
        "workers": workers,
        "executions_per_s": round((executions_after - executions) / passed, 1),
        "steps_per_s": round((steps_after - steps) / passed),
    }


def bench_steps(selection: Selection, catalogue: Catalogue, spec: str) -> dict[str, Any]:
    """Measure everything."""
    seconds = selection.seconds

    async def rates() -> tuple[dict[str, Case], dict[str, Any]]:
        chosen = await extremes(selection, catalogue)
        return chosen, {which: await measure(case, seconds, catalogue) for which, case in chosen.items()}

    chosen, data = trio.run(rates)
    case = chosen["smallest"]
    campaign = [throughput(case, workers, max(2.0, 2 * seconds), spec) for workers in (1, 2)]
    one, two = (row["executions_per_s"] for row in campaign)
    together = (
        None
        if why_not() or spec != DEFAULT_CATALOGUE
        else trio.run(bench_parallel, selection.profile, selection.kernel, catalogue)
    )
    return {
        **data,
        "parallel": together,
        "campaign": {"scenario": case.scenario, "rates": campaign, "two_over_one": round(two / one, 2) if one else 0.0},
    }
