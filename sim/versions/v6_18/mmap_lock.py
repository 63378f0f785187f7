"""VMA locks (mm/mmap_lock.c, v6.18): a reference count in the VMA (6.15).

``vm_refcnt`` is 0 while the VMA is detached, 1 while it is attached, and one more for each reader;
a writer adds VMA_LOCK_OFFSET, which keeps readers from coming in, until those that are in have
left. A VMA's memory may be used for another at once (SLAB_TYPESAFE_BY_RCU): a reader may hold for a
moment a VMA that is not its own, and whoever detaches that one waits for it.
"""

from __future__ import annotations

from sim.core.arena import Column, Field
from sim.core.component import ref_to
from sim.core.machine import site
from sim.mm.mmap_lock import MmapLock

GET = site("vma_start_read", "vm_refcnt +1")
PUT = site("vma_refcount_put", "vm_refcnt -1")
WRITER_IN = site("__vma_start_write", "vm_refcnt +2^30")
WRITER_WAIT = site("__vma_start_write", "wait for readers")
WRITER_OUT = site("__vma_start_write", "vm_refcnt -2^30")
ATTACH = site("vma_mark_attached", "vm_refcnt = 1")
DETACH = site("vma_mark_detached", "vm_refcnt -1")

VMA_LOCK_OFFSET = 1 << 30


class MmapLock618(MmapLock):
    """The lock of each VMA: a reference count."""

    vm_refcnt: Column

    def lock_field(self) -> Field:
        return Field("vm_refcnt", self.w.vmas, waitable=True, word=32)

    async def vma_start_read(self, mm: int, vma: int) -> bool:
        """Count a reader, if the VMA is attached and no writer is at it; return whether it is
        counted, the VMA is of ``mm``, and no writer has it.
        """
        readers = await self.m.rmw(GET, self.vm_refcnt, vma, lambda n: n + (0 < n < VMA_LOCK_OFFSET))
        if not 0 < readers < VMA_LOCK_OFFSET:
            return False
        if self.vma_mm[vma] != ref_to(mm) or await self.is_write_locked(mm, vma):
            await self.vma_end_read(vma)
            return False
        return True

    async def serves_faults(self, vma: int) -> bool:
        """Return True: an anon_vma that is missing is made under the mmap lock, if that is free."""
        return True

    async def vma_end_read(self, vma: int) -> None:
        """Uncount a reader."""
        await self.m.add(PUT, self.vm_refcnt, vma, -1)

    async def exclude_readers(self, vma: int, seq: int) -> None:
        """Note the hold; first wait until no reader has the VMA, which nobody can have if it is
        detached.
        """
        attached = await self.stop_readers(vma)
        if attached:
            await self.wait_for_readers(vma, 1)
        self.vm_lock_seq[vma] = seq
        if attached:
            await self.m.add(WRITER_OUT, self.vm_refcnt, vma, -VMA_LOCK_OFFSET)

    async def stop_readers(self, vma: int) -> bool:
        """Let no reader in, unless the VMA is detached; return whether it was not
        (refcount_add_not_zero).
        """
        return await self.m.rmw(WRITER_IN, self.vm_refcnt, vma, lambda n: n + (n > 0) * VMA_LOCK_OFFSET) > 0

    async def wait_for_readers(self, vma: int, left: int) -> None:
        """Wait until all readers have gone, and ``left`` is left: 1 for an attached VMA, else 0."""
        count, only = self.vm_refcnt, VMA_LOCK_OFFSET + left
        await self.m.wait(WRITER_WAIT, count, vma, lambda: count.view[vma] == only)

    async def vma_mark_attached(self, vma: int) -> None:
        """Let readers in, as far as the VMA is not write-locked."""
        await self.m.store(ATTACH, self.vm_refcnt, vma, 1)

    async def vma_mark_detached(self, vma: int) -> None:
        """Let no reader in any more; wait for those that are about to see that they may not."""
        if await self.m.add(DETACH, self.vm_refcnt, vma, -1) and await self.stop_readers(vma):
            await self.wait_for_readers(vma, 0)
            await self.m.add(WRITER_OUT, self.vm_refcnt, vma, -VMA_LOCK_OFFSET)
