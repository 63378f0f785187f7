"""What a thread can do: the system calls and memory accesses that scenarios are written in, and the
kernel work that a scenario gives a thread of its own.

A task is the thread on one CPU; which mm it runs is in the arena. Addresses and lengths are in
pages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from sim.core.arena import Cells, Column
from sim.core.component import Part, index_of_ref
from sim.core.errors import WorldError
from sim.core.machine import site
from sim.core.operations import number_of, overlap_cell
from sim.mm.mm_types import VM_QUIET, VM_SHARED, VM_UFFD_WP, VM_WRITE

if TYPE_CHECKING:
    from sim.core.component import Kernel

Result = TypeVar("Result")

BORN = site("schedule_tail", "wait for the child's mm")
USERS_DEC = site("mmput", "mm_users -1")

FAULTS_MAX = 64
"""Page faults in a row that one access may take before it is given up as a fault loop."""


class Task(Part):
    """The thread on CPU ``cpu`` of a kernel that has its arena and its machine."""

    mm_users: Column
    cpu_mm: Cells
    op: Cells
    op_start: Cells
    op_end: Cells
    op_keeps_markers: Cells
    op_began: Cells
    overlaps: Cells
    op_counted: Cells

    def __init__(self, kernel: Kernel, cpu: int) -> None:
        super().__init__(kernel)
        self.cpu = cpu
        self.bind()

    @property
    def mm(self) -> int:
        """The address space that runs here. Raises WorldError if there is none."""
        ref = self.cpu_mm[self.cpu]
        if not ref:
            raise WorldError(f"CPU {self.cpu} runs no mm; give it one in the setup: start(task, mm)")
        return index_of_ref(ref)

    async def _operation(
        self, name: str, start: int, end: int, body: Awaitable[Result], keeps_markers: bool = False
    ) -> Result:
        """Run ``body``, one of the OPERATIONS, on pages [start, end); return what it returns."""
        cpu, number = self.cpu, number_of(name)
        for other, running in enumerate(self.op_counted):
            if running and other != cpu:
                self.overlaps[overlap_cell(running, number)] += 1
        self.op[cpu], self.op_start[cpu], self.op_end[cpu], self.op_keeps_markers[cpu] = (
            number,
            start,
            end,
            keeps_markers,
        )
        self.op_counted[cpu], self.op_began[cpu] = number, self.m.seq
        result = await body
        self.op[cpu], self.op_start[cpu], self.op_end[cpu], self.op_keeps_markers[cpu] = 0, 0, self.w.vpages, 0
        self.op_counted[cpu] = 0
        return result

    def _everywhere(self, name: str, body: Awaitable[Result]) -> Coroutine[Any, Any, Result]:
        """Run ``body`` as an operation that may touch the whole address space."""
        return self._operation(name, 0, self.w.vpages, body)

    # -- memory accesses -------------------------------------------------------------------------------------------

    def load(self, addr: int) -> Coroutine[Any, Any, int]:
        """Load from page ``addr``; return the version of its content, or -1 for a segmentation
        fault or a bus error.
        """
        return self._access(addr, False)

    def store(self, addr: int) -> Coroutine[Any, Any, int]:
        """Store to page ``addr``; return the new version of its content, or -1 for a segmentation
        fault or a bus error.
        """
        return self._access(addr, True)

    async def _access(self, addr: int, store: bool) -> int:
        for _ in range(FAULTS_MAX):
            version = await self.k.tlb.user_access(self.cpu, self.mm, addr, store)
            if version >= 0:
                return version
            handling = self.k.page_fault.handle_mm_fault(self.cpu, self.mm, addr, store)
            if not await self._everywhere("page fault", handling):
                return -1
            await self.k.tlb.fault_again(self.cpu, self.mm, addr)
        self.k.checks.fault_loop(self.mm, addr, store)
        return -1

    def prefetch(self, addr: int) -> Coroutine[Any, Any, None]:
        """Let the hardware fill a translation for ``addr`` speculatively."""
        return self.k.tlb.prefetch(self.cpu, self.mm, addr)

    async def speculate(self, nr: int) -> None:
        """Let the hardware fill ``nr`` translations of its own choice, of whatever mm it has
        loaded, be it that a kernel thread borrows it; which page is drawn. Hardware that walks no
        page tables fills none.
        """
        for _ in range(nr):
            addr = self.m.draw("speculation", self.w.vpages)
            if self.cpu_mm[self.cpu] and self.profile.walks_tables:
                await self.prefetch(addr)

    # -- system calls ----------------------------------------------------------------------------------------------

    def mmap(
        self,
        addr: int,
        nr: int,
        order: int = 0,
        file: int = -1,
        pgoff: int = 0,
        shared: bool = False,
        uffd_wp: bool = False,
        quiet: bool = False,
    ) -> Coroutine[Any, Any, int]:
        """Map ``nr`` pages at ``addr``: anonymous with folios of up to ``order``, or a file.

        Return the VMA, or -EEXIST if something is mapped there.

        ``quiet``: the file system does not want to be told of the first write to a page (shmem), so
        that shared pages are mapped writable and clean.
        """
        flags = VM_WRITE | (VM_SHARED if shared else 0) | (VM_UFFD_WP if uffd_wp else 0) | (VM_QUIET if quiet else 0)
        return self._everywhere("mmap", self.k.mmap.do_mmap(self.mm, addr, nr, flags, file, pgoff, order))

    async def munmap(self, addr: int, nr: int) -> None:
        """munmap(): afterwards no CPU can use the range."""
        mm, began = self.mm, self.m.seq
        await self._operation("munmap", addr, addr + nr, self.k.mmap.do_munmap(self.cpu, mm, addr, nr))
        self.k.checks.returned(mm, addr, addr + nr, began)

    async def dontneed(self, addr: int, nr: int) -> None:
        """madvise(MADV_DONTNEED): afterwards no CPU can use what the range held."""
        advice = self.k.madvise.madvise_dontneed(self.cpu, self.mm, addr, nr)
        await self._operation("dontneed", addr, addr + nr, advice, keeps_markers=True)

    async def fork(self, child: int) -> None:
        """fork() into the unused mm ``child``; a task that waits in :meth:`born` becomes its
        thread.
        """
        mm, began = self.mm, self.m.seq
        await self._everywhere("fork", self.k.fork.dup_mmap(self.cpu, mm, child))
        self.k.checks.returned(mm, 0, self.w.vpages, began, writable_only=True)

    async def fork_may_fail(self, child: int) -> bool:
        """fork() into the unused mm ``child`` where memory may run out; return whether the child is
        there.
        """
        mm, began, forked = self.mm, self.m.seq, self.k.fork.dup_mmap(self.cpu, self.mm, child, True)
        born = await self._everywhere("fork", forked)
        self.k.checks.returned(mm, 0, self.w.vpages, began, writable_only=True)
        return born

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
            await self._everywhere("exit", self.k.mmap.exit_mmap(self.cpu, mm))

    async def ftruncate(self, file: int, size: int) -> None:
        """ftruncate() of ``file`` to ``size`` bytes."""
        await self._everywhere("truncate", self.k.filesystem.do_truncate(self.cpu, file, size))

    async def punch_hole(self, file: int, index: int, nr: int) -> None:
        """fallocate(FALLOC_FL_PUNCH_HOLE) of ``nr`` pages of ``file`` from ``index`` on."""
        await self._everywhere("punch", self.k.filesystem.punch_hole(self.cpu, file, index, index + nr))

    async def madvise_remove(self, addr: int, nr: int) -> int:
        """madvise(MADV_REMOVE): punch a hole in the file that is mapped at the range; return 0, or
        a negative errno if there is none that may be written to.
        """
        return await self._everywhere("punch", self.k.madvise.madvise_remove(self.cpu, self.mm, addr, nr))

    async def direct_write(self, file: int, index: int, nr: int) -> None:
        """Write ``nr`` pages of ``file`` with O_DIRECT: what it has there, over itself."""
        await self._everywhere("direct write", self.k.filesystem.direct_write(self.cpu, file, index, nr))

    # -- kernel work -----------------------------------------------------------------------------------------------

    async def write_back(self, file: int, index: int) -> None:
        """Write the folio at ``index`` of ``file`` out, if it is dirty."""
        await self._everywhere("writeback", self.k.page_writeback.write_folio(self.cpu, file, index))

    async def age(self, file: int, index: int) -> None:
        """Clear the young bits of the folio at ``index`` of ``file``, as reclaim's ageing does."""
        await self._everywhere("age", self.k.vmscan.age_file_folio(self.cpu, file, index))

    async def age_anon(self) -> None:
        """Clear the young bits of the first anonymous folio on the LRU, if there is one, as
        reclaim's ageing does.
        """
        await self._everywhere("age", self.k.vmscan.age_anon_folio(self.cpu))

    async def idle(self) -> None:
        """Run a kernel thread that borrows the mm lazily."""
        await self.k.tlbflush.enter_lazy_tlb(self.cpu)

    async def switch_to(self, mm: int) -> None:
        """Switch this CPU to ``mm``: the same one again after :meth:`idle`, or another."""
        await self.k.tlbflush.switch_mm(self.cpu, mm)
