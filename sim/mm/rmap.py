"""Reverse map (mm/rmap.c, v6.9): mapcounts, their removal in batches, and walks from a folio to the
PTEs that map it.

Lock order: mmap_lock, folio lock, i_mmap_rwsem or anon_vma root, PTL, split_queue_lock.

An anon_vma stands for a whole family of forked VMAs (its root): ``vma_anon_vma`` names it and
``anon_vma_users`` counts the VMAs linked. Left out: PMD mappings, mlock, KSM, node statistics.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from sim.core.arena import PRIVATE, RWSEM, Cells, Column, Field
from sim.core.component import Component, ref_to
from sim.core.machine import site
from sim.core.pte import DIRTY, WRITE
from sim.core.slab import Slab
from sim.mm.mm_types import MAPPING_ANON, VM_SHARED, anon_mapping
from sim.mm.page_vma_mapped import RmapOne

DEC = site("folio_remove_rmap_ptes", "mapcount -1")
DEC_MAPPED = site("folio_remove_rmap_ptes", "nr_pages_mapped -1")
INC = site("folio_add_rmap_ptes", "mapcount +1")
INC_MAPPED = site("folio_add_rmap_ptes", "nr_pages_mapped +1")
NEW = site("folio_add_new_anon_rmap", "set mapcount")
NEW_MAPPED = site("folio_add_new_anon_rmap", "set nr_pages_mapped")
NEW_EXCLUSIVE = site("folio_add_new_anon_rmap", "set exclusive")
DUP = site("folio_dup_rmap_ptes", "mapcount +1")
DUP_READ = site("folio_try_dup_anon_rmap_ptes", "read exclusive")
DUP_CLEAR = site("folio_try_dup_anon_rmap_ptes", "clear exclusive")
MAPPED = site("folio_mapped", "read mapcount")
I_MMAP_READ = site("rmap_walk_file", "lock i_mmap")
I_MMAP_UNLOCK = site("rmap_walk_file", "unlock i_mmap")
ANON_READ = site("folio_lock_anon_vma_read", "lock anon_vma")
ANON_UNLOCK = site("rmap_walk_anon", "unlock anon_vma")
AGE_TRYLOCK = site("folio_referenced", "trylock folio")
AGE_UNLOCK = site("folio_referenced", "unlock folio")
MKCLEAN_GET = site("page_vma_mkclean_one", "read pte")
PREPARE_READ = site("anon_vma_prepare", "read vma's anon_vma")
PREPARE_TAKE = site("__anon_vma_prepare", "take anon_vma")
PREPARE_LOCK = site("__anon_vma_prepare", "lock anon_vma")
PREPARE_MM_LOCK = site("__anon_vma_prepare", "lock page_table_lock")
PREPARE_SET = site("__anon_vma_prepare", "set vma's anon_vma")
PREPARE_MM_UNLOCK = site("__anon_vma_prepare", "unlock page_table_lock")
PREPARE_UNLOCK = site("__anon_vma_prepare", "unlock anon_vma")
ANON_VMA_FREE = site("anon_vma_free", "give anon_vma back")
CLONE_LOCK = site("anon_vma_clone", "lock anon_vma")
CLONE_UNLOCK = site("anon_vma_clone", "unlock anon_vma")
ADJUST_LOCK = site("vma_prepare", "lock rmap")
ADJUST_UNLOCK = site("vma_complete", "unlock rmap")
LINK_LOCK = site("vma_link", "lock rmap")
LINK_UNLOCK = site("vma_link", "unlock rmap")
UNLINK_LOCK = site("free_pgtables", "lock rmap")
UNLINK_UNLOCK = site("free_pgtables", "unlock rmap")

ANON_LINKED, FILE_LINKED = 1, 2
"""Bits of ``vma_linked``: which trees a rmap walk finds the VMA in."""


class Rmap(Component):
    """Mapcounts, anon_vmas, and rmap walks."""

    name = "rmap"

    page_mapcount: Column
    page_nr_pages_mapped: Column
    page_anon_exclusive: Column
    page_mapping: Cells
    page_index: Cells
    page_order: Cells
    page_swapbacked: Cells
    page_locked: Column
    vma_start: Cells
    vma_pgoff: Cells
    vma_file: Cells
    vma_flags: Cells
    vma_anon_vma: Cells
    vma_anon_prepared: Column
    mm_pml: Column
    vma_linked: Cells
    vma_rank: Cells
    anon_vma_lock: Column
    anon_vma_users: Cells
    i_mmap_lock: Column

    def fields(self) -> list[Field]:
        self.slab = Slab("anon_vma_slab", self.w.anon_vmas, "anon_vmas")
        anon_vmas = self.w.anon_vmas
        return [
            self.slab.field(),
            Field("anon_vma_lock", anon_vmas, lock=RWSEM),
            Field("anon_vma_users", anon_vmas, PRIVATE),
            Field("i_mmap_lock", self.w.files, lock=RWSEM),
            Field("vma_rank", self.w.vmas, PRIVATE),
        ]

    def bind(self) -> None:
        super().bind()
        self.slab.bind(self.m, self.k.arena["anon_vma_slab"])

    # -- removing and adding mappings ------------------------------------------------------------------------------

    async def folio_remove_rmap_ptes(self, folio: int, page: int, nr: int, vma: int, where: int = DEC) -> None:
        """Account for ``nr`` PTEs, of consecutive pages from ``page`` on, that no longer map
        ``folio``.
        """
        large, unmapped = self.page_order[folio], 0
        for k in range(nr):
            if await self.m.add(where, self.page_mapcount, page + k, -1):
                continue
            if large:
                await self.sub_nr_pages_mapped(folio, 1)
            unmapped += 1
        if unmapped and large and self.k.mm_types.folio_test_anon(folio):
            await self.k.huge_memory.deferred_split_folio(folio)

    async def sub_nr_pages_mapped(self, folio: int, nr: int) -> None:
        """Note that ``nr`` pages of a large folio have lost their last mapping, in one step
        (atomic_sub_return_relaxed of _nr_pages_mapped).
        """
        await self.m.add(DEC_MAPPED, self.page_nr_pages_mapped, folio, -nr)

    async def folio_add_file_rmap_ptes(self, folio: int, page: int, nr: int, vma: int) -> None:
        """Account for ``nr`` new PTEs of ``vma``; before they are stored."""
        for k in range(nr):
            count = await self.m.add(INC, self.page_mapcount, page + k, 1)
            if count == 1 and self.page_order[folio]:
                await self.m.add(INC_MAPPED, self.page_nr_pages_mapped, folio, 1)

    async def folio_add_new_anon_rmap(self, folio: int, vma: int, addr: int) -> None:
        """Make a fresh folio, still private to the caller, an exclusive anonymous one that PTEs
        from ``addr`` on are about to map.
        """
        self.page_swapbacked[folio] = 1
        self.page_mapping[folio] = anon_mapping(self.k.mm_types.anon_vma_of(vma))
        self.page_index[folio] = addr - self.vma_start[vma] + self.vma_pgoff[vma]
        nr = 1 << self.page_order[folio]
        for page in range(folio, folio + nr):
            await self.m.store(NEW, self.page_mapcount, page, 1)
            await self.m.store(NEW_EXCLUSIVE, self.page_anon_exclusive, page, 1)
        if nr > 1:
            await self.count_new_folio(folio, nr, vma)

    async def count_new_folio(self, folio: int, nr: int, vma: int) -> None:
        """Set what a fresh large folio keeps of all its pages together."""
        await self.m.store(NEW_MAPPED, self.page_nr_pages_mapped, folio, nr)

    async def folio_dup_file_rmap_ptes(self, folio: int, page: int, nr: int, dst_mm: int) -> None:
        """Account for the copies, in mm ``dst_mm``, of ``nr`` file PTEs of the parent."""
        for k in range(nr):
            await self.m.add(DUP, self.page_mapcount, page + k, 1)

    async def folio_try_dup_anon_rmap_ptes(self, folio: int, page: int, nr: int, dst_mm: int) -> bool:
        """Account for the copies, in mm ``dst_mm``, of ``nr`` anonymous PTEs; they stop being
        exclusive.
        """
        for k in range(nr):
            if await self.m.load(DUP_READ, self.page_anon_exclusive, page + k):
                await self.m.store(DUP_CLEAR, self.page_anon_exclusive, page + k, 0)
            await self.m.add(DUP, self.page_mapcount, page + k, 1)
        return True

    async def folio_mapped(self, folio: int) -> bool:
        """Return whether anything maps ``folio``."""
        counter = self.page_nr_pages_mapped if self.page_order[folio] else self.page_mapcount
        return await self.m.load(MAPPED, counter, folio) > 0

    # -- anon_vmas and i_mmap --------------------------------------------------------------------------------------

    async def anon_vma_prepare(self, vma: int) -> None:
        """Give ``vma`` an anon_vma if it has none.

        Two threads may do so at once: the mmap lock is held for reading only.
        """
        if not await self.lacks_anon_vma(vma):
            return
        anon = await self.slab.take(PREPARE_TAKE)
        mm = self.k.mm_types.mm_of(vma)
        await self.m.down_write(PREPARE_LOCK, self.anon_vma_lock, anon)
        await self.m.lock(PREPARE_MM_LOCK, self.mm_pml, mm)
        needed = await self.still_lacks_anon_vma(vma)
        if needed:
            self.anon_vma_users[anon] = 1
            self.vma_anon_vma[vma] = ref_to(anon)
            self.vma_linked[vma] |= ANON_LINKED
            await self.m.store(PREPARE_SET, self.vma_anon_prepared, vma, 1)
        await self.m.unlock(PREPARE_MM_UNLOCK, self.mm_pml, mm)
        await self.m.up_write(PREPARE_UNLOCK, self.anon_vma_lock, anon)
        if not needed:
            await self.slab.give(ANON_VMA_FREE, anon)

    async def lacks_anon_vma(self, vma: int) -> bool:
        """Return whether ``vma`` has no anon_vma: asked first without a lock (!vma->anon_vma)."""
        return not await self.m.load(PREPARE_READ, self.vma_anon_prepared, vma)

    def still_lacks_anon_vma(self, vma: int) -> Coroutine[Any, Any, bool]:
        """Return the same, asked again under page_table_lock."""
        return self.lacks_anon_vma(vma)

    async def vma_link(self, vma: int) -> None:
        """Make ``vma`` findable by rmap walks; its anon_vma, if any, is the one of the VMA it comes
        from.
        """
        await self.anon_vma_clone(vma)
        file = self.k.mm_types.file_of(vma)
        if file >= 0:
            await self.m.down_write(LINK_LOCK, self.i_mmap_lock, file)
            self.link_file(vma)
            await self.m.up_write(LINK_UNLOCK, self.i_mmap_lock, file)

    async def anon_vma_clone(self, vma: int) -> None:
        """Let rmap walks of the VMA's anon_vma, if it has one, find it (anon_vma_clone,
        anon_vma_fork).
        """
        anon = self.k.mm_types.anon_vma_of(vma)
        if anon >= 0:
            await self.m.down_write(CLONE_LOCK, self.anon_vma_lock, anon)
            self.anon_vma_users[anon] += 1
            self.vma_linked[vma] |= ANON_LINKED
            await self.m.up_write(CLONE_UNLOCK, self.anon_vma_lock, anon)

    def link_file(self, vma: int) -> None:
        """Let rmap walks of the VMA's file, if any, find it, after all others. The caller holds
        i_mmap_lock.

        A walk that looks at a parent before its child sees what fork copies meanwhile at one of the
        two (vma_interval_tree_insert_after).
        """
        if self.vma_file[vma]:
            others = self.file_vmas(self.k.mm_types.file_of(vma))
            self.vma_rank[vma] = 1 + max([self.vma_rank[other] for other in others], default=0)
            self.vma_linked[vma] |= FILE_LINKED

    async def vma_prepare(self, vma: int) -> None:
        """Keep rmap walks out while ``vma`` changes its extent (mm/mmap.c)."""
        anon, file = self.k.mm_types.anon_vma_of(vma), self.k.mm_types.file_of(vma)
        if file >= 0:
            await self.m.down_write(ADJUST_LOCK, self.i_mmap_lock, file)
        if anon >= 0:
            await self.m.down_write(ADJUST_LOCK, self.anon_vma_lock, anon)

    async def vma_complete(self, vma: int) -> None:
        """Let rmap walks in again after :meth:`vma_prepare` (mm/mmap.c)."""
        anon, file = self.k.mm_types.anon_vma_of(vma), self.k.mm_types.file_of(vma)
        if anon >= 0:
            await self.m.up_write(ADJUST_UNLOCK, self.anon_vma_lock, anon)
        if file >= 0:
            await self.m.up_write(ADJUST_UNLOCK, self.i_mmap_lock, file)

    async def vma_unlink(self, vma: int) -> None:
        """Hide ``vma`` from rmap walks."""
        await self.unlink_anon_vmas(vma)
        file = self.k.mm_types.file_of(vma)
        if file >= 0:
            await self.unlink_file_vmas(file, [vma])

    async def unlink_anon_vmas(self, vma: int) -> None:
        """Hide ``vma`` from walks of its anon_vma, if it has one, which goes with the last VMA."""
        anon = self.k.mm_types.anon_vma_of(vma)
        if anon < 0:
            return
        await self.m.down_write(UNLINK_LOCK, self.anon_vma_lock, anon)
        self.vma_linked[vma] &= ~ANON_LINKED
        self.anon_vma_users[anon] -= 1
        unused = not self.anon_vma_users[anon]
        await self.m.up_write(UNLINK_UNLOCK, self.anon_vma_lock, anon)
        if unused:
            await self.slab.give(ANON_VMA_FREE, anon)

    async def unlink_file_vmas(self, file: int, vmas: list[int]) -> None:
        """Hide ``vmas`` from walks of ``file``, which they map (unlink_file_vma; from 6.10 on
        unlink_file_vma_batch_process).
        """
        await self.m.down_write(UNLINK_LOCK, self.i_mmap_lock, file)
        for vma in vmas:
            self.vma_linked[vma] &= ~FILE_LINKED
        await self.m.up_write(UNLINK_UNLOCK, self.i_mmap_lock, file)

    # -- walks -----------------------------------------------------------------------------------------------------

    def file_vmas(self, file: int) -> list[int]:
        """Return the VMAs by which rmap walks find the pages of ``file``, in the order in which
        they were linked. The caller holds i_mmap_lock.
        """
        owner, linked = self.vma_file, self.vma_linked
        found = [v for v in range(self.w.vmas) if owner[v] == ref_to(file) and linked[v] & FILE_LINKED]
        return sorted(found, key=lambda v: self.vma_rank[v])

    def anon_vmas(self, anon_vma: int) -> list[int]:
        """Return the VMAs by which rmap walks find the pages of ``anon_vma``, whose lock the caller
        holds.
        """
        owner, linked = self.vma_anon_vma, self.vma_linked
        return [v for v in range(self.w.vmas) if owner[v] == ref_to(anon_vma) and linked[v] & ANON_LINKED]

    async def rmap_walk(self, cpu: int, folio: int, rmap_one: RmapOne, sync: bool, shared_only: bool = False) -> int:
        """Call ``rmap_one``, under the PTL, for each PTE that maps ``folio``, VMA by VMA
        (:mod:`sim.mm.page_vma_mapped`); return the sum. The caller holds the rmap lock.
        """
        total, owner = 0, self.k.mm_types.mapping_of(folio)
        for vma in self.anon_vmas(owner) if self.page_mapping[folio] & MAPPING_ANON else self.file_vmas(owner):
            if not shared_only or self.vma_flags[vma] & VM_SHARED:
                total += await self.k.page_vma_mapped.page_vma_mapped_walk(cpu, folio, vma, rmap_one, sync)
        return total

    async def folio_mkclean(self, cpu: int, folio: int) -> int:
        """Write-protect and clean every shared PTE of a locked file folio; return how many there
        were.
        """
        if not await self.folio_mapped(folio):
            return 0

        async def page_vma_mkclean_one(mm: int, addr: int, ptep: int, end: int) -> tuple[int, int]:
            return await self.page_vma_mkclean_one(cpu, mm, addr, ptep), 1

        file = self.k.mm_types.mapping_of(folio)
        await self.m.down_read(I_MMAP_READ, self.i_mmap_lock, file)
        cleaned = await self.rmap_walk(cpu, folio, page_vma_mkclean_one, sync=True, shared_only=True)
        await self.m.up_read(I_MMAP_UNLOCK, self.i_mmap_lock, file)
        return cleaned

    async def page_vma_mkclean_one(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        """Clean one PTE if it is dirty or writable; return 1 if it was."""
        pte = await self.k.pgtable.ptep_get(ptep, MKCLEAN_GET)
        if not pte & (DIRTY | WRITE):
            return 0
        pte = await self.k.pgtable.ptep_clear_flush(cpu, mm, addr, ptep)
        await self.k.pgtable.set_ptes(cpu, mm, addr, ptep, self.k.pgtable.fresh(pte) & ~(DIRTY | WRITE), 1)
        return 1

    async def is_still_mapped(self, folio: int) -> bool:
        """Return whether a folio is mapped: asked again under the rmap's lock, before the walk
        (folio_lock_anon_vma_read).
        """
        return await self.folio_mapped(folio)

    async def folio_referenced(self, cpu: int, folio: int) -> int:
        """Clear the young bit of every PTE of ``folio``, without a flush; return how many were
        young.

        The caller holds a reference. A file folio is locked, or taken for young if somebody else
        has locked it; under the lock it may turn out to be truncated. An anonymous folio's anon_vma
        is trusted only while the folio is mapped, which is asked again under its lock
        (folio_lock_anon_vma_read).
        """
        anon = self.page_mapping[folio] & MAPPING_ANON
        if not await self.folio_mapped(folio):
            return 0
        locked = self.is_locked_to_age(folio)
        if locked and not await self.m.trylock(AGE_TRYLOCK, self.page_locked, folio):
            return 1
        lock, index = (self.anon_vma_lock if anon else self.i_mmap_lock), self.k.mm_types.mapping_of(folio)
        if index < 0:
            await self.m.unlock(AGE_UNLOCK, self.page_locked, folio)
            return 0

        async def folio_referenced_one(mm: int, addr: int, ptep: int, end: int) -> tuple[int, int]:
            return await self.folio_referenced_one(cpu, folio, mm, addr, ptep, end)

        await self.m.down_read(ANON_READ if anon else I_MMAP_READ, lock, index)
        young = 0
        if await self.is_still_mapped(folio):
            self.k.checks.rmap_walked(folio)
            young = await self.rmap_walk(cpu, folio, folio_referenced_one, sync=False)
        await self.m.up_read(ANON_UNLOCK if anon else I_MMAP_UNLOCK, lock, index)
        if locked:
            await self.m.unlock(AGE_UNLOCK, self.page_locked, folio)
        return young

    def is_locked_to_age(self, folio: int) -> bool:
        """Return whether ageing locks the folio: if it is a file's."""
        return not self.page_mapping[folio] & MAPPING_ANON

    async def folio_referenced_one(
        self, cpu: int, folio: int, mm: int, addr: int, ptep: int, end: int
    ) -> tuple[int, int]:
        """Clear the young bit of one PTE of ``folio``; return 1 if it was set, and that it was
        one.
        """
        return int(await self.k.pgtable.ptep_clear_young(cpu, mm, addr, ptep)), 1
