"""A VMA that shares its parent's anon_vma is linked to it, and not counted as a user.

anon_vma_clone() and anon_vma_fork() (mm/rmap.c, 6.9) raise what keeps the anon_vma; the first VMA
that is unlinked frees it under the others.
"""

from __future__ import annotations

from sim.mm.rmap import ANON_LINKED, CLONE_LOCK, CLONE_UNLOCK, Rmap

KERNEL = "6.9"
KIND = "sequence"


class CloneForgetsUser(Rmap):
    component = "rmap"

    async def anon_vma_clone(self, vma: int) -> None:
        """Linked, and that is all."""
        anon = self.k.mm_types.anon_vma_of(vma)
        if anon >= 0:
            await self.m.down_write(CLONE_LOCK, self.anon_vma_lock, anon)
            self.vma_linked[vma] |= ANON_LINKED
            await self.m.up_write(CLONE_UNLOCK, self.anon_vma_lock, anon)
