"""arm64 (arch/arm64/mm/contpte.c, include/asm/tlb.h and tlbflush.h, v6.9): contpte and broadcast
invalidation.

A contpte block is an aligned run of entries with the CONT bit, which one TLB entry may span; it is
folded and unfolded behind the generic code's back, always by clearing all its entries,
invalidating, and writing them again with the young and dirty bits of the whole block in each.
Broadcasts need no CPU mask and no IPI. Tearing down a whole mm without freed tables invalidates
nothing: its ASID is not used again before a rollover.

What is DBM, RDONLY and a software bit there is WRITE and DIRTY here. CPUs without range operations.
Left out: secondary TLBs (SMMU), BBML2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.core.arena import Column
from sim.core.component import index_of_ref
from sim.core.ledger import TRANSIENT
from sim.core.machine import site
from sim.core.profile import Geometry, Profile, kernel_geometry, small_geometry
from sim.core.pte import ACCESS_BITS, CONT, DIRTY, PFN_SHIFT, PRESENT, SPECIAL, WRITE, YOUNG
from sim.hardware.tlb import FAULT, Tlb
from sim.hardware.tlbflush import TlbFlush
from sim.mm.pgtable import ACCESS_FLAGS, GET, WRPROTECT, Pgtable

GATHER = site("contpte_ptep_get", "read entry of block")
CONVERT_CLEAR = site("contpte_convert", "clear entry of block")
CONVERT_SET = site("contpte_convert", "write entry of block")
FOLD_READ = site("contpte_try_fold", "read entry of block")
PEEK = site("contpte_try_unfold", "read entry")
AGE = site("contpte_ptep_test_and_clear_young", "clear young")


class Arm64Pgtable(Pgtable):
    """The PTE primitives with contpte."""

    def block(self, ptep: int) -> int:
        """Return the first entry of the block that holds ``ptep``."""
        return ptep - ptep % self.g.contpte

    def mm_addr(self, ptep: int) -> tuple[int, int]:
        """Return the address space and the page that an entry belongs to."""
        table, offset = divmod(ptep, self.g.ptrs_per_pte)
        return index_of_ref(self.table_mm[table]), self.table_base[table] + offset

    async def ptep_get(self, ptep: int, where: int = GET) -> int:
        pte = await self.m.load(where, self.pte, ptep)
        if pte & (PRESENT | CONT) != PRESENT | CONT:
            return pte
        first = self.block(ptep)
        for k in range(self.g.contpte):
            if first + k != ptep:
                pte |= await self.m.load(GATHER, self.pte, first + k) & ACCESS_BITS
        return pte

    def pte_batch_hint(self, ptep: int, pte: int) -> int:
        return self.g.contpte - ptep % self.g.contpte if pte & CONT else 1

    # -- folding ---------------------------------------------------------------------------------------------------

    async def unfold(self, cpu: int, ptep: int) -> None:
        """Take the CONT bit, if there is one, from the block of ``ptep`` (contpte_try_unfold)."""
        if await self.m.load(PEEK, self.pte, ptep) & (PRESENT | CONT) == PRESENT | CONT:
            await self.convert(cpu, ptep, lambda pte: pte & ~CONT)

    async def convert(self, cpu: int, ptep: int, change: Callable[[int], int]) -> None:
        """Clear the block, invalidate it, write it again with everybody's young and dirty bits
        (contpte_convert).
        """
        first = self.block(ptep)
        ptes = await self.clear_block(first)
        await self.flush_block(cpu, first)
        await self.set_block(first, ptes, change)

    async def clear_block(self, first: int) -> list[int]:
        """Clear the entries of a block one by one; return them, each with the young and dirty bits
        of all.
        """
        ptes = [await self.m.xchg(CONVERT_CLEAR, self.pte, first + k, 0) for k in range(self.g.contpte)]
        return [pte | self.seen_in_block(ptes) for pte in ptes]

    def seen_in_block(self, ptes: list[int]) -> int:
        """Return the young and dirty bits that any entry of a block has."""
        seen = 0
        for pte in ptes:
            seen |= pte & ACCESS_BITS
        return seen

    async def flush_block(self, cpu: int, first: int) -> None:
        """Invalidate a block whose entries are clear (__flush_tlb_range in contpte_convert)."""
        mm, addr = self.mm_addr(first)
        await self.k.tlbflush.flush_range(cpu, mm, addr, addr + self.g.contpte, False)

    async def set_block(self, first: int, ptes: list[int], change: Callable[[int], int]) -> None:
        """Write a block again, changed."""
        for k, pte in enumerate(ptes):
            await self.m.store(CONVERT_SET, self.pte, first + k, change(pte), TRANSIENT)

    async def fold(self, cpu: int, ptep: int, pte: int) -> None:
        """Fold the block that ends at ``ptep``, where ``pte`` has just been stored, if its entries
        qualify (contpte_try_fold).
        """
        first, last = self.block(ptep), self.g.contpte - 1
        if ptep != first + last or pte & (PRESENT | SPECIAL) != PRESENT or (pte >> PFN_SHIFT) % self.g.contpte != last:
            return
        ptes = [await self.m.load(FOLD_READ, self.pte, first + k) for k in range(self.g.contpte)]
        head, pfn = ptes[0], ptes[0] >> PFN_SHIFT
        alike = all(pte & ~ACCESS_BITS == (head & ~ACCESS_BITS) + (k << PFN_SHIFT) for k, pte in enumerate(ptes))
        if head & PRESENT and alike and pfn % self.g.contpte == 0 and not head & CONT and self._one_folio(pfn):
            await self.convert(cpu, ptep, lambda pte: pte | CONT)

    def _one_folio(self, pfn: int) -> bool:
        return self.k.page_head(pfn) == self.k.page_head(pfn + self.g.contpte - 1)

    async def unfold_edges(self, cpu: int, ptep: int, nr: int) -> None:
        """Unfold the block at either end of a range that covers it only in part
        (contpte_try_unfold_partial).
        """
        last = ptep + nr - 1
        if ptep != self.block(ptep) or last < self.block(ptep) + self.g.contpte - 1:
            await self.unfold(cpu, ptep)
        if (last + 1) % self.g.contpte and self.block(last) != self.block(ptep):
            await self.unfold(cpu, last)

    # -- primitives ------------------------------------------------------------------------------------------------

    async def ptep_get_and_clear(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        await self.unfold(cpu, ptep)
        return await super().ptep_get_and_clear(cpu, mm, addr, ptep)

    async def _clear(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        return await super().ptep_get_and_clear(cpu, mm, addr, ptep)

    async def get_and_clear_full_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int, full: bool) -> int:
        await self.unfold_edges(cpu, ptep, nr)
        pte = await self._clear(cpu, mm, addr, ptep)
        for k in range(1, nr):
            pte = self.collect_access_bits(pte, await self._clear(cpu, mm, addr + k, ptep + k))
        return pte

    async def clear_full_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int, full: bool) -> None:
        await self.get_and_clear_full_ptes(cpu, mm, addr, ptep, nr, full)

    async def set_ptes(
        self, cpu: int, mm: int, addr: int, ptep: int, pte: int, nr: int, holder: int = TRANSIENT
    ) -> None:
        if nr == 1:
            await self.unfold(cpu, ptep)
            await super().set_ptes(cpu, mm, addr, ptep, pte & ~CONT, 1, holder)
            await self.fold(cpu, ptep, pte)
            return
        size, k = self.g.contpte, 0
        while k < nr:
            whole = (ptep + k) % size == 0 and nr - k >= size and ((pte >> PFN_SHIFT) + k) % size == 0
            run = size if whole else min(nr - k, size - (ptep + k) % size)
            bits = pte & ~CONT | (CONT if whole else 0)
            await super().set_ptes(cpu, mm, addr + k, ptep + k, bits + (k << PFN_SHIFT), run, holder)
            k += run

    async def wrprotect_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int) -> None:
        await self.unfold_edges(cpu, ptep, nr)
        for k in range(nr):
            await self.m.rmw(WRPROTECT, self.pte, ptep + k, lambda pte: pte & ~WRITE)

    async def ptep_set_access_flags(self, cpu: int, mm: int, addr: int, ptep: int, old: int, new: int) -> None:
        """Widen the entry, or every entry of a contiguous block; after a write fault flush what was
        widened.
        """
        current, size = await self.m.load(PEEK, self.pte, ptep), 1
        if current & CONT and not (current ^ new) & WRITE:
            size, wider = self.g.contpte, new & (YOUNG | DIRTY)
            for k in range(size):
                await self.m.rmw(ACCESS_FLAGS, self.pte, self.block(ptep) + k, lambda pte: pte | wider)
        else:
            if current & CONT:
                await self.unfold(cpu, ptep)
            await super().ptep_set_access_flags(cpu, mm, addr, ptep, old, new)
        if new & ~old & (DIRTY | WRITE):
            await self.flush_widened(cpu, mm, addr - addr % size, addr - addr % size + size)

    async def flush_widened(self, cpu: int, mm: int, start: int, end: int) -> None:
        """Let every CPU forget the narrower entries of [start, end)."""
        await self.k.tlbflush.flush_range(cpu, mm, start, end, False)

    async def ptep_clear_young(self, cpu: int, mm: int, addr: int, ptep: int) -> bool:
        pte = await self.m.load(PEEK, self.pte, ptep)
        if not pte & CONT:
            return await super().ptep_clear_young(cpu, mm, addr, ptep)
        young = 0
        for k in range(self.g.contpte):
            young |= await self.m.rmw(AGE, self.pte, self.block(ptep) + k, lambda pte: pte & ~YOUNG) & YOUNG
        return bool(young)

    def fresh(self, pte: int) -> int:
        return pte & ~CONT


class Arm64Pgtable612(Arm64Pgtable):
    """Has a uffd-wp bit (6.12)."""

    async def uffd_wp_protect(self, cpu: int, ptep: int) -> None:
        await self.unfold(cpu, ptep)
        await super().uffd_wp_protect(cpu, ptep)

    async def uffd_wp_resolve(self, cpu: int, ptep: int) -> None:
        await self.unfold(cpu, ptep)
        await super().uffd_wp_resolve(cpu, ptep)
        await self.fold(cpu, ptep, await self.m.load(PEEK, self.pte, ptep))


class Arm64Pgtable618(Arm64Pgtable612):
    """Reads no more of a block than it needs."""

    async def ptep_get(self, ptep: int, where: int = GET) -> int:
        """Collect young and dirty from the block until both have been seen."""
        pte, seen = await self.m.load(where, self.pte, ptep), 0
        if pte & (PRESENT | CONT) != PRESENT | CONT:
            return pte
        for k in range(self.g.contpte):
            seen |= await self.m.load(GATHER, self.pte, self.block(ptep) + k) & ACCESS_BITS
            if seen == ACCESS_BITS:
                break
        return pte | seen


class Arm64Pgtable73(Arm64Pgtable618):
    """Flushes on this CPU alone after it has widened an entry, and ages in batches."""

    async def flush_widened(self, cpu: int, mm: int, start: int, end: int) -> None:
        """Forget the narrower entries on this CPU; another one faults, and forgets its own then."""
        await self.k.tlb.invalidate(cpu, mm, start, end, False)

    async def flush_tlb_fix_spurious_fault(self, cpu: int, mm: int, addr: int) -> None:
        """Forget the entry of the page on this CPU: it was narrower than the PTE is."""
        await self.k.tlb.invalidate(cpu, mm, addr, addr + 1, False)

    async def clear_flush_young_ptes(self, cpu: int, mm: int, addr: int, ptep: int, nr: int) -> bool:
        """Clear the young bits of ``nr`` entries, and of the rest of the blocks that they begin and
        end in.
        """
        first, end, young = ptep, ptep + nr, 0
        if await self.m.load(PEEK, self.pte, end - 1) & CONT:
            end = self.block(end - 1) + self.g.contpte
        if await self.m.load(PEEK, self.pte, ptep) & CONT:
            first = self.block(ptep)
        for at in range(first, end):
            young |= await self.m.rmw(AGE, self.pte, at, lambda pte: pte & ~YOUNG) & YOUNG
        return bool(young)


class Arm64Tlb73(Tlb):
    """A store through an entry that does not allow it faults: the tables are not walked again."""

    async def walk(self, cpu: int, mm: int, addr: int, store: bool) -> int:
        """Fault at once if this CPU has a narrower entry."""
        if store and self.is_narrower(cpu, mm, addr):
            return FAULT
        return await super().walk(cpu, mm, addr, store)

    def is_narrower(self, cpu: int, mm: int, addr: int) -> bool:
        """Return whether this CPU has an entry for ``addr`` that allows no store."""
        entry = self.tlb.view[self.cell(cpu, mm, addr)] | self.tlb_span.view[self.span_cell(cpu, mm, addr)]
        return entry & (PRESENT | WRITE) == PRESENT


class Arm64TlbFlush(TlbFlush):
    """TLBI by address or by ASID, and the barrier that waits for it."""

    mm_users: Column

    async def tlb_flush(self, tlb: int) -> None:
        if self.gather_fullmm[tlb] and not self.gather_freed_tables[tlb]:
            return
        await super().tlb_flush(tlb)

    def too_many(self, pages: int) -> bool:
        return pages >= self.g.flush_ceiling

    def usable(self, cpu: int, mm: int) -> bool:
        """Return whether ``mm`` lives: no thread runs a dead one, and its ASID waits for a
        rollover.
        """
        return self.mm_users.view[mm] > 0


V6_12: dict[str, Any] = {"uffd_wp": True, "components": {"pgtable": Arm64Pgtable612, "tlbflush": Arm64TlbFlush}}
V7_3: dict[str, Any] = {
    "uffd_wp": True,
    "reclaims_pt": True,
    "components": {"pgtable": Arm64Pgtable73, "tlb": Arm64Tlb73, "tlbflush": Arm64TlbFlush},
}
V6_18: dict[str, Any] = {"uffd_wp": True, "components": {"pgtable": Arm64Pgtable618, "tlbflush": Arm64TlbFlush}}


def _profile(name: str, real: Geometry) -> Profile:
    return Profile(
        name,
        real,
        small_geometry(real, flush_ceiling=8),
        hardware_young=True,
        hardware_dirty=True,
        merge_vmas=False,
        mm_cpumask=False,
        dead_mm_keeps_entries=True,
        plain_fullmm_clear=False,
        batched_unmap_flush=True,
        components={"pgtable": Arm64Pgtable, "tlbflush": Arm64TlbFlush},
        versions={"6.12": V6_12, "6.18": V6_18, "7.3": V7_3},
        speculates=True,
        about=f"{real.page_size // 1024}K pages, contpte blocks of {real.contpte}; broadcast invalidation without IPIs",
    )


PROFILES = (
    _profile("arm64-4k", kernel_geometry(4096, 512, flush_ceiling=512, contpte=16)),
    _profile("arm64-16k", kernel_geometry(16384, 2048, flush_ceiling=2048, contpte=128)),
    _profile("arm64-64k", kernel_geometry(65536, 8192, flush_ceiling=8192, contpte=32)),
)
