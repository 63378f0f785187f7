"""Strategies are judged by what they find: the planted faults that need a schedule."""

from __future__ import annotations

from typing import Any

import pytest

from stress.bench.search import Hunts, bench_fault, faults_of_depth, place_of, summary, text
from stress.catalogue import CATALOGUE
from stress.errors import UsageError
from stress.machine.driver import run_plain
from stress.native.kernels import STRATEGIES
from stress.sources import ROOT
from stress.workers.settings import PORTFOLIO_NAME
from tests.stress.native.compiled import needs_compiler


def hunts(*executions: int, found: int = 0) -> dict[str, Any]:
    """Return what came of searches that took so many executions, a millisecond each."""
    made = Hunts(found or len(executions), list(executions), [each / 1000 for each in executions])
    return made.data()


def test_medians_are_of_strategies_that_mostly_find() -> None:
    assert {"found": 2, "searches": 3, "executions": 7, "seconds": 0.007} == hunts(5, 7, 100, found=2)
    assert {"found": 1, "searches": 3, "executions": None, "seconds": None} == hunts(5, 100, 100, found=1)


def test_the_portfolio_is_compared_with_the_best_single_strategy() -> None:
    """A strategy that finds nothing is nobody's best; what random misses is named."""
    rows = [
        {"fault": "A", "depth": 2, "profile": "p", "kernel": "6.12", "scenario": "s", "strategies": strategies}
        for strategies in (
            {"random": hunts(90, 90, 90, found=1), "pct": hunts(4, 6, 8), PORTFOLIO_NAME: hunts(9, 9, 9)},
        )
    ]
    data = {"executions_max": 90, "seeds": 3, "rows": rows, **summary(rows)}
    assert ({"A": "pct"}, {"A": 1.5}, ["A"]) == (data["best"], data["portfolio_over_best"], data["random_misses"])
    assert "| A | 2 | s on p, 6.12 | 1 of 3 | **6 (6.0 ms)** | 9 (9.0 ms) |" in text(data)


def test_faults_that_need_no_schedule_judge_nothing() -> None:
    assert {"C02", "M21", "N06"} <= set(faults_of_depth((), CATALOGUE))
    assert ["C02"] == faults_of_depth(("M05", "C02"), CATALOGUE)
    with pytest.raises(UsageError, match="none of these faults is of depth 2 or more"):
        faults_of_depth(("M05",), CATALOGUE)


def test_a_fault_is_searched_for_where_it_can_show() -> None:
    assert ("x86-64", "6.9", "munmap_vs_writeback") == place_of("C02", CATALOGUE)
    assert ("s390x", "6.9", "lazy_cpu") == place_of("N37", CATALOGUE)
    assert ("x86-64", "6.12", "lazy_cpu") == place_of("N40", CATALOGUE)


@needs_compiler
def test_searches_count_the_same_executions_each_time() -> None:
    """The random walk is given up where pct finds; the portfolio finds too."""
    names = ("random", "pct", PORTFOLIO_NAME)
    first, again = (run_plain(bench_fault("N39", names, 3, 300, CATALOGUE))["strategies"] for _ in range(2))
    assert [first[name]["executions"] for name in names] == [again[name]["executions"] for name in names]
    assert (0, None) == (first["random"]["found"], first["random"]["executions"])
    assert (3, 3) == (first["pct"]["found"], first[PORTFOLIO_NAME]["found"])


def test_the_page_has_every_fault_and_every_strategy() -> None:
    lines = (ROOT / "docs/strategies.md").read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("| fault | depth |"))
    assert [*STRATEGIES, PORTFOLIO_NAME] == lines[at].strip("| ").split(" | ")[3:]
    rows = [line.split()[1] for line in lines[at + 2 :] if line.startswith("|")]
    assert sorted(faults_of_depth((), CATALOGUE)) == sorted(rows)
