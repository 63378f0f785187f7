"""Proofs within a campaign: which case is next, what becomes of it, and the table."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import trio

from stress.campaign.proving.orders import FIRST_SECONDS, SHARE, Proving
from stress.campaign.proving.table import cell, lines
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.native.compilers import QUICK
from stress.native.kernels import KernelKey, searchable
from stress.native.proofs.result import PROVED, UNFINISHED, VIOLATED_KIND
from stress.workers.measure.proving import proved
from stress.workers.messages import ProveAnswer, ProveOrder
from tests.stress.native.compiled import cache_in, cases, needs_compiler

MEANS = {1: 90.0, 2: 40.0, 3: 70.0, 4: 5000.0}
"""Steps of an execution, by case; the last is too long to be tried."""


def answer(kind: str, seconds: float = 0.25) -> ProveAnswer:
    return ProveAnswer(
        kind=kind, words="", states=7, transitions=9, classes=2, seconds=seconds, time_was_up=kind == UNFINISHED
    )


class Bench:
    """A campaign's proving, beside sampling that has taken ``sampled_s``."""

    def __init__(self, sampled_s: float, known: dict[int, str] | None = None) -> None:
        self.retired: list[int] = []
        self.recorded: list[tuple[int, str]] = []
        store: Any = SimpleNamespace(
            proofs=lambda: known or {},
            steps_of_cases=lambda: MEANS,
            directory=Path("dir"),
            proved=lambda number, found: self.recorded.append((number, found.kind)),
        )
        self.plan: Any = SimpleNamespace(spent=sampled_s, retire=self.retired.append)
        every = {number: Case("munmap_vs_access", (), "x86-64", "small", "6.9") for number in MEANS}
        self.proving = Proving(store, every, [self.plan], CATALOGUE)
        self.proving.is_there = lambda key: True  # type: ignore[assignment,method-assign]

    def next(self) -> ProveOrder | None:
        return self.proving.order(60.0)


def test_the_smallest_come_first_and_then_each_again_for_longer() -> None:
    bench, had = Bench(1e6), []
    for _ in range(6):
        order = bench.next()
        assert order is not None
        had.append((order.number, order.seconds))
        bench.proving.took(order, answer(UNFINISHED))
    assert [(number, FIRST_SECONDS * times) for times in (1, 2) for number in (2, 3, 1)] == had


def test_what_is_settled_is_not_tried_again_and_what_is_proved_not_sampled() -> None:
    bench = Bench(1e6, {3: PROVED, 1: "not_reached"})
    assert [3] == bench.retired
    order = bench.next()
    assert order is not None and 2 == order.number
    assert bench.next() is None, "the only one left is out"
    assert [] == bench.proving.took(order, answer(PROVED))
    assert ([3, 2], [(2, PROVED)]) == (bench.retired, bench.recorded)
    assert bench.next() is None


def test_proving_keeps_to_its_share() -> None:
    bench = Bench(2 * FIRST_SECONDS - 0.01)
    assert bench.next() is None
    bench.plan.spent = 3 * FIRST_SECONDS
    order = bench.next()
    assert order is not None
    assert bench.next() is None, "what is out counts as spent"
    bench.proving.died(order)
    assert bench.proving.spent_s <= SHARE * (bench.proving.spent_s + bench.plan.spent)
    bench.plan.spent = 1e6
    assert [3, 1] == [found.number for _ in range(2) if (found := bench.next()) is not None], "not the one of the dead"


def test_a_kernel_is_waited_for() -> None:
    bench = Bench(1e6)
    there: list[bool] = []
    asked: Any = lambda key: bool(there)  # noqa: E731
    asked.cache_clear = lambda: None
    bench.proving.is_there = asked
    assert bench.next() is None
    there.append(True)
    assert bench.next() is not None


def test_the_table() -> None:
    rows = [
        {"scenario": "a", "profile": "x86-64", "cases": 2, "opened": 2, "proved": 2, "risk": 0.0},
        {"scenario": "a", "profile": "s390x", "cases": 3, "opened": 1, "proved": 1, "risk": 0.0421},
        {"scenario": "bb", "profile": "x86-64", "cases": 1, "opened": 0, "proved": 0, "risk": 1.0},
    ]
    assert ["proved", "1/3 0.042", "-"] == [cell(row) for row in rows]
    assert ["    s390x      x86-64", "a   1/3 0.042  proved", "bb             -"] == list(lines(rows))[1:]


@needs_compiler
def test_a_worker_proves_and_finds(tmp_path: Path) -> None:
    """The certificate comes with the answer; a violation is a failure that Python has replayed."""

    def slice_of(scenario: str, faults: tuple[str, ...] = (), compiled: bool = True) -> ProveAnswer:
        case = cases(scenario, "x86-64", "6.9", faults=faults)[0]
        library = searchable(KernelKey.of(case), [scenario], CATALOGUE, QUICK) if compiled else None
        order = ProveOrder(number=1, case=case, seconds=20.0, directory=str(tmp_path))
        return trio.run(proved, order, library, CATALOGUE)

    with cache_in(tmp_path):
        later, clean = (slice_of("munmap_vs_access", compiled=compiled) for compiled in (False, True))
        broken = slice_of("dontneed_vs_dontneed", ("M25",))
    assert (UNFINISHED, True, b"") == (later.kind, later.time_was_up, later.certificate)
    assert (PROVED, None) == (clean.kind, clean.failure)
    assert b'"munmap_vs_access"' in clean.certificate and clean.file.endswith(".json")
    assert VIOLATED_KIND == broken.kind and broken.failure is not None
    assert broken.failure.trace is not None and broken.failure.report
