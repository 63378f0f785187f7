"""What a thread can do: the system calls and memory accesses that scenarios are written in.

A task is the thread on one CPU; which mm it runs is in the arena. Addresses and lengths are in
pages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any

from sim.core.ledger import TRANSIENT
from sim.core.machine import site
from sim.core.pte import KIND_MIGRATION, KIND_SWAP, PRESENT, SPECIAL, YOUNG, make_entry, pte_pfn
from sim.mm.mm_types import MAPPING_ANON, VM_QUIET, VM_SHARED, VM_UFFD_WP, VM_WRITE, ZERO_PFN

if TYPE_CHECKING:
    from sim.kernel import Kernel

BORN = site("schedule_tail", "wait for the child's mm")
USERS_DEC = site("mmput", "mm_users -1")
BOOT_USERS = site("mm_init", "mm_users = 1")
ISOLATE_LOCK = site("isolate_lru_folios", "lock lruvec")
ISOLATE_GET = site("isolate_lru_folios", "take a reference unless it is 0")
ISOLATE_UNLOCK = site("isolate_lru_folios", "unlock lruvec")
PLANT_READ = site("setup", "read pte")
PLANT_SET = site("setup", "plant entry")
PLANT_COUNT = site("setup", "account for the planted entry")

FAULTS_MAX = 64
"""Faults in a row that one access may take before it is given up as a fault loop."""


class Task:
    """The thread on ``cpu``."""

    def __init__(self, kernel: Kernel, cpu: int) -> None:
        self.k, self.m, self.cpu = kernel, kernel.machine, cpu
        columns = kernel.arena.columns
        self.mm_users = columns["mm_users"]
        self.cpu_mm, self.op = columns["cpu_mm"].view, columns["op"].view
        self.op_start, self.op_end, self.keeps = (
            columns["op_start"].view,
            columns["op_end"].view,
            columns["op_keeps_markers"].view,
        )

    @property
    def mm(self) -> int:
        """The address space that runs here."""
        return self.cpu_mm[self.cpu] - 1

    async def _operation(
        self, name: str, start: int, end: int, body: Awaitable[None], keeps_markers: bool = False
    ) -> int:
        """Run an operation on pages [start, end), noting which others it overlaps; return the step
        it began at.
        """
        began, cpu = self.m.seq, self.cpu
        number = OPERATIONS.index(name) + 1
        for other in range(self.k.world.cpus):
            if self.op[other] and other != cpu:
                pair = (OPERATIONS[self.op[other] - 1], name)
                self.k.overlaps[pair] = self.k.overlaps.get(pair, 0) + 1
        self.op[cpu], self.op_start[cpu], self.op_end[cpu], self.keeps[cpu] = number, start, end, keeps_markers
        await body
        self.op[cpu], self.op_start[cpu], self.op_end[cpu], self.keeps[cpu] = 0, 0, self.k.world.vpages, 0
        return began

    # -- memory accesses -------------------------------------------------------------------------------------------

    def load(self, addr: int) -> Coroutine[Any, Any, int]:
        """Load from page ``addr``; return the version of its content, or -1 for a segmentation
        fault.
        """
        return self._access(addr, False)

    def store(self, addr: int) -> Coroutine[Any, Any, int]:
        """Store to page ``addr``; return the new version of its content, or -1 for a segmentation
        fault.
        """
        return self._access(addr, True)

    async def _access(self, addr: int, store: bool) -> int:
        for _ in range(FAULTS_MAX):
            version = await self.k.tlb.user_access(self.cpu, self.mm, addr, store)
            if version >= 0:
                return version
            good: list[bool] = []
            await self._operation("page fault", addr, addr + 1, self._fault(addr, store, good))
            if not good[0]:
                return -1
        self.k.checks.fault_loop(self.mm, addr, store)
        return -1

    async def _fault(self, addr: int, store: bool, good: list[bool]) -> None:
        self.op_start[self.cpu], self.op_end[self.cpu] = 0, self.k.world.vpages
        good.append(await self.k.page_fault.handle_mm_fault(self.cpu, self.mm, addr, store))

    def prefetch(self, addr: int) -> Coroutine[Any, Any, None]:
        """Let the hardware fill a translation for ``addr`` speculatively."""
        return self.k.tlb.prefetch(self.cpu, self.mm, addr)

    # -- system calls ----------------------------------------------------------------------------------------------

    async def mmap(
        self,
        addr: int,
        nr: int,
        order: int = 0,
        file: int = -1,
        pgoff: int = 0,
        shared: bool = False,
        uffd_wp: bool = False,
        quiet: bool = False,
    ) -> int:
        """Map ``nr`` pages at ``addr``: anonymous with folios of up to ``order``, or a file.

        Return the VMA, or -EEXIST if something is mapped there.

        ``quiet``: the file system does not want to be told of the first write to a page (shmem), so
        that shared pages are mapped writable and clean.
        """
        flags = VM_WRITE | (VM_SHARED if shared else 0) | (VM_UFFD_WP if uffd_wp else 0) | (VM_QUIET if quiet else 0)
        return await self.k.mmap.do_mmap(self.mm, addr, nr, flags, file, pgoff, order)

    async def munmap(self, addr: int, nr: int) -> None:
        """munmap(): afterwards no CPU can use the range."""
        mm = self.mm
        began = await self._operation("munmap", addr, addr + nr, self.k.mmap.do_munmap(self.cpu, mm, addr, nr))
        self.k.checks.returned(mm, addr, addr + nr, began)

    async def dontneed(self, addr: int, nr: int) -> None:
        """madvise(MADV_DONTNEED): afterwards no CPU can use what the range held."""
        mm = self.mm
        await self._operation(
            "dontneed", addr, addr + nr, self.k.madvise.madvise_dontneed(self.cpu, mm, addr, nr), keeps_markers=True
        )

    async def fork(self, child: int) -> None:
        """fork() into the unused mm ``child``; a task that waits in :meth:`born` becomes its
        thread.
        """
        mm = self.mm
        began = await self._operation("fork", 0, self.k.world.vpages, self.k.fork.dup_mmap(self.cpu, mm, child))
        self.k.checks.returned(mm, 0, self.k.world.vpages, began, writable_only=True)

    async def born(self, mm: int) -> None:
        """Wait until fork has published ``mm``, then run it."""
        users = self.mm_users
        await self.m.wait(BORN, users, mm, lambda: users.view[mm] > 0)
        await self.k.tlbflush.switch_mm(self.cpu, mm)

    async def exit(self) -> None:
        """exit(): let go of the mm; its last user tears it down."""
        mm = self.mm
        await self.k.tlbflush.enter_lazy_tlb(self.cpu)
        if await self.m.add(USERS_DEC, self.mm_users, mm, -1) == 0:
            await self._operation("exit", 0, self.k.world.vpages, self.k.mmap.exit_mmap(self.cpu, mm))

    # -- kernel work -----------------------------------------------------------------------------------------------

    async def write_back(self, file: int, index: int) -> None:
        """Write the folio at ``index`` of ``file`` out, if it is dirty."""

        async def write() -> None:
            await self.k.page_writeback.write_folio(self.cpu, file, index)

        await self._operation("writeback", 0, self.k.world.vpages, write())

    async def age(self, file: int, index: int) -> None:
        """Clear the young bits of the folio at ``index`` of ``file``, as reclaim's ageing does."""

        async def walk() -> None:
            folio = await self.k.filemap.get_folio(file, index)
            await self.k.rmap.folio_referenced(self.cpu, folio)
            await self.k.swap.folio_put(self.cpu, folio)

        await self._operation("age", 0, self.k.world.vpages, walk())

    async def age_anon(self) -> None:
        """Clear the young bits of the first anonymous folio on the LRU, if there is one, as
        reclaim's ageing does.
        """

        async def walk() -> None:
            folio = await self._isolate_anon()
            if folio >= 0:
                await self.k.rmap.folio_referenced(self.cpu, folio)
                await self.k.swap.folio_put(self.cpu, folio)

        await self._operation("age", 0, self.k.world.vpages, walk())

    async def _isolate_anon(self) -> int:
        """Take a reference on that folio unless it is being freed (isolate_lru_folios); it keeps
        PG_lru. Return -1 if there is none.
        """
        columns = self.k.arena.columns
        lru, mapping, refs, lock = (
            columns["page_lru"],
            columns["page_mapping"],
            columns["page_ref"],
            columns["lruvec_lock"],
        )
        await self.m.lock(ISOLATE_LOCK, lock, 0)
        folio = next((f for f, on in enumerate(lru.view) if on and mapping.view[f] & MAPPING_ANON), -1)
        if folio >= 0 and not await self.m.rmw(ISOLATE_GET, refs, folio, lambda ref: ref + (ref > 0), TRANSIENT):
            folio = -1
        await self.m.unlock(ISOLATE_UNLOCK, lock, 0)
        return folio

    async def idle(self) -> None:
        """Run a kernel thread that borrows the mm lazily."""
        await self.k.tlbflush.enter_lazy_tlb(self.cpu)

    async def switch_to(self, mm: int) -> None:
        """Switch this CPU to ``mm``: the same one again after :meth:`idle`, or another."""
        await self.k.tlbflush.switch_mm(self.cpu, mm)

    # -- setup -----------------------------------------------------------------------------------------------------

    async def start(self, mm: int) -> None:
        """Give this CPU the mm ``mm``, as one more thread that uses it; the first to do so makes
        it.
        """
        await self.m.add(BOOT_USERS, self.mm_users, mm, 1)
        await self.k.tlbflush.switch_mm(self.cpu, mm)

    async def plant_zero_page(self, addr: int) -> None:
        """Map the zero page at ``addr``, as a read fault of anonymous memory does."""
        await self._plant(addr, ZERO_PFN << 12 | PRESENT | SPECIAL | YOUNG)

    async def plant_swap_entry(self, addr: int, slot: int) -> None:
        """Put a swap entry at ``addr``, with its count and its RSS."""
        await self.m.add(PLANT_COUNT, self.k.arena["swap_map"], slot, 1)
        await self.k.page_fault.add_rss(self.cpu, self.mm, 2, 1)
        await self._plant(addr, make_entry(KIND_SWAP, slot))

    async def plant_migration_entry(self, addr: int) -> None:
        """Turn the anonymous page mapped at ``addr`` into a migration entry: RSS stays, rmap and
        reference go.
        """
        mm, vma = self.mm, self.k.mm_types.vma_lookup(self.mm, addr)
        table = await self.k.pgtable.pte_offset_map_lock(self.cpu, mm, addr)
        pte = await self.k.pgtable.ptep_clear_flush(self.cpu, mm, addr, self.k.pgtable.ptep(table, addr))
        page = pte_pfn(pte)
        await self.k.rmap.folio_remove_rmap_ptes(self.k.page_head(page), page, 1, vma)
        await self.m.store(
            PLANT_SET, self.k.arena["pte"], self.k.pgtable.ptep(table, addr), make_entry(KIND_MIGRATION, page)
        )
        await self.k.pgtable.pte_unmap_unlock(self.cpu, table)
        await self.k.swap.folio_put(self.cpu, self.k.page_head(page))

    async def uffd_protect(self, addr: int) -> None:
        """userfaultfd write-protects the page mapped at ``addr``."""
        mm = self.mm
        table = await self.k.pgtable.pte_offset_map_lock(self.cpu, mm, addr)
        ptep = self.k.pgtable.ptep(table, addr)
        await self.k.pgtable.uffd_wp_protect(self.cpu, ptep)
        await self.k.tlbflush.flush_tlb_page(self.cpu, mm, addr)
        await self.k.pgtable.pte_unmap_unlock(self.cpu, table)

    async def _plant(self, addr: int, entry: int) -> None:
        mm = self.mm
        if not await self.m.load(PLANT_READ, self.k.arena["pmd"], self.k.pgtable.pmd_index(mm, addr)):
            await self.k.pgtable.pte_alloc(self.cpu, mm, addr)
        table = await self.k.pgtable.pte_offset_map_lock(self.cpu, mm, addr)
        await self.m.store(PLANT_SET, self.k.arena["pte"], self.k.pgtable.ptep(table, addr), entry)
        await self.k.pgtable.pte_unmap_unlock(self.cpu, table)

    async def add_file_folio(self, file: int, index: int, order: int, shmem: bool = False) -> None:
        """Read a folio of ``order`` at ``index`` of ``file`` into the page cache; ``shmem``: the
        file is shared memory.
        """
        await self.k.filemap.add_folio(self.cpu, file, index, order, shmem)


OPERATIONS = ("page fault", "munmap", "dontneed", "fork", "exit", "writeback", "age")
"""Operations whose overlaps are counted."""
