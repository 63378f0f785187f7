"""The table that MADV_DONTNEED has emptied is unhooked under its own lock alone.

try_get_and_clear_pmd() (mm/pt_reclaim.c, 6.18) tries the PML too: a thread that came after another
table's lock may hold that one and be about to clear the same PMD, or to fill it.
"""

from __future__ import annotations

from sim.versions.v6_18.pt_reclaim import PtReclaim

KERNEL = "6.18-flushfirst"
PROFILES = ("x86-64",)
KIND = "interleaving"
GUARDS = ("tables-unhooked",)


class UnhooksWithoutPml(PtReclaim):
    component = "pt_reclaim"

    async def try_get_and_clear_pmd(self, mm: int, addr: int) -> bool:
        """The PTL keeps everybody away who has business here."""
        await self.m.store(self.FAST_CLEAR, self.pmd, self.k.pgtable.pmd_index(mm, addr), 0)
        return True
