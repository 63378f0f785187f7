"""Walks from a folio to the PTEs that map it in one VMA (mm/page_vma_mapped.c, v6.9).

A walk comes to a VMA through the reverse map, and holds that map's lock; of the address space it
holds nothing. It maps a table as an RCU reader, and takes its PTL at the first entry that may
matter; with ``sync`` (PVMW_SYNC) before it looks at any entry, so that a zapper in the table is
waited for. Where it finds no table it goes on behind it at once, without any lock. Lock order: the
rmap's lock, PTL. Left out: PMD leaves, migration entries.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sim.core.arena import Cells, Column
from sim.core.component import Component
from sim.core.machine import site
from sim.core.pte import PRESENT, pte_pfn

READ_PMD = site("page_vma_mapped_walk", "read pmd")
LOOK = site("page_vma_mapped_walk", "look at pte")
LOCK = site("page_vma_mapped_walk", "lock ptl")
UNLOCK = site("page_vma_mapped_walk", "pmd changed: unlock ptl")
CHECK = site("page_vma_mapped_walk", "read pte")

RmapOne = Callable[[int, int, int, int], Awaitable[tuple[int, int]]]
"""``rmap_one(mm, addr, ptep, end)``: what a walk does, under the PTL, with a PTE of the folio.

Returns what it found, and how many entries, none at ``end`` or behind it, the walk steps over.
"""


class PageVmaMapped(Component):
    """Finds the PTEs of a folio in a VMA."""

    name = "page_vma_mapped"

    pte: Column
    ptl: Column
    vma_start: Cells
    vma_end: Cells
    vma_pgoff: Cells
    page_index: Cells

    async def page_vma_mapped_walk(self, cpu: int, folio: int, vma: int, rmap_one: RmapOne, sync: bool) -> int:
        """Call ``rmap_one`` for each PTE of ``vma`` that maps ``folio``; return the sum."""
        total, base = 0, self.vma_address(folio, vma)
        addr = max(self.vma_start[vma], base)
        end = min(self.vma_end[vma], base + self.k.mm_types.folio_nr_pages(folio))
        while addr < end:
            stop = min(end, (addr // self.g.ptrs_per_pte + 1) * self.g.ptrs_per_pte)
            table = await self.map_table(cpu, self.k.mm_types.mm_of(vma), addr, sync)
            if table < 0:
                addr = self.step_forward(stop, end)
            else:
                addr, found = await self.walk_table(cpu, folio, vma, table, addr, stop, rmap_one, sync)
                total += found
        return total

    def step_forward(self, stop: int, end: int) -> int:
        """Return where a walk up to ``end`` goes on that has found no table: where the next one
        begins, ``stop``.
        """
        return stop

    def vma_address(self, folio: int, vma: int) -> int:
        """Return where ``vma`` has, or would have, the first page of ``folio``."""
        return self.vma_start[vma] + self.page_index[folio] - self.vma_pgoff[vma]

    async def map_table(self, cpu: int, mm: int, addr: int, sync: bool) -> int:
        """Map the table of ``addr``, and lock it if the walk is synchronous; return it, or -1 if
        there is none (map_pte).
        """
        if sync:
            return await self.k.pgtable.pte_offset_map_lock(cpu, mm, addr)
        return await self.k.pgtable.pte_offset_map(cpu, mm, addr, READ_PMD)

    async def walk_table(
        self, cpu: int, folio: int, vma: int, table: int, addr: int, end: int, rmap_one: RmapOne, held: bool
    ) -> tuple[int, int]:
        """Walk the entries of [addr, end), which ``table`` maps; ``held``: its PTL is held.

        Return how far that came, short of ``end`` if the table is not the VMA's any more, and the
        sum of what ``rmap_one`` returned.
        """
        mm, base, total, wanted = self.k.mm_types.mm_of(vma), self.vma_address(folio, vma), 0, PRESENT
        looks = not held
        while addr < end:
            ptep, nr = self.k.pgtable.ptep(table, addr), 1
            if not looks or await self.m.load(LOOK, self.pte, ptep) & wanted:
                if not held:
                    held = await self.lock_table(cpu, mm, addr, table)
                    if not held:
                        return addr, total
                if self.check_pte(await self.m.load(CHECK, self.pte, ptep), folio + addr - base):
                    found, nr = await rmap_one(mm, addr, ptep, end)
                    total += found
            looks, wanted, addr = True, -1, addr + nr
        await self.leave_table(cpu, table, held)
        return addr, total

    async def leave_table(self, cpu: int, table: int, held: bool) -> None:
        """Drop the PTL of a table, if it is held, and the RCU reader that keeps it mapped."""
        if held:
            await self.k.pgtable.pte_unmap_unlock(cpu, table)
        else:
            self.k.tlb.rcu_read_unlock(cpu)

    async def lock_table(self, cpu: int, mm: int, addr: int, table: int) -> bool:
        """Take the PTL of a table that is mapped; return whether it is still that of ``addr``, else
        unmap it.
        """
        await self.m.lock(LOCK, self.ptl, table)
        if await self.is_still_there(mm, addr, table):
            return True
        await self.m.unlock(UNLOCK, self.ptl, table)
        self.k.tlb.rcu_read_unlock(cpu)
        return False

    async def is_still_there(self, mm: int, addr: int, table: int) -> bool:
        """Return whether ``table`` is the one of ``addr``: nobody looks, as the rmap's lock keeps a
        table that its VMA uses (6.9).
        """
        return True

    def check_pte(self, pte: int, page: int) -> bool:
        """Return whether an entry maps ``page``."""
        return bool(pte & PRESENT) and pte_pfn(pte) == page
