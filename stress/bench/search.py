"""How fast each strategy finds the planted faults that need a schedule: executions and seconds to
the first execution that shows a fault, in the scenario that shows it, the median over seeds.

The parameter sets of the scenario take turns, LEASE executions at a time, as in a campaign whose
only scenario it is; on x86-64, or the first profile where the fault can show, and in 6.9, or the
first version that the fault is for. What counts is executions of the native core, and its time. A
strategy learns from one execution of a parameter set to the next, and nothing from seed to seed.
``portfolio`` is the campaign's choice among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from sim.core.profile import SMALL
from stress.case import DEFAULT_KERNEL, Case
from stress.errors import UsageError
from stress.execution.runner import open_runner
from stress.fault import home_of
from stress.machine.chance import RandomData
from stress.native.kernels import STRATEGIES, KernelKey, library
from stress.native.runner import NativeCase
from stress.workers.plan.portfolio import Portfolio
from stress.workers.settings import PORTFOLIO_NAME

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.strategies import Strategy

DEPTH_MIN = 2
"""Faults of less depth say nothing about strategies: nearly every execution shows them."""

LEASE = 8
"""Executions of one parameter set in a row."""

SEED_SHIFT = 32
"""A search's seeds are counted from its number, shifted so far."""

BASELINE = "random"

USUAL = "x86-64"
"""The profile of a fault that can show there."""


@dataclass
class Hunts:
    """The searches of one strategy for one fault: executions and seconds of each, those that were
    given up too.
    """

    found: int = 0
    executions: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        """Return the medians as plain data; without executions if most searches were given up."""
        most = 2 * self.found > len(self.executions)
        return {
            "found": self.found,
            "searches": len(self.executions),
            "executions": median(self.executions) if most else None,
            "seconds": round(median(self.seconds), 5) if most else None,
        }


class Hunt:
    """One search for a fault: its cases by turns, under one strategy or the portfolio."""

    def __init__(self, cases: Sequence[NativeCase], name: str, number: int, catalogue: Catalogue) -> None:
        self.cases, self.number, self.catalogue = cases, number, catalogue
        self.name = name
        self.strategies: dict[tuple[int, str], Strategy] = {}
        self.portfolios = [Portfolio((number << SEED_SHIFT) + at) for at in range(len(cases))]
        self.seen: list[set[str]] = [set() for _ in cases]
        self.executions = 0
        self.seconds = 0.0

    def run(self, executions_max: int) -> bool:
        """Search; return whether the fault was found."""
        after = [self.number << SEED_SHIFT for _ in self.cases]
        while self.executions < executions_max:
            for at in range(len(self.cases)):
                if self.lease(at, after):
                    return True
        return False

    def lease(self, at: int, after: list[int]) -> bool:
        """Execute the next seeds of a case; return whether one shows the fault."""
        native, portfolio = self.cases[at], self.portfolios[at]
        name = portfolio.next() if self.name == PORTFOLIO_NAME else self.name
        strategy = self.strategy(at, name)
        end = after[at] + LEASE
        while after[at] < end:
            began = perf_counter()
            ran = native.run(strategy, after[at], end - after[at])
            self.seconds += perf_counter() - began
            made = ran.clean + (ran.why > 0)
            self.executions, after[at] = self.executions + made, after[at] + made
            if ran.why and self.shows(native, strategy, after[at] - 1):
                return True
        if self.name == PORTFOLIO_NAME:
            portfolio.shown(name, self.news(at))
        return False

    def strategy(self, at: int, name: str) -> Strategy:
        """Return the strategy of a case, which has learned from the case alone."""
        if (at, name) not in self.strategies:
            self.strategies[at, name] = self.catalogue.strategy(name)
        return self.strategies[at, name]

    def shows(self, native: NativeCase, strategy: Strategy, seed: int) -> bool:
        """Return whether the Python machine finds a violation where the native core gave up."""
        return native.runner.run(strategy, seed, RandomData(seed)).verdict.kind == "violation"

    def news(self, at: int) -> bool:
        """Return whether a lease has shown sites or pairs of operations that are new in its case."""
        counted = self.cases[at].take_counts()
        known = len(self.seen[at])
        self.seen[at].update(counted.visits, counted.overlaps)
        return len(self.seen[at]) > known


def faults_of_depth(chosen: Sequence[str], catalogue: Catalogue) -> list[str]:
    """Return the faults among ``chosen``, or all, that need a schedule. Raises UsageError if there
    is none.
    """
    found = [name for name in chosen or catalogue.faults() if depth_of(name, catalogue) >= DEPTH_MIN]
    if not found:
        raise UsageError(f"none of these faults is of depth {DEPTH_MIN} or more; zapstress list faults shows them")
    return found


def depth_of(fault: str, catalogue: Catalogue) -> int:
    """Return a fault's depth."""
    return int(getattr(catalogue.fault_class(fault), "depth", 0))


def place_of(fault: str, catalogue: Catalogue) -> tuple[str, str, str]:
    """Return the profile, the kernel version and the scenario where a fault is searched for."""
    cls: Any = catalogue.fault_class(fault)
    profiles = [profile for profile in catalogue.profiles() if profile not in cls.silent]
    return USUAL if USUAL in profiles else profiles[0], home_of(cls), cls.scenario


async def bench_fault(
    fault: str, strategies: Sequence[str], seeds: int, executions_max: int, catalogue: Catalogue
) -> dict[str, Any]:
    """Return the row of one fault."""
    profile, kernel, scenario = place_of(fault, catalogue)
    key = KernelKey(profile, kernel, (fault,))
    compiled, shape = library(key, [scenario], catalogue), catalogue.profile(profile).at(kernel)
    rows: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        cases = []
        for params in catalogue.parameters(scenario, shape, SMALL):
            case = Case(scenario, tuple(sorted(params.items())), profile, SMALL, kernel, (fault,))
            cases.append(
                NativeCase(compiled, await stack.enter_async_context(open_runner(case, "plain", catalogue=catalogue)))
            )
        for name in strategies:
            total = Hunts()
            for number in range(1, seeds + 1):
                search = Hunt(cases, name, number, catalogue)
                total.found += search.run(executions_max)
                total.executions.append(search.executions)
                total.seconds.append(search.seconds)
            rows[name] = total.data()
    place = {"profile": profile, "kernel": kernel, "scenario": scenario}
    return {"fault": fault, "depth": depth_of(fault, catalogue), **place, "strategies": rows}


async def bench_search(faults: Sequence[str], seeds: int, executions_max: int, catalogue: Catalogue) -> dict[str, Any]:
    """Return the rows of all ``faults``, and what they say together."""
    strategies = (*STRATEGIES, PORTFOLIO_NAME)
    rows = [await bench_fault(fault, strategies, seeds, executions_max, catalogue) for fault in faults]
    return {"seeds": seeds, "executions_max": executions_max, "rows": rows, **summary(rows)}


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the best single strategy of each fault, how the portfolio compares with it, and what
    the random walk misses.
    """
    best, over = {}, {}
    for row in rows:
        made = {name: cell["executions"] for name, cell in row["strategies"].items() if cell["executions"] is not None}
        single = {name: executions for name, executions in made.items() if name != PORTFOLIO_NAME}
        if single:
            best[row["fault"]] = min(single, key=single.__getitem__)
            if PORTFOLIO_NAME in made:
                over[row["fault"]] = round(made[PORTFOLIO_NAME] / single[best[row["fault"]]], 2)
    missed = [row["fault"] for row in rows if row["strategies"][BASELINE]["executions"] is None]
    return {"best": best, "portfolio_over_best": over, "random_misses": missed}


def text(data: dict[str, Any]) -> str:
    """Return the table of docs/strategies.md: median executions, and milliseconds."""
    names = list(data["rows"][0]["strategies"])
    out = [f"| fault | depth | scenario | {' | '.join(names)} |", "|---" * (3 + len(names)) + "|"]
    for row in data["rows"]:
        version = "" if row["kernel"] == DEFAULT_KERNEL else f", {row['kernel']}"
        where = f"{row['scenario']} on {row['profile']}{version}"
        cells = [cell(row["strategies"][name], data["best"].get(row["fault"]) == name) for name in names]
        out.append(f"| {row['fault']} | {row['depth']} | {where} | {' | '.join(cells)} |")
    missed = ", ".join(data["random_misses"]) or "none"
    out += ["", f"Not found by random in {data['executions_max']} executions (median of {data['seeds']}): {missed}."]
    return "\n".join(out)


def cell(found: dict[str, Any], best: bool) -> str:
    """Return one cell of the table."""
    if found["executions"] is None:
        return f"{found['found']} of {found['searches']}"
    words = f"{found['executions']:,.0f} ({1000 * found['seconds']:.1f} ms)"
    return f"**{words}**" if best else words
