"""The zap ladder (mm/memory.c, v6.18): a table at a time to its end, runs of empty entries, empty
tables.

``zap_pte_range`` takes the PTL again itself when it had to break off. Left out as in 6.9; guard
markers too.
"""

from __future__ import annotations

from sim.core.pte import PRESENT
from sim.mm.memory import Zap, ZapDetails
from sim.mm.mm_types import NR_MM_COUNTERS
from sim.versions.v6_12.memory import Memory612


class Memory618(Memory612):
    """Zapping, with what 6.13 to 6.17 made of it."""

    async def zap_pte_range(self, tlb: int, vma: int, addr: int, end: int, details: ZapDetails | None) -> int:
        """Zap [addr, end) of one PTE table; free the table if the zap asks for it and it is empty.
        Return how far the zap came: short of ``end`` if there is no table any more.
        """
        mm, start, pt_reclaim = self.k.mm_types.mm_of(vma), addr, self.k.pt_reclaim
        can_reclaim, direct, table = pt_reclaim.reclaim_pt_is_enabled(addr, end, details), True, -1
        while addr < end:
            await self.k.mmu_gather.tlb_change_page_size(tlb, 1)
            table = await self.k.pgtable.pte_offset_map_lock(tlb, mm, addr)
            if table < 0:
                return addr
            zap = Zap(tlb, mm, vma, end, table, details, [0] * NR_MM_COUNTERS)
            await self.flush_tlb_batched_pending(tlb, mm)
            await self.k.pgtable.arch_enter_lazy_mmu_mode(tlb)
            addr = await self.zap_ptes(zap, addr)
            can_reclaim, direct = can_reclaim and not zap.skipped, direct and not zap.stopped
            unhooked = await self.leave_table(zap, start, emptied=can_reclaim and direct and addr == end)
            direct = direct and (addr < end or unhooked)
        if can_reclaim and direct:
            await pt_reclaim.free_pte(tlb, mm, start, table)
        elif can_reclaim:
            await pt_reclaim.try_to_free_pte(tlb, mm, start)
        return addr

    async def leave_table(self, zap: Zap, start: int, emptied: bool) -> bool:
        """Unhook the table, if ``emptied``; fold RSS; flush and remove delayed rmaps, if forced;
        drop the PTL; then free what is queued, if forced.

        Return whether the table was unhooked. It is before the flush: docs/findings.md says what
        that breaks.
        """
        unhooked = self.unhooks_at_once(zap, emptied) and await self.k.pt_reclaim.try_get_and_clear_pmd(zap.mm, start)
        await self.finish_zap_ptes(zap)
        return unhooked

    def unhooks_at_once(self, zap: Zap, emptied: bool) -> bool:
        """Return whether the table is unhooked under the PTL under which it was ``emptied`` to the
        last entry (can_reclaim_pt && direct_reclaim && addr == end).
        """
        return emptied

    async def zap_ptes(self, zap: Zap, addr: int) -> int:
        """Walk the entries of the table up to the end, in batches; return how far it came.

        Empty ones too count for a reschedule.
        """
        resched = self.m.draw("need_resched after", 8)
        while addr < zap.end:
            if resched == 1:
                zap.stopped = True
                return self.stopped_at(addr)
            resched -= resched > 0
            addr += self.advance(zap, await self.do_zap_pte_range(zap, addr))
            if zap.force_break:
                zap.stopped = True
                break
        return addr

    async def do_zap_pte_range(self, zap: Zap, addr: int) -> int:
        """Pass a run of empty entries, then zap the batch behind it; return how many entries that
        was.
        """
        ptep, nr = self.k.pgtable.ptep(zap.table, addr), 0
        pte = await self.k.pgtable.ptep_get(ptep)
        while not pte:
            nr += 1
            if addr + nr == zap.end:
                return nr
            pte = await self.k.pgtable.ptep_get(ptep + nr)
        zap_batch = self.zap_present_ptes if pte & PRESENT else self.zap_nonpresent
        return nr + await zap_batch(zap, self.behind_run(addr, nr), ptep + nr, pte)

    def behind_run(self, addr: int, nr: int) -> int:
        """Return the address behind ``nr`` empty entries (addr += nr * PAGE_SIZE)."""
        return addr + nr

    async def nonpresent_left(self, zap: Zap, addr: int, ptep: int, pte: int) -> int:
        """Pass swap entries that stay one by one: the decision comes before the batch."""
        return 1
