"""VMAs: mmap, munmap and exit_mmap (mm/mmap.c, v6.9), and free_pgtables (mm/memory.c).

munmap detaches under the mmap lock held for writing, downgrades, and zaps as a reader; the VMAs
stay findable by rmap walks until ``free_pgtables`` unlinks them, and their tables go only after
that. Whoever changes a VMA that faults can find write-locks it first (:mod:`sim.mm.mmap_lock`).
Lock order: mmap_lock, VMA lock, i_mmap_rwsem or anon_vma root, PTL. Left out: merging of VMAs,
mlock, accounting limits, and the VMA locks of an address space that nobody runs: a child's that is
being built, and one that is torn down.
"""

from __future__ import annotations

import errno
from collections.abc import Coroutine
from typing import Any

from sim.core.arena import Cells, Column, Field
from sim.core.component import Component, ref_to
from sim.core.machine import site
from sim.core.slab import Slab
from sim.mm.mm_types import VM_MAYWRITE

MMAP_LOCK = site("do_mmap", "lock mmap for writing")
MMAP_UNLOCK = site("do_mmap", "unlock mmap")
MMAP_UNLOCK_EXISTS = site("do_mmap", "unlock mmap, the range is not free")
LOCK = site("do_vmi_align_munmap", "lock mmap for writing")
DOWNGRADE = site("do_vmi_align_munmap", "downgrade mmap lock")
UNLOCK = site("do_vmi_align_munmap", "unlock mmap")
UNLOCK_NOTHING = site("do_vmi_align_munmap", "unlock mmap, nothing mapped")
EXIT_READ = site("exit_mmap", "lock mmap for reading")
EXIT_READ_END = site("exit_mmap", "unlock mmap")
EXIT_WRITE = site("exit_mmap", "lock mmap for writing")
ALLOC = site("vm_area_alloc", "take vma")
FREE = site("vm_area_free", "give vma back")
EXIT_UNLOCK = site("exit_mmap", "unlock mmap at the end")


class Mmap(Component):
    """Address ranges."""

    name = "mmap"

    mmap_lock: Column
    mm_order: Cells
    vma_mm: Cells
    vma_start: Cells
    vma_end: Cells
    vma_flags: Cells
    vma_file: Cells
    vma_pgoff: Cells
    vma_anon_vma: Cells
    vma_anon_prepared: Column
    vma_attached: Cells
    vma_linked: Cells
    vm_lock_seq: Cells

    def fields(self) -> list[Field]:
        self.slab = Slab("vma_slab", self.w.vmas, "VMAs")
        return [self.slab.field()]

    def bind(self) -> None:
        super().bind()
        self.slab.bind(self.m, self.k.arena["vma_slab"])

    async def do_mmap(
        self, mm: int, addr: int, nr: int, flags: int, file: int = -1, pgoff: int = 0, order: int = 0
    ) -> int:
        """Map ``nr`` pages at ``addr`` (MAP_FIXED_NOREPLACE); anonymous, with folios of up to
        ``order``, if ``file`` is -1.

        Return the VMA, or -EEXIST if something is mapped there.
        """
        await self.m.down_write(MMAP_LOCK, self.mmap_lock, mm)
        if self.k.mm_types.vmas_in(mm, addr, addr + nr):
            await self.k.mmap_lock.mmap_write_unlock(MMAP_UNLOCK_EXISTS, mm)
            return -errno.EEXIST
        self.mm_order[mm] = max(self.mm_order[mm], order)
        vma = await self.vm_area_alloc(mm)
        self._fill(vma, addr, addr + nr, flags | VM_MAYWRITE, ref_to(file), pgoff if file >= 0 else addr, 0)
        await self.write_lock_new(vma)
        await self.attach(mm, vma)
        await self.k.rmap.vma_link(vma)
        await self.k.mmap_lock.mmap_write_unlock(MMAP_UNLOCK, mm)
        return vma

    def write_lock_new(self, vma: int) -> Coroutine[Any, Any, None]:
        """Keep faults out of a VMA that is about to be found, until all of it is there
        (mmap_region).
        """
        return self.k.mmap_lock.vma_start_write(vma)

    async def attach(self, mm: int, vma: int) -> None:
        """Let ``vma`` be found by its addresses (vma_iter_store)."""
        await self.k.mmap_lock.vma_mark_attached(vma)
        await self.k.mmap_lock.mas_wr_begin(mm)
        self.vma_attached[vma] = 1
        await self.k.mmap_lock.mas_wr_end(mm)

    async def vm_area_alloc(self, mm: int) -> int:
        """Take a free VMA for ``mm``."""
        vma = await self.slab.take(ALLOC)
        self.vma_mm[vma], self.vm_lock_seq[vma] = ref_to(mm), 0
        return vma

    async def vm_area_free(self, vma: int) -> None:
        """Give a VMA slot back."""
        self.k.checks.vma_freed(vma)
        self._fill(vma, 0, 0, 0, 0, 0, 0)
        self.vma_mm[vma] = self.vma_attached[vma] = self.vma_linked[vma] = 0
        await self.slab.give(FREE, vma)

    def _fill(self, vma: int, start: int, end: int, flags: int, file: int, pgoff: int, anon_vma: int) -> None:
        self.vma_start[vma], self.vma_end[vma], self.vma_flags[vma] = start, end, flags
        self.vma_file[vma], self.vma_pgoff[vma], self.vma_anon_vma[vma] = file, pgoff, anon_vma
        self.vma_anon_prepared.view[vma] = bool(anon_vma)

    async def vm_area_dup(self, vma: int, mm: int) -> int:
        """Copy a VMA into ``mm``; the copy is neither attached nor linked."""
        new = await self.vm_area_alloc(mm)
        self._fill(
            new,
            self.vma_start[vma],
            self.vma_end[vma],
            self.vma_flags[vma],
            self.vma_file[vma],
            self.vma_pgoff[vma],
            self.vma_anon_vma[vma],
        )
        return new

    async def split_vma(self, vma: int, addr: int) -> int:
        """Split at ``addr``; return the upper part, a new VMA (__split_vma)."""
        new = await self.vm_area_dup(vma, self.k.mm_types.mm_of(vma))
        self.vma_start[new] = addr
        self.vma_pgoff[new] += addr - self.vma_start[vma]
        await self.k.rmap.anon_vma_clone(new)
        await self.k.mmap_lock.vma_start_write(vma)
        await self.k.mmap_lock.vma_start_write(new)
        await self.split_adjusted(vma, new, addr)
        return new

    async def split_adjusted(self, vma: int, new: int, addr: int) -> None:
        """Let ``vma`` end at ``addr`` and ``new`` be found from there on, both at once, with rmap
        walks kept out (vma_prepare to vma_complete).
        """
        mm = self.k.mm_types.mm_of(vma)
        await self.k.rmap.vma_prepare(vma)
        await self.k.mmap_lock.vma_mark_attached(new)
        await self.k.mmap_lock.mas_wr_begin(mm)
        self.vma_end[vma] = addr
        self.k.rmap.link_file(new)
        self.vma_attached[new] = 1
        await self.k.mmap_lock.mas_wr_end(mm)
        await self.k.rmap.vma_complete(vma)

    async def do_munmap(self, cpu: int, mm: int, start: int, nr: int) -> None:
        """Unmap [start, start + nr): split, detach, downgrade, unmap, free the VMAs
        (do_vmi_align_munmap).
        """
        end = start + nr
        await self.m.down_write(LOCK, self.mmap_lock, mm)
        if not self.k.mm_types.vmas_in(mm, start, end):
            await self.k.mmap_lock.mmap_write_unlock(UNLOCK_NOTHING, mm)
            return
        for edge in (start, end):
            await self.split_at(mm, edge)
        vmas = self.k.mm_types.vmas_in(mm, start, end)
        await self.detach(mm, vmas)
        floor, ceiling = self._neighbours(mm, start, end)
        await self.k.mmap_lock.mmap_write_downgrade(DOWNGRADE, mm)
        await self.unmap_region(cpu, mm, vmas, start, end, floor, ceiling)
        for vma in vmas:
            await self.vm_area_free(vma)
        await self.m.up_read(UNLOCK, self.mmap_lock, mm)

    async def split_at(self, mm: int, edge: int) -> None:
        """Split the VMA, if any, that goes on over ``edge``."""
        vma = self.k.mm_types.vma_lookup(mm, edge)
        if vma >= 0 and self.vma_start[vma] < edge:
            await self.split_vma(vma, edge)

    async def detach(self, mm: int, vmas: list[int]) -> None:
        """Wait for the readers of the VMAs, and let nobody find these by an address any more
        (vms_gather_munmap_vmas, vma_iter_clear_gfp).
        """
        for vma in vmas:
            await self.write_lock_old(vma)
            await self.k.mmap_lock.vma_mark_detached(vma)
        await self.k.mmap_lock.mas_wr_begin(mm)
        for vma in vmas:
            self.vma_attached[vma] = 0
        await self.k.mmap_lock.mas_wr_end(mm)

    def write_lock_old(self, vma: int) -> Coroutine[Any, Any, None]:
        """Keep faults out of a VMA that is about to go."""
        return self.k.mmap_lock.vma_start_write(vma)

    def _neighbours(self, mm: int, start: int, end: int) -> tuple[int, int]:
        """Return how far down and up tables may be freed: to the VMAs that stay (also detached ones
        of others).
        """
        mine = [v for v in range(self.w.vmas) if self.vma_mm[v] == ref_to(mm)]
        floor = max((self.vma_end[v] for v in mine if self.vma_end[v] <= start), default=0)
        ceiling = min(
            (self.vma_start[v] for v in mine if self.vma_start[v] >= end),
            default=self.k.pgtable.per_mm * self.g.ptrs_per_pte,
        )
        return floor, ceiling

    async def unmap_region(
        self, tlb: int, mm: int, vmas: list[int], start: int, end: int, floor: int, ceiling: int
    ) -> None:
        """Zap and free tables under one gather."""
        await self.k.swap.drain_before_zap(tlb)
        await self.k.mmu_gather.tlb_gather_mmu(tlb, mm)
        await self.k.memory.unmap_vmas(tlb, vmas, start, end)
        await self.free_pgtables(tlb, mm, vmas, floor, ceiling)
        await self.k.mmu_gather.tlb_finish_mmu(tlb)

    async def free_pgtables(self, tlb: int, mm: int, vmas: list[int], floor: int, ceiling: int) -> None:
        """Make the VMAs unfindable, then unhook the tables that only they used."""
        await self.unlink_vmas(vmas)
        first, last = self.vma_start[vmas[0]], self.vma_end[vmas[-1]]
        await self.k.pgtable.free_pgd_range(tlb, mm, first, last, floor, ceiling)

    async def unlink_vmas(self, vmas: list[int]) -> None:
        """Hide VMAs whose tables are about to go from rmap walks: one after the other (6.9)."""
        for vma in vmas:
            await self.k.rmap.vma_unlink(vma)

    async def exit_mmap(self, cpu: int, mm: int) -> None:
        """Tear the whole address space down: its last user is gone."""
        await self.m.down_read(EXIT_READ, self.mmap_lock, mm)
        vmas = self.k.mm_types.vmas_in(mm, 0, self.w.vpages)
        if vmas:
            await self.k.swap.drain_before_zap(cpu)
            await self.k.mmu_gather.tlb_gather_mmu(cpu, mm, fullmm=True)
            await self.k.memory.unmap_vmas(cpu, vmas, 0, self.w.vpages)
        await self.m.up_read(EXIT_READ_END, self.mmap_lock, mm)
        await self.m.down_write(EXIT_WRITE, self.mmap_lock, mm)
        if vmas:
            await self.free_pgtables(cpu, mm, vmas, 0, self.k.pgtable.per_mm * self.g.ptrs_per_pte)
            await self.k.mmu_gather.tlb_finish_mmu(cpu)
        for vma in vmas:
            await self.k.mmap_lock.vma_mark_detached(vma)
            await self.vm_area_free(vma)
        await self.m.up_write(EXIT_UNLOCK, self.mmap_lock, mm)
        self.k.checks.mm_destroyed(mm)
