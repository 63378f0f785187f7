"""fork() write-protects the parent's entries, and gives the child writable ones.

__copy_present_ptes() (mm/memory.c, 6.9) takes the bit from both: wrprotect_ptes() from the parent's
entries, pte_wrprotect() from the value that the child gets.
"""

from __future__ import annotations

from sim.core.pte import DIRTY, UFFD_WP, WRITE, YOUNG
from sim.mm.fork import Copy, Fork
from sim.mm.mm_types import VM_SHARED, VM_UFFD_WP

KERNEL = "6.9"
KIND = "sequence"


class ChildStaysWritable(Fork):
    component = "fork"

    async def _install(self, copy: Copy, addr: int, src: int, pte: int, nr: int) -> None:
        """The value is used as it was read."""
        flags = self.vma_flags[copy.src_vma]
        if self.k.mm_types.is_cow_mapping(copy.src_vma) and pte & WRITE:
            await self.wrprotect_parent(copy, addr, src, nr)
        if flags & VM_SHARED:
            pte &= ~DIRTY
        pte &= ~YOUNG
        if not flags & VM_UFFD_WP:
            pte &= ~UFFD_WP
        dst = self.k.pgtable.ptep(copy.dst_table, addr)
        await self.k.pgtable.set_ptes(copy.cpu, copy.dst_mm, addr, dst, self.k.pgtable.fresh(pte), nr)
