"""Proofs within a campaign: which case is next, what becomes of it, and the table."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from stress.campaign.proving.compiled import Compiled
from stress.campaign.proving.levels import FACTOR, FIRST_SECONDS, LEVELS, level_of, seconds_of
from stress.campaign.proving.orders import FILL_EVERY, PROMISE_MIN, SLICES, TRUSTED_SECONDS, Proving
from stress.campaign.proving.table import cell, lines
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.native.compilers import QUICK
from stress.native.kernels import KernelKey, searchable
from stress.native.proofs.result import PROVED, UNFINISHED, VIOLATED_KIND
from stress.workers.measure.proving import proved
from stress.workers.messages import ProveAnswer, ProveOrder
from stress.workers.settings import PROVE_SHARE
from tests.stress.native.compiled import cache_in, cases, needs_compiler

FAR, NEAR = KernelKey("far"), KernelKey("near")
CASES = {
    number: Case(scenario, (("order", order),), profile, "small")
    for number, (order, scenario, profile) in enumerate(
        ((order, scenario, profile) for order in (0, 1) for scenario in "ab" for profile in ("far", "near")), 1
    )
}
"""a on far and near, b on both, and the same with another parameter."""
LENGTHS = {("a", "small"): 90.0, ("b", "small"): 40.0}
"""Steps of an execution."""


def answer(kind: str, seconds: float = 0.05, time_was_up: bool = True) -> ProveAnswer:
    return ProveAnswer(
        kind=kind, words="", states=7, transitions=9, classes=2, seconds=seconds,
        time_was_up=time_was_up and kind == UNFINISHED,
    )  # fmt: skip


class Bench:
    """A campaign's proving, beside sampling that has taken ``sampled_s``."""

    def __init__(self, sampled_s: float = 1e6, known: tuple[tuple[int, str, float], ...] = ()) -> None:
        self.retired: list[int] = []
        self.recorded: list[tuple[int, str]] = []
        self.compiled = {FAR, NEAR}
        store: Any = SimpleNamespace(
            proofs=lambda: known,
            directory=Path("dir"),
            proved=lambda number, found: self.recorded.append((number, found.kind)),
        )
        self.lengths = dict(LENGTHS)
        self.plan: Any = SimpleNamespace(
            spent=sampled_s, retire=self.retired.append, lengths=lambda: self.lengths, issued=0
        )
        plans: Any = [self.plan]
        self.proving = Proving(store, CASES, plans, lambda key: key in self.compiled)

    def next(self, left_s: float = 1e6) -> ProveOrder | None:
        return self.proving.order(left_s)

    def slices(self, *answers: ProveAnswer) -> list[tuple[int, float]]:
        """Have slices made with these results; return their cases and lengths."""
        had = []
        for found in answers:
            order = self.next()
            assert order is not None
            had.append((order.number, order.seconds))
            self.proving.took(order, found)
        return had


def test_what_is_expected_to_end_soonest_comes_first() -> None:
    """The short executions of b are looked at first. These do not end, and those of a do, on all
    profiles; one of b then tells where the others are expected.
    """
    no, yes = answer(UNFINISHED), answer(PROVED)
    second, third, fourth = (FIRST_SECONDS * FACTOR**level for level in (1, 2, 3))
    late = answer(PROVED, third)
    bench = Bench()
    assert [(n, FIRST_SECONDS) for n in (3, 1, 2, 5, 6)] == bench.slices(no, yes, yes, yes, yes)
    assert [1, 2, 5, 6] == bench.retired
    assert [(3, second), *((n, third) for n in (3, 4, 7))] == bench.slices(no, late, late, no)
    assert [(7, fourth)] == bench.slices(yes)


def test_of_an_unknown_scenario_one_case_is_tried_at_a_time() -> None:
    bench = Bench()
    out = [bench.next(), bench.next()]
    assert [3, 1] == [order.number for order in out if order is not None]
    assert bench.next() is None, "what is out tells soon where the others are expected"
    assert out[0] is not None
    bench.proving.took(out[0], answer(PROVED))
    assert [4] == [order.number for order in [bench.next()] if order is not None]


def test_what_is_settled_is_not_tried_again_and_an_earlier_run_has_taught() -> None:
    bench = Bench(known=((3, PROVED, 0.01), (4, "not_reached", 0.01), (1, UNFINISHED, FIRST_SECONDS)))
    assert [3] == bench.retired
    assert [(7, FIRST_SECONDS)] == bench.slices(answer(PROVED))
    assert ([3, 7], [(7, PROVED)]) == (bench.retired, bench.recorded)
    assert [8, 1, 8] == [number for number, _ in bench.slices(*[answer(UNFINISHED)] * 3)]


def test_what_cannot_end_is_not_begun() -> None:
    """Not where memory or a limit has ended its like, and not right before the campaign's end."""
    limit = answer(UNFINISHED, time_was_up=False)
    bench = Bench()
    assert [3, 1] == [number for number, _ in bench.slices(limit, limit)]
    assert bench.next() is None
    assert Bench().next(FIRST_SECONDS / 2) is None


def test_proving_keeps_to_its_share() -> None:
    bench = Bench(2 * FIRST_SECONDS - 0.01)
    assert bench.next() is None
    bench.plan.spent = 2 * FIRST_SECONDS + 0.01
    order = bench.next()
    assert order is not None
    assert bench.next() is None, "what is out counts as spent"
    bench.proving.died(order)
    assert bench.proving.spent_s <= PROVE_SHARE * (bench.proving.spent_s + bench.plan.spent)
    bench.plan.spent = 1e6
    assert [(4, FIRST_SECONDS)] == bench.slices(answer(PROVED)), "not the one of the dead"


def test_where_nothing_ends_little_is_spent() -> None:
    bench = Bench()
    bench.proving.slices.extend([(TRUSTED_SECONDS, False)] * SLICES)
    assert PROMISE_MIN == bench.proving.promise
    bench.plan.spent = FIRST_SECONDS / (PROVE_SHARE * PROMISE_MIN) - FIRST_SECONDS - 0.01
    assert bench.next() is None
    bench.plan.spent += 0.02
    assert [3] == [number for number, _ in bench.slices(answer(PROVED))]
    bench.proving.slices.extend([(1.0, True)] * SLICES)
    assert 1.0 == bench.proving.promise


def test_proofs_can_be_left_out() -> None:
    bench = Bench()
    bench.proving.share = 0.0
    assert bench.next() is None


def test_a_kernel_is_waited_for() -> None:
    bench = Bench()
    bench.compiled = set()
    assert bench.next() is None
    bench.compiled = {NEAR}
    assert [(4, FIRST_SECONDS)] == bench.slices(answer(PROVED))
    bench.compiled = {NEAR, FAR}
    assert [(3, FIRST_SECONDS)] == bench.slices(answer(PROVED)), "the first parameter set, before the second on near"


def test_of_an_unknown_scenario_the_length_of_its_executions_tells() -> None:
    bench = Bench()
    bench.lengths = {}
    assert bench.next() is None, "nothing was sampled"
    bench.lengths = {("a", "small"): 1000.0, ("b", "small"): 200.0}
    assert bench.next() is None, "it is not looked again at once"
    bench.plan.issued += FILL_EVERY
    assert [(3, FIRST_SECONDS * FACTOR)] == bench.slices(answer(UNFINISHED, time_was_up=False))
    assert bench.next() is None, "b cannot end, and a is too long"


def test_levels() -> None:
    lengths = [seconds_of(level) for level in range(LEVELS)]
    assert list(range(LEVELS)) == [level_of(seconds) for seconds in lengths]
    assert LEVELS == level_of(lengths[-1] + 1)


def test_it_is_looked_now_and_then_whether_a_kernel_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    now, kept, looks = [100.0], False, 0

    def is_kept(file: Path) -> bool:
        nonlocal looks
        looks += 1
        return kept

    monkeypatch.setattr("stress.campaign.proving.compiled.monotonic", lambda: now[0])
    monkeypatch.setattr("stress.campaign.proving.compiled.is_kept", is_kept)
    compiled, key = Compiled(CATALOGUE), KernelKey("x86-64")
    assert (False, False, 2) == (compiled.has(key), compiled.has(key), looks), "at both levels, once"
    kept = True
    assert not compiled.has(key)
    now[0] += 1.0
    assert (True, True, 3) == (compiled.has(key), compiled.has(key), looks)


def test_the_table() -> None:
    def row(scenario: str, profile: str, cases: int, proved: int, sampled: int, risk: float) -> dict[str, Any]:
        names = {"scenario": scenario, "profile": profile}
        return {**names, "cases": cases, "proved": proved, "sampled": sampled, "sampled_risk": risk}

    rows = [
        row("a", "x86-64", 2, 2, 0, 0.0),
        row("a", "s390x", 3, 1, 1, 0.0421),
        row("bb", "x86-64", 1, 0, 0, 0.0),
        row("bb", "s390x", 3, 1, 0, 0.0),
    ]
    assert ["proved", "1+1/3 0.042", "-", "1+0/3"] == [cell(row) for row in rows]
    assert [
        "    s390x        x86-64",
        "a   1+1/3 0.042  proved",
        "bb  1+0/3        -",
    ] == list(lines(rows))[1:]


@needs_compiler
def test_a_worker_proves_and_finds(tmp_path: Path) -> None:
    """The certificate comes with the answer; a violation is a failure that Python has replayed."""

    def slice_of(scenario: str, faults: tuple[str, ...] = (), compiled: bool = True) -> ProveAnswer:
        case = cases(scenario, "x86-64", "6.9", faults=faults)[0]
        library = searchable(KernelKey.of(case), [scenario], CATALOGUE, QUICK) if compiled else None
        order = ProveOrder(number=1, case=case, seconds=20.0, left_s=60.0)
        return trio.run(proved, order, library, CATALOGUE)

    with cache_in(tmp_path):
        later, clean = (slice_of("munmap_vs_access", compiled=compiled) for compiled in (False, True))
        broken = slice_of("dontneed_vs_dontneed", ("M25",))
    assert (UNFINISHED, True, b"") == (later.kind, later.time_was_up, later.certificate)
    assert (PROVED, None) == (clean.kind, clean.failure)
    assert b'"munmap_vs_access"' in clean.certificate and clean.file.endswith(".json")
    assert VIOLATED_KIND == broken.kind and broken.failure is not None
    assert broken.failure.trace is not None and broken.failure.report
