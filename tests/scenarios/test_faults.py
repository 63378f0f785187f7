"""Each planted fault is found, in 6.9 and in 6.18 or in the first version that it is for, and the
very run that finds it is clean without it. The whole matrix is ``zapstress selfcheck``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sim.arch import x86_64
from sim.core.machine import site_info
from sim.core.pte import PFN_SHIFT, WRITE
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.errors import UsageError
from stress.execution.outcome import Outcome
from stress.execution.runner import open_runner
from stress.fault import kernels_of
from stress.machine.chance import RandomData, TapeData
from stress.strategies import Strategy
from stress.strategies.replay import Replay

EXECUTIONS_MAX = 2_000
"""Executions in which a fault must be found, round by round over its scenarios' parameter sets."""

ROUND = 16
"""Executions of one parameter set in a round."""

PROFILE = x86_64.PROFILES[0]

NOWHERE = site_info(0).name
"""What a checker names that has no step to name."""

CLEAR_PTE, CLEAR_DIRTY, UNLOCK_PTL, PUT, CLOSE, LOWER_PENDING = (
    "ptep_get_and_clear: clear pte",
    "folio_clear_dirty_for_io: clear PG_dirty",
    "pte_unmap_unlock: unlock ptl",
    "folios_put_refs: put references",
    "tlb_finish_mmu: close the gather",
    "tlb_finish_mmu: lower flush pending",
)
APPEND = "tlb_remove_folio_pages: append to the batch"
TABLE = "pte_free: free table page"


@dataclass(frozen=True)
class Row:
    """What the violation says that the fault's scenario shows: its signature. ``profile`` is where,
    if not on x86-64.
    """

    checker: str
    accused: str
    victim: str = NOWHERE
    profile: str = PROFILE.name


WHERE = {
    "C01": Row("I8", "folio_remove_rmap_ptes: mapcount -1"),
    "C02": Row("I27", CLEAR_DIRTY, CLEAR_PTE),
    "C03": Row("I27", CLEAR_DIRTY, CLEAR_PTE),
    "C04": Row("O18", CLEAR_PTE),
    "C05": Row("I7", "folio_remove_rmap_ptes: mapcount -1", APPEND),
    "C16": Row("I11q", "folio_add_rmap_ptes: nr_pages_mapped +1"),
    "M01": Row("I3", APPEND, CLEAR_PTE),
    "M02": Row("O16", CLEAR_PTE),
    "M03": Row("O14", CLEAR_PTE),
    "M04": Row("O14", CLEAR_PTE),
    "M05": Row("I5", CLOSE),
    "M06": Row("I3", PUT, APPEND),
    "M07": Row("I3", PUT),
    "M08": Row("I7", CLEAR_PTE, APPEND),
    "M09": Row("I7", "tlb_flush_rmap_batch: mapcount -1", APPEND),
    "M11": Row("I35", APPEND),
    "M13": Row("I35", APPEND),
    "M14": Row("I21", PUT, CLEAR_PTE),
    "M15": Row("I21", PUT, CLEAR_PTE),
    "M16": Row("I7", CLEAR_PTE, APPEND),
    "M17": Row("I35", APPEND),
    "M18": Row("I18", "add_mm_rss_vec: fold rss", CLEAR_PTE),
    "M19": Row("I29", UNLOCK_PTL, CLEAR_PTE),
    "M20": Row("I29", UNLOCK_PTL, CLEAR_PTE),
    "M21": Row("I27", CLEAR_DIRTY, CLEAR_PTE),
    "M22": Row("I7", CLEAR_PTE, APPEND, "s390x"),
    "M23": Row("I5", CLOSE, profile="s390x"),
    "M25": Row("I21", PUT, CLEAR_PTE),
    "M29": Row("I43", APPEND),
    "M30": Row("I8", "folio_remove_rmap_ptes: mapcount -1"),
    "M32": Row("I7", CLEAR_PTE, APPEND),
    "M33": Row("I23", LOWER_PENDING, CLEAR_PTE, "ppc64-hash"),
    "M34": Row("I23", "do_vmi_align_munmap: unlock mmap", CLEAR_PTE, "ppc64-hash"),
    "M35": Row("I43", APPEND),
    "N04": Row("I23", LOWER_PENDING, CLEAR_PTE),
    "N06": Row("I23", LOWER_PENDING, CLEAR_PTE),
    "N31": Row("I21", PUT, CLEAR_PTE),
    "N35": Row("I21", PUT, CLEAR_PTE, "riscv64"),
    "N37": Row("I21", PUT, CLEAR_PTE, "s390x"),
    "N39": Row("I22", PUT),
    "N40": Row("I21", PUT, CLEAR_PTE),
    "N41": Row("I22", TABLE, "hardware_walk: fill walk cache"),
    "N42": Row("I10", "folio_add_large_mapcount: raise large mapcount"),
}
"""Fault -> its row where the search finds it first."""

TOTAL = "folio_sub_large_mapcount: lower large mapcount"

IN_6_18 = {
    "C01": Row("I9", TOTAL),
    "M01": Row("I9", TOTAL),
    "N31": Row("I21", "user_store: store through TLB", "free_unref_folios: lock zone"),
    "N39": Row("I22", TABLE),
}
"""The rows of 6.18 that differ: the total mapcount is the first to be wrong, tables go through RCU,
and other executions are the first to fail.
"""


def cases(fault: str, profile: str, kernel: str) -> list[Case]:
    """Return a case per parameter set of the fault's scenario."""
    scenario = CATALOGUE.fault_class(fault).scenario  # type: ignore[attr-defined]
    sets = CATALOGUE.scenario_class(scenario).parameters(CATALOGUE.profile(profile).at(kernel), "small")
    return [Case(scenario, tuple(sorted(params.items())), profile, kernel=kernel, faults=(fault,)) for params in sets]


def portfolio() -> Iterator[Strategy]:
    """Yield strategies to take in turn, for ever."""
    made = [CATALOGUE.strategy(name) for name in ("pct", "random", "round-robin", "surw")]
    while True:
        yield from made


async def find(fault: str, profile: str, kernel: str) -> Outcome | None:
    """Return the outcome that finds the fault, with its replay without the fault checked."""
    strategies, seed = portfolio(), 0
    for number in range(EXECUTIONS_MAX // ROUND):
        waiting = cases(fault, profile, kernel)
        async with open_runner(waiting[number % len(waiting)]) as runner:
            for _ in range(ROUND):
                seed += 1
                data = RandomData(seed)
                outcome = runner.run(next(strategies), seed, data)
                assert outcome.verdict.kind in ("clean", "violation"), outcome.verdict.reason
                if outcome.verdict.kind == "violation":
                    if not outcome.finished.setup:
                        await clean_without(runner.case, runner.machine.schedule(), data.tapes)
                    return outcome
    return None


async def clean_without(case: Case, schedule: list[tuple[int, int]], tapes: dict[int, list[int]]) -> None:
    """The same choices, as far as they go, and then any, lead to no violation without the fault."""
    sound = Case(case.scenario, case.params, case.profile, kernel=case.kernel)
    async with open_runner(sound) as runner:
        outcome = runner.run(Replay(schedule, tolerant=True), 0, TapeData(tapes))
        assert outcome.verdict.kind == "clean", outcome.verdict.reason


def test_every_fault_is_here() -> None:
    assert sorted(CATALOGUE.faults()) == sorted(WHERE)
    for fault, row in WHERE.items():
        silent = CATALOGUE.fault_class(fault).silent  # type: ignore[attr-defined]
        assert row.profile not in silent and (row.profile == PROFILE.name or PROFILE.name in silent)


def test_a_fault_of_other_versions_is_refused() -> None:
    """One of one version is planted there alone; a fault that names none, everywhere."""
    assert CATALOGUE.fault_for("N40", "6.12") and CATALOGUE.fault_for("N39", "7.3")
    with pytest.raises(UsageError, match="^fault N40 is for kernel 6.12, not 6.9; give --kernel 6.12 with it$"):
        CATALOGUE.fault_for("N40", "6.9")


def test_silent_profiles_exist_and_have_a_reason() -> None:
    for fault in CATALOGUE.faults():
        silent = CATALOGUE.fault_class(fault).silent  # type: ignore[attr-defined]
        places = [key.partition(" ") for key in silent]
        assert {profile for profile, _, _ in places} <= set(CATALOGUE.profiles()) and all(silent.values())
        assert {kernel for _, _, kernel in places} <= {"", *CATALOGUE.kernels()}


@pytest.mark.parametrize(
    ("fault", "kernel"),
    [
        (fault, kernel)
        for fault in sorted(WHERE)
        for kernel in kernels_of(CATALOGUE.fault_class(fault)) or ("6.9", "6.18")
    ],
)
async def test_fault_is_found(fault: str, kernel: str) -> None:
    """Found, by the checker whose business it is, which names both steps."""
    row = IN_6_18.get(fault, WHERE[fault]) if kernel == "6.18" else WHERE[fault]
    outcome = await find(fault, row.profile, kernel)
    assert outcome is not None and outcome.verdict.violation is not None
    found = outcome.verdict.violation
    sites = site_info(found.accused).name, site_info(found.victim).name
    assert (row.checker, row.accused, row.victim) == (found.checker, *sites)


async def test_what_can_still_write_is_named() -> None:
    """I27's locations are the page's PG_dirty and the TLB cell that reaches the page. No cell spans
    a contiguous block here: a file that is written out is told of the first write to each page.
    """
    case = Case("munmap_vs_writeback", (("dirty", 1), ("order", 2), ("quiet", 0)), "arm64-4k", faults=("C02",))
    strategy = CATALOGUE.strategy("pct")
    async with open_runner(case) as runner:
        for seed in range(100):
            violation = runner.run(strategy, seed, RandomData(seed)).verdict.violation
            if violation is not None and violation.checker == "I27":
                break
        assert violation is not None and violation.checker == "I27"
        (_, page, _), (name, cell, _) = violation.locations
        entry = runner.arena[name].view[cell]
    assert ("tlb", WRITE, page) == (name, entry & WRITE, entry >> PFN_SHIFT)
