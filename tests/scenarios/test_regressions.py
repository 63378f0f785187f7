"""False alarms that the scenarios once raised on the sound kernel.

Each is kept as the old mistake itself, put back by a patch. Under one and the same search the
patched tester must still raise the alarm, and the present one must not. So each test shows that the
search reaches what the mistake was about, whatever the steps of the model have become since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from sim.hardware.tlb import LET_GO
from stress.case import Case
from stress.catalogue import CATALOGUE, Catalogue
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.machine.protocols import Verdict

EXECUTIONS_MAX = 800
"""Executions in which an old mistake must show."""

EXECUTIONS = 80
"""Executions that must be clean without the mistake, and more if it took more to show."""


def in_group(name: str, part: type) -> type:
    """Return a patch of the checkers that puts ``part`` in front of the group called ``name``."""

    def patched(group: type) -> type:
        return type(group.__name__, (part, group), {}) if vars(group).get("name") == name else group

    class Patch:
        component = "checks"

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.groups: tuple[type, ...] = tuple(map(patched, self.groups))

    return Patch


# -- the old mistakes --------------------------------------------------------------------------------------------------


class AllThatIsGoneIsZapped:
    """Every page between the first and the last that a gather's owner has cleared counts as zapped,
    also one that is mapped again.
    """

    def _cleared_here(self, tlb: int, mm: int, addr: int) -> bool:
        return True


class OpeningForgetsNothing(AllThatIsGoneIsZapped):
    """What was cleared before a gather opened is due in its range."""

    def opened(self, tlb: int) -> None:
        self.gather_refs[tlb] = 0  # type: ignore[attr-defined]


class ClearedWithoutGather:
    """A page cleared with no gather open is noted for the next one."""

    def _removed(self, addr: int, at: int, old: int, who: int) -> None:
        super()._removed(addr, at, old, who)  # type: ignore[misc]
        gather = self.k.checks.gather  # type: ignore[attr-defined]
        if who < self.w.cpus and not self.gather_open[who]:  # type: ignore[attr-defined]
            lo, hi = gather.unflushed_lo[who], gather.unflushed_hi[who]
            gather.unflushed_lo[who], gather.unflushed_hi[who] = min(lo, addr) if hi else addr, max(hi, addr + 1)


class HandsArePages:
    """A dirty bit in somebody's hand covers its own page, and no other of a contiguous block."""

    def _block_dirty(self, *args: Any) -> bool:
        hands: memoryview = self.dirty_hand
        self.dirty_hand = memoryview(bytes(hands.nbytes)).cast("q")
        try:
            return bool(super()._block_dirty(*args))  # type: ignore[misc]
        finally:
            self.dirty_hand = hands


class DeadMmRuns:
    """A CPU can use what its TLB has of an mm that nobody uses any more."""

    component = "tlbflush"

    def usable(self, cpu: int, mm: int) -> bool:
        k = self.k.tlbflush  # type: ignore[attr-defined]
        noted = k.context_flush_mm.view[mm] or k.context_lock.view[mm]
        return bool(k.cpu_mm[cpu] == mm + 1 and not (noted and k.op[cpu]))


class OnlyItsOwnFlush:
    """A noted flush covers a CPU inside the kernel while that CPU, and no other, makes up for it."""

    component = "tlbflush"

    def usable(self, cpu: int, mm: int) -> bool:
        k = self.k.tlbflush  # type: ignore[attr-defined]
        noted = k.context_flush_mm.view[mm] or k.context_lock.view[mm] == cpu + 1
        return bool(k.cpu_mm[cpu] == mm + 1 and k.mm_users.view[mm] > 0 and not (noted and k.op[cpu]))


class MissesAreForgotten:
    """The snoop filter forgets a CPU whose TLB is empty, also one whose thread is in a miss."""

    component = "tlb"

    async def let_go(self, cpu: int, mm: int) -> None:
        tlb = self.k.tlb  # type: ignore[attr-defined]
        here = cpu * tlb.w.mms + mm
        cells = ((tlb.tlb, tlb.w.vpages), (tlb.tlb_span, len(tlb.tlb_span) // tlb.w.mms // tlb.w.cpus))
        caches = any(
            any(column.view[here * n : here * n + n].tolist()) for column, n in (*cells, (tlb.walk_cache, tlb.per_mm))
        )
        if tlb.caching[here] and not caches:
            tlb.caching[here] = 0
            await tlb.m.rmw(LET_GO, tlb.tlb_holders, mm, lambda mask: mask & ~(1 << cpu))


class LazyCpusFillForUse:
    """What a CPU fills on speculation counts as usable, also if the CPU is lazy."""

    def _outdated(self, cpu: int, mm: int, page: int) -> None:
        what = f"cpu{cpu} fills its TLB with page {page}, which has been freed since it read the entry"
        self.violated("I21", what, self.k.checks.freed_at(page), [("page_ref", page, 0)])  # type: ignore[attr-defined]


# -- the alarms --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alarm:
    """A mistake, the checker that it made cry wolf, and a case in which it does."""

    checker: str
    mistakes: tuple[type, ...]
    scenario: str
    params: dict[str, int]
    profile: str

    def case(self, *faults: str) -> Case:
        """Return the case, with ``faults`` planted."""
        return Case(self.scenario, tuple(sorted(self.params.items())), self.profile, faults=faults)


ALARMS = {
    "the rest of a block, which contpte_convert clears and writes again, taken for part of the zap": Alarm(
        "I39",
        (in_group("checks_gather", AllThatIsGoneIsZapped),),
        "dontneed_vs_dontneed",
        {"order": 2, "overlap": 1},
        "arm64-4k",
    ),
    "what a fault, with no gather open, had unfolded, taken for part of a later zap": Alarm(
        "I39",
        (in_group("checks_entries", ClearedWithoutGather), in_group("checks_gather", OpeningForgetsNothing)),
        "contiguous",
        {"blocks": 1, "quiet": 0, "uffd": 0, "writeback": 0},
        "arm64-64k",
    ),
    "a store through a block's entry, while another page's dirty bit was in the zapper's hand": Alarm(
        "I26",
        (in_group("checks_dirty", HandsArePages),),
        "munmap_vs_writeback",
        {"order": 3, "dirty": 2, "quiet": 1},
        "arm64-4k",
    ),
    "the TLB entries of a dead mm, taken for usable": Alarm(
        "I21", (DeadMmRuns,), "fork_vs_munmap", {"order": 0, "half": 0}, "s390x"
    ),
    "a CPU inside its own zap, taken for one in user mode while another made up for its flush": Alarm(
        "I21", (OnlyItsOwnFlush,), "lazy_cpu", {"other": 1, "unmap": 1}, "s390x"
    ),
    "a CPU that the snoop filter had forgotten: its hardware left it while its thread was in a miss": Alarm(
        "I22", (MissesAreForgotten,), "nonpresent", {"way": 0}, "arm64-16k"
    ),
    "a lazy CPU that had read an entry on speculation and filled it late, which no flush waits for": Alarm(
        "I21", (in_group("checks_tlb", LazyCpusFillForUse),), "speculating_cpu", {"thread": 1}, "x86-64"
    ),
}


class Mistaken(Catalogue):
    """The catalogue whose faults are old mistakes, by number."""

    def __init__(self, mistakes: tuple[type, ...]) -> None:
        self.mistakes = mistakes

    def fault_class(self, name: str) -> type:
        return self.mistakes[int(name)]


async def search(case: Case, catalogue: Catalogue, executions: int) -> tuple[int, Verdict]:
    """Execute ``case`` until an execution is not clean, at most ``executions`` times; return how
    many it took, and the verdict of the last.
    """
    strategies = [CATALOGUE.strategy(name) for name in ("random", "pct")]
    async with open_runner(case, catalogue=catalogue) as runner:
        for seed in range(executions):
            verdict = runner.run(strategies[seed % 2], seed, RandomData(seed)).verdict
            if verdict.kind != "clean":
                break
    return seed + 1, verdict


@pytest.mark.parametrize("what", ALARMS)
async def test_no_false_alarm(what: str) -> None:
    """With the old mistake the search raises the alarm; without it, it goes as far and further, and
    raises none.
    """
    alarm = ALARMS[what]
    planted = alarm.case(*map(str, range(len(alarm.mistakes))))
    taken, verdict = await search(planted, Mistaken(alarm.mistakes), EXECUTIONS_MAX)
    assert verdict.violation is not None, "the search no longer reaches what the old mistake was about"
    assert alarm.checker == verdict.violation.checker
    wanted = max(EXECUTIONS, taken)
    done, verdict = await search(alarm.case(), CATALOGUE, wanted)
    assert (wanted, "clean") == (done, verdict.kind), verdict.reason
