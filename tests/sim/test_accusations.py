"""Code that is legal and was once accused, as small patches: each is clean. Its neighbour, which is
like it and wrong, is still found.
"""

from __future__ import annotations

from typing import Any

import pytest

from sim.core.machine import site
from sim.core.pte import DIRTY, WRITE, YOUNG
from stress.machine.chance import PLAIN, RandomData
from stress.strategies import Strategy
from tests.sim.programs import mutation, open_program, strategies

EXECUTIONS = 90

PATCHED = site("patch", "what the patch does", step=False)


async def findings(program: str, profile: str, *parts: type, kernel: str = "6.9") -> set[str]:
    """Return the invariants that EXECUTIONS executions of a program violate."""
    found = set()
    async with open_program(program, profile, parts, kernel) as runner:
        assert runner.failed is None
        portfolio = strategies()
        for seed in range(EXECUTIONS):
            violation = runner.run(portfolio[seed % 3], seed, RandomData(seed)).verdict.violation
            found |= {violation.checker} if violation is not None else set()
    return found


class Interrupted(Strategy):
    """Runs ``first`` for so many steps, then ``second`` as far as it gets; when the wanted one
    cannot run, others, hardware before threads, and ``first`` last.
    """

    name = "interrupted"
    free = 0

    def __init__(self, steps: int, first: int, second: int) -> None:
        self.steps, self.first, self.second = steps, first, second

    def start(self, seed: int, slots: int) -> None:
        """Nothing is drawn."""

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        wanted = self.first if step < self.steps else self.second
        return (
            wanted
            if wanted in enabled
            else next((slot for slot in reversed(enabled) if slot != self.first), self.first)
        )


async def interrupted(program: str, profile: str, first: int, second: int, *parts: type) -> set[str]:
    """Return the invariants that are violated if ``second`` interrupts ``first`` at any one step."""
    found, longest = set(), 1
    async with open_program(program, profile, parts) as runner:
        steps = 0
        while steps < longest:
            outcome = runner.run(Interrupted(steps, first, second), 0, PLAIN)
            violation = outcome.verdict.violation
            found |= {violation.checker} if violation is not None else set()
            longest, steps = max(longest, outcome.steps), steps + 1
    return found


# -- I24: an entry is cleared, and set again for the same page with fewer rights -------------------------------


async def modify_prot(self: Any, original: Any, cpu: int, mm: int, addr: int, ptep: int, nr: int) -> None:
    """ptep_modify_prot_start and _commit for each entry; the flush comes at the end of fork."""
    for k in range(nr):
        pte = await self.m.xchg(PATCHED, self.pte, ptep + k, 0)
        await self.m.store(PATCHED, self.pte, ptep + k, pte & ~WRITE)


async def ages_clean(self: Any, original: Any, cpu: int, mm: int, addr: int, ptep: int) -> bool:
    """Ageing that takes the dirty bit with the young one."""
    return bool(await self.m.rmw(PATCHED, self.pte, ptep, lambda pte: pte & ~YOUNG & ~DIRTY) & YOUNG)


async def nothing(self: Any, original: Any, *args: Any) -> None:
    """Leave the step out."""


MODIFY_PROT = mutation("pgtable", wrprotect_ptes=modify_prot)


@pytest.mark.parametrize("profile", ["x86-64", "riscv64", "ppc64-radix"])
async def test_rights_may_be_taken_in_a_batch_that_is_flushed_at_its_end(profile: str) -> None:
    assert set() == await findings("stay", profile, MODIFY_PROT)


async def test_rights_that_are_never_flushed_are_found() -> None:
    found = await findings("stay", "x86-64", MODIFY_PROT, mutation("fork", flush_parent=nothing))
    assert found and found <= {"I23", "I31", "I46"}


async def test_the_dirty_bit_of_an_anonymous_page_that_stays_mapped_is_not_lost() -> None:
    """A zap may forget it, as every clean program here does."""
    assert "I29" in await findings("aged", "x86-64", mutation("pgtable", ptep_clear_young=ages_clean))


# -- I29: a zap finds the folio dirty, and does not mark it -----------------------------------------------------


async def asks_first(self: Any, original: Any, folio: int) -> None:
    """folio_mark_dirty() for a folio that may be dirty already."""
    if not await self.m.load(PATCHED, self.page_dirty, folio):
        await original(folio)


async def asks_in_vain(self: Any, original: Any, folio: int) -> None:
    """The same, and what was read is not looked at."""
    await self.m.load(PATCHED, self.page_dirty, folio)


async def test_a_folio_that_is_found_dirty_need_not_be_marked() -> None:
    assert set() == await findings("zap", "x86-64", mutation("page_writeback", folio_mark_dirty=asks_first))
    found = await findings("zap", "x86-64", mutation("page_writeback", folio_mark_dirty=asks_in_vain))
    assert "I29" in found


# -- I27 on s390x: an entry under IPTE is invalid, and present -------------------------------------------------


async def walk_by_peek(
    self: Any, original: Any, cpu: int, folio: int, rmap_one: Any, sync: bool, shared_only: bool = False
) -> int:
    """A walk that takes the PTL only where it sees an entry that maps the page (no PVMW_SYNC)."""
    total: int = await original(cpu, folio, rmap_one, False, shared_only)
    return total


async def empty_under_ipte(self: Any, original: Any, cpu: int, mm: int, addr: int, ptep: int) -> int:
    """IPTE that leaves the entry empty while TLBs are being invalidated."""
    pte: int = await self.m.xchg(PATCHED, self.pte, ptep, 0)
    await self.k.tlbflush.flush(cpu, mm, addr, addr + 1, False)
    await self.m.store(PATCHED, self.pte, ptep, pte)
    return pte


WALK_BY_PEEK = mutation("rmap", rmap_walk=walk_by_peek)


async def test_a_walk_that_only_peeks_sees_an_entry_under_ipte() -> None:
    assert set() == await findings("single", "s390x", WALK_BY_PEEK)
    assert set() == await interrupted("single", "s390x", 0, 2, WALK_BY_PEEK)


async def test_an_entry_that_is_empty_under_ipte_escapes_it() -> None:
    parts = WALK_BY_PEEK, mutation("pgtable", ipte=empty_under_ipte)
    assert {"I27"} == await interrupted("single", "s390x", 0, 2, *parts)


# -- I31 and O7: what is seen decides, not which lock is held ---------------------------------------------------


async def fork_as_reader(self: Any, original: Any, cpu: int, vma: int, src: int, dst: int) -> None:
    """The parent's lock is held for reading while page tables are copied: its threads may fault."""
    await self.m.downgrade_write(PATCHED, self.mmap_lock, src)
    await original(cpu, vma, src, dst)
    await self.m.up_read(PATCHED, self.mmap_lock, src)
    await self.m.down_write(PATCHED, self.mmap_lock, src)


async def publish_early(self: Any, original: Any, cpu: int, vma: int, src: int, dst: int) -> None:
    """The child may run when its page tables are there, although the parent is not flushed yet."""
    await original(cpu, vma, src, dst)
    await self.m.store(PATCHED, self.mm_users, dst, 1)


async def test_fork_may_let_faults_in() -> None:
    """Stores of the parent before its flush, and pages that it faults in meanwhile, are seen by no
    child.
    """
    assert set() == await findings("copied", "x86-64", mutation("fork", copy_page_range=fork_as_reader))


async def test_a_child_that_is_published_before_the_flush_sees_stores_of_its_parent() -> None:
    found = await findings("copied", "x86-64", mutation("fork", copy_page_range=publish_early))
    assert found and found <= {"I31", "I46"}


async def test_a_page_that_fork_leaves_out_is_found_also_with_faults_let_in() -> None:
    async def left_out(self: Any, original: Any, copy: Any, addr: int, src: int, pte: int, nr: int) -> None:
        await original(copy, addr, src, pte, max(1, nr - 1))

    parts = mutation("fork", copy_page_range=fork_as_reader), mutation("fork", _install=left_out)
    assert {"I7", "O7", "I18"} & await findings("stay", "x86-64", *parts)


# -- the hash MMU: tlbie does not wait for a hash fault ----------------------------------------------------------


async def ignores_busy(
    self: Any, original: Any, cpu: int, mm: int, addr: int, ptep: int, where: int, change: Any
) -> int:
    """A change of an entry that does not wait for the hash fault that is at work on it."""
    old: int = await self.m.rmw(where, self.pte, ptep, change)
    await self.hpte_need_flush(cpu, mm, addr)
    return old


async def test_a_hash_fault_races_with_a_flush_that_does_not_wait_for_the_busy_bit() -> None:
    assert set() == await interrupted("used", "ppc64-hash", 1, 0)
    assert {"I47"} == await interrupted("used", "ppc64-hash", 1, 0, mutation("pgtable", pte_update=ignores_busy))
