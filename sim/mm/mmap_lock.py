"""VMA locks, and the tree in which VMAs are found without the mmap lock (include/linux/mm.h,
lock_vma_under_rcu in mm/memory.c, lib/maple_tree.c, v6.9; mm/mmap_lock.c in later ones).

A page fault takes the lock of its VMA for reading, and the mmap lock only if it cannot. Whoever
changes a VMA holds the mmap lock for writing and *write-locks* the VMA: its readers leave, and the
number of the hold (``mm_lock_seq``) is noted in ``vm_lock_seq``, which keeps new readers out until
the hold ends or is downgraded: then the mm's number rises, and every VMA is open again at once.

A reader looks the VMA up as nothing holds it still, locks it, and only then asks whether it is the
right one. The tree is the columns ``vma_mm``, ``vma_start``, ``vma_end`` and ``vma_attached``; its
writer makes ``mm_mt`` odd while they change, and a look that has met a change is made again, as one
that meets a dead node is (mte_dead_node).

Lock order: mmap_lock, VMA lock, folio lock. Left out: the look at the number before the lock, which
only saves taking it; the second look-up after a VMA was found detached: it is made under the mmap
lock; the grace period after which a VMA's memory is used again, in whose place the reader asks
whose the VMA is (as the kernel does from 6.15 on).
"""

from __future__ import annotations

from sim.core.arena import PRIVATE, RWSEM, Cells, Column, Field, bits_for
from sim.core.component import Component, index_of_ref, ref_to
from sim.core.machine import site

WALK = site("lock_vma_under_rcu", "walk the tree")
WALK_WAIT = site("lock_vma_under_rcu", "walk the tree, as it changes")
WALK_CHECK = site("lock_vma_under_rcu", "look for dead nodes")
READ_TRYLOCK = site("vma_start_read", "trylock the VMA")
READ_SEQ = site("vma_start_read", "read mm_lock_seq")
READ_UNLOCK = site("vma_end_read", "unlock the VMA")
WRITE_LOCK = site("vma_start_write", "lock the VMA")
WRITE_UNLOCK = site("vma_start_write", "unlock the VMA")
END_ALL = site("vma_end_write_all", "mm_lock_seq +1")
TREE_BEGIN = site("mas_store", "replace nodes")
TREE_END = site("mas_store", "publish nodes")


class MmapLock(Component):
    """The lock of each VMA: a rwsem (6.4 to 6.14)."""

    name = "mmap_lock"

    mmap_lock: Column
    mm_mt: Column
    mm_lock_seq: Column
    vm_lock: Column
    vm_lock_seq: Cells
    vma_locked: Cells
    vma_mm: Cells
    vma_start: Cells
    vma_end: Cells
    vma_attached: Cells

    def fields(self) -> list[Field]:
        return [
            Field("mm_mt", self.w.mms, waitable=True),
            Field("mm_lock_seq", self.w.mms, word=32),
            Field("vm_lock_seq", self.w.vmas, PRIVATE, word=32),
            Field("vma_locked", self.w.cpus, PRIVATE, bits=bits_for(self.w.vmas)),
            self.lock_field(),
        ]

    def lock_field(self) -> Field:
        """Return the column of the locks."""
        return Field("vm_lock", self.w.vmas, lock=RWSEM)

    def boot(self) -> None:
        """Number holds from 1 on: 0 in ``vm_lock_seq`` is none."""
        for mm in range(self.w.mms):
            self.mm_lock_seq.view[mm] = 1

    # -- the tree --------------------------------------------------------------------------------------------------

    async def mas_walk(self, mm: int, addr: int) -> int:
        """Return the VMA of ``mm`` that contains ``addr``, or -1: found without a lock, so that it
        may have changed since.
        """
        tree = self.mm_mt
        while True:
            seen = await self.m.load(WALK, tree, mm)
            if seen & 1:
                seen = await self.m.wait(WALK_WAIT, tree, mm, lambda: not tree.view[mm] & 1)
            vma = self.k.mm_types.vma_lookup(mm, addr)
            if await self.m.load(WALK_CHECK, tree, mm) == seen:
                return vma

    async def mas_wr_begin(self, mm: int) -> None:
        """Begin to change which VMAs of ``mm`` there are, and how far they reach."""
        await self.m.add(TREE_BEGIN, self.mm_mt, mm, 1)

    async def mas_wr_end(self, mm: int) -> None:
        """Let look-ups see what has been changed."""
        await self.m.add(TREE_END, self.mm_mt, mm, 1)

    # -- readers ---------------------------------------------------------------------------------------------------

    async def lock_vma_under_rcu(self, cpu: int, mm: int, addr: int) -> int:
        """Lock the VMA of ``mm`` that contains ``addr`` for reading; return it, or -1 if only the
        mmap lock will do.
        """
        vma = await self.mas_walk(mm, addr)
        if vma < 0 or not await self.vma_start_read(mm, vma):
            return -1
        if not self.contains(vma, mm, addr) or not await self.serves_faults(vma):
            await self.vma_end_read(vma)
            return -1
        self.vma_locked[cpu] = ref_to(vma)
        return vma

    async def vma_start_read(self, mm: int, vma: int) -> bool:
        """Lock a VMA for reading; return whether it is, and no writer has it."""
        if not await self.m.down_read_trylock(READ_TRYLOCK, self.vm_lock, vma):
            return False
        if await self.is_write_locked(mm, vma):
            await self.vma_end_read(vma)
            return False
        return True

    async def is_write_locked(self, mm: int, vma: int) -> bool:
        """Return whether the writer that holds the mmap lock has locked the VMA: asked once a
        reader has it too.
        """
        return await self.m.load(READ_SEQ, self.mm_lock_seq, mm) == self.vm_lock_seq[vma]

    def contains(self, vma: int, mm: int, addr: int) -> bool:
        """Return whether a VMA that was found, and locked since, is still attached, of ``mm``, and
        contains ``addr``.
        """
        attached = self.vma_attached[vma] and self.vma_mm[vma] == ref_to(mm)
        return bool(attached and self.vma_start[vma] <= addr < self.vma_end[vma])

    async def serves_faults(self, vma: int) -> bool:
        """Return whether faults may be handled under the VMA's lock: not if it is anonymous and has
        no anon_vma yet.
        """
        return not self.k.mm_types.vma_is_anonymous(vma) or not await self.k.rmap.lacks_anon_vma(vma)

    async def vma_end_read(self, vma: int) -> None:
        """Give a reader's hold of a VMA back."""
        await self.m.up_read(READ_UNLOCK, self.vm_lock, vma)

    async def release_vma(self, cpu: int) -> None:
        """Give back the hold that the thread on ``cpu`` has from :meth:`lock_vma_under_rcu`."""
        await self.vma_end_read(index_of_ref(self.vma_locked[cpu]))
        self.vma_locked[cpu] = 0

    # -- writers, who hold the mmap lock for writing ---------------------------------------------------------------

    async def vma_start_write(self, vma: int) -> None:
        """Write-lock a VMA, until :meth:`vma_end_write_all`."""
        seq = self.mm_lock_seq.view[self.k.mm_types.mm_of(vma)]
        if self.vm_lock_seq[vma] != seq:
            await self.exclude_readers(vma, seq)

    async def exclude_readers(self, vma: int, seq: int) -> None:
        """Wait until no reader has the VMA, and let none in as long as the mm's hold is ``seq``."""
        await self.m.down_write(WRITE_LOCK, self.vm_lock, vma)
        self.vm_lock_seq[vma] = seq
        await self.m.up_write(WRITE_UNLOCK, self.vm_lock, vma)

    async def mmap_write_unlock(self, where: int, mm: int) -> None:
        """Open the VMAs that have been write-locked, and drop the mmap lock; ``where`` is the site
        that drops it.
        """
        await self.vma_end_write_all(mm)
        await self.m.up_write(where, self.mmap_lock, mm)

    async def mmap_write_downgrade(self, where: int, mm: int) -> None:
        """Open the VMAs that have been write-locked, and keep the mmap lock for reading."""
        await self.vma_end_write_all(mm)
        await self.m.downgrade_write(where, self.mmap_lock, mm)

    async def vma_end_write_all(self, mm: int) -> None:
        """Open the VMAs that have been write-locked: the hold's number is over."""
        await self.m.add(END_ALL, self.mm_lock_seq, mm, 1)

    async def vma_mark_attached(self, vma: int) -> None:
        """Note that the VMA is about to go into the tree: nothing, as that says so (6.9)."""

    async def vma_mark_detached(self, vma: int) -> None:
        """Note that the VMA is about to leave the tree: nothing, as that says so (6.9)."""
