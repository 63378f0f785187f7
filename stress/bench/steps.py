"""Steps and executions per second with all checkers on, beside what trio's own loop does in the
same run.

The yardstick is a bare ring of trio tasks, as many as the scenario has actors, which hand the turn
on with ``reschedule`` and ``wait_task_rescheduled``. A tester whose actors run on trio's loop pays
at least that much for each step.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import trio
from trio.lowlevel import Abort, Task, current_task, reschedule, wait_task_rescheduled

from sim.core.profile import SMALL
from stress.bench.native import bench_native
from stress.bench.parallel import bench_parallel
from stress.bench.rates import ROUNDS, STRATEGIES, Clock, rate, unaudited_rate
from stress.campaign.store import Store
from stress.campaign.supervisor import Campaign
from stress.case import Case
from stress.catalogue import DEFAULT_CATALOGUE
from stress.errors import UsageError
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.parallel.gang import why_not
from stress.workers.settings import Budget, Settings

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

Sleep = Callable[[float], Awaitable[None]]
"""Lets other tasks run for so many seconds."""

SAMPLE_EXECUTIONS = 20
"""Executions of a case from which its mean number of steps is taken."""

WARM_SECONDS = 1.5
"""How long a campaign runs before it is measured."""


async def ring(tasks: int, seconds: float, clock: Clock = perf_counter, sleep: Sleep = trio.sleep) -> float:
    """Return the hand-overs per second of a bare ring of trio tasks, measured while ``sleep``
    lasts.
    """
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
        began = clock()
        reschedule(ring_of[0])
        await sleep(seconds)
        rate = count / (clock() - began)
        over = True
        while len(nursery.child_tasks) == tasks:
            await trio.lowlevel.checkpoint()
        for task in nursery.child_tasks:
            reschedule(task)
    return rate


@dataclass(frozen=True)
class Selection:
    """What is measured: of these scenarios, the cases with the fewest and with the most steps.

    ``seconds`` is how long each measurement takes.
    """

    scenarios: tuple[str, ...]
    profile: str
    kernel: str
    patch: tuple[str, ...]
    seconds: float


def cases(chosen: Selection, catalogue: Catalogue) -> Iterator[Case]:
    """Yield every scenario with every parameter set."""
    profile, kernel = chosen.profile, chosen.kernel
    for name in chosen.scenarios:
        for params in catalogue.scenario_class(name).parameters(catalogue.profile(profile), SMALL):
            yield Case(name, tuple(sorted(params.items())), profile, SMALL, kernel, patch=chosen.patch)


async def mean_steps(case: Case, catalogue: Catalogue) -> float:
    """Return the mean number of steps of an execution of ``case``, or 0 if one does not end
    clean.
    """
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
    """Return the cases with the fewest and with the most steps. Raises UsageError if none ends
    clean.
    """
    sizes = {case: size for case in cases(chosen, catalogue) if (size := await mean_steps(case, catalogue))}
    if not sizes:
        raise UsageError("no scenario ends clean, so there is nothing to measure; zapstress campaign shows why")
    return {"smallest": min(sizes, key=sizes.__getitem__), "largest": max(sizes, key=sizes.__getitem__)}


async def measure(
    case: Case, seconds: float, catalogue: Catalogue, clock: Clock = perf_counter, sleep: Sleep = trio.sleep
) -> dict[str, Any]:
    """Return the rates of one case under each strategy.

    The ring and the strategies are measured in turn, so that all see the machine in the same state.
    """
    async with open_runner(case, catalogue=catalogue) as runner:
        actors = len(runner.actors)
        rings, found = [], {name: [rate(runner, name, seconds / 4, catalogue, clock)] for name in STRATEGIES}
        bare: dict[str, list[float]] = {name: [] for name in STRATEGIES}
        for _ in range(ROUNDS):
            rings.append(await ring(actors, seconds, clock, sleep))
            for name, rates in found.items():
                rates.append(rate(runner, name, seconds, catalogue, clock))
                bare[name].append(unaudited_rate(runner, name, seconds, catalogue, clock)[1])
    hand_overs = median(rings)
    return {
        "scenario": case.scenario,
        "params": dict(case.params),
        "profile": case.profile,
        "actors": actors,
        "ring_handovers_per_s": round(hand_overs),
        **{name: row(rates[1:], bare[name], hand_overs) for name, rates in found.items()},
    }


def row(rates: list[tuple[float, float]], bare: list[float], hand_overs: float) -> dict[str, float]:
    """Return the rates of one strategy, as medians, and as multiples of the ring's hand-overs."""
    executions, steps = (median(values) for values in zip(*rates, strict=True))
    return {
        "steps_per_execution": round(steps / executions, 1),
        "executions_per_s": round(executions, 1),
        "steps_per_s": round(steps),
        "times_ring": round(steps / hand_overs, 2),
        "times_ring_without_audit": round(median(bare) / hand_overs, 2),
    }


def throughput(case: Case, workers: int, seconds: float, spec: str) -> dict[str, Any]:
    """Return the executions per second of a campaign without twins, measured from WARM_SECONDS
    on.
    """
    settings = Settings(1, (case.scenario,), (case.profile,), SMALL, case.kernel, patch=case.patch, strategy="random")
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
    """Measure everything; the parallel machine only where it can run, and with the project's own
    catalogue, which has its workload.
    """
    seconds = selection.seconds

    async def rates() -> tuple[dict[str, Case], dict[str, Any]]:
        chosen = await extremes(selection, catalogue)
        measured = {which: await measure(case, seconds, catalogue) for which, case in chosen.items()}
        return chosen, {**measured, **await bench_native(chosen, seconds, catalogue)}

    chosen, data = trio.run(rates)
    case = chosen["smallest"]
    campaign = [throughput(case, workers, max(2.0, 2 * seconds), spec) for workers in (1, 2)]
    one, two = (row["executions_per_s"] for row in campaign)
    parallel = (
        None
        if why_not() or spec != DEFAULT_CATALOGUE
        else trio.run(bench_parallel, selection.profile, selection.kernel, selection.patch, catalogue)
    )
    return {
        **data,
        "parallel": parallel,
        "campaign": {"scenario": case.scenario, "rates": campaign, "two_over_one": round(two / one, 2) if one else 0.0},
    }
