"""The model's side: a world that is composed once, and restored to its beginning for every program.

Everything runs on one CPU, which switches to the process whose turn it is, because the real
processes share one CPU too. LRU batches are then drained at the same moments on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sim.core.arena import Arena
from sim.core.machine import Actor, Body, Violation
from sim.core.profile import Profile, World
from sim.core.pte import DIRTY, PRESENT, SPECIAL, pte_pfn
from sim.kernel import Kernel
from sim.mm.mm_types import MAPPING_ANON, VM_SHARED
from sim.setup import add_file_folio, start
from sim.task import Task
from stress.conform.model.spec import Compose
from stress.conform.observation import (
    FILE_TOKEN,
    PAGE_BYTES,
    ZERO_PAGE,
    FrameNames,
    Page,
    Process,
    Vma,
    file_token,
    token_of,
)
from stress.errors import ZapstressError
from stress.machine.chance import PLAIN
from stress.machine.driver import PlainDriver
from stress.machine.lockstep import Lockstep
from stress.patch.counting import override_runs
from stress.programs.operation import Operation
from stress.programs.program import Program
from stress.programs.space import PROCESSES_MAX, File, Space
from stress.strategies.sequential import Sequential

STEPS_MAX = 1_000_000
"""Steps of one operation."""

RACE_VERSION = 1 << 39
"""In a race, the version of what an operation stores is RACE_VERSION plus its token: two executions
of the search that store the same then reach the same state. No token of a store is as large, and
those of files are larger.
"""

PSS_SHIFT = 12
"""Fraction bits that fs/proc/task_mmu.c adds to a mapping's PSS while it sums up."""


class ModelError(ZapstressError):
    """The model did not reach the end of an operation."""

    exit_status = 3


class BlindLockstep(Lockstep):
    """A machine that ignores what checkers say. It runs models with planted faults, which the
    comparison is to detect.
    """

    def fail(self, violation: Violation) -> None:
        """Go on."""


class ModelWorld:
    """A composed kernel at the beginning of programs of one shape: window, folio orders, files.

    ``blind``: what its checkers say is ignored.
    """

    def __init__(
        self,
        profile: Profile,
        compose: Compose,
        program: Program,
        cpus: int = 1,
        mms: int = PROCESSES_MAX,
        blind: bool = False,
    ) -> None:
        self.program, self.cpus = program, cpus
        real = replace(profile.real, orders=(0, *program.orders))
        self.kernel: Kernel = compose(replace(profile, real=real), world_of(program, cpus, mms, real.ptrs_per_pte))
        self.arena = Arena.create(self.kernel.layout)
        self.machine = (BlindLockstep if blind else Lockstep)(self.arena, self.kernel.slots, STEPS_MAX)
        self.kernel.bind(self.arena, self.machine)
        self.kernel.boot()
        self.driver = PlainDriver(self.machine)
        self.services = self.kernel.services()
        self._runs_told: dict[str, int] = {}
        self.do(self._begin)
        self.snapshot = self.arena.snapshot()

    async def _begin(self) -> None:
        """Make the first process, and read the files in."""
        task = self.kernel.task(0)
        await start(task, 0)
        disk = self.arena["disk"].view
        for number, file in enumerate(self.program.files):
            for index in range(file.pages):
                disk[self.kernel.filemap.slot(number, index)] = file_token(number, index)
            for index in range(0, file.pages, 1 << file.order):
                await add_file_folio(task, number, index, file.order, file.memfd)
                if not file.clean:
                    folio = await self.kernel.filemap.get_folio(task.cpu, number, index)
                    await self.kernel.page_writeback.folio_mark_dirty(folio)
                    await self.kernel.swap.folio_put(task.cpu, folio)

    def cpu(self, who: int) -> int:
        """Return the CPU of a thread: its own, if there are several."""
        return who if self.cpus > 1 else 0

    def do(self, body: Body, cpu: int = 0) -> None:
        """Run ``body`` on ``cpu`` to its end, with all chance plain. Raises Violation or
        ModelError.
        """
        machine = self.machine
        machine.begin([Actor(cpu, "program", body), *self.services], Sequential(), PLAIN, 0)
        self.driver.execute_now()
        machine.versions += machine.seq
        if machine.verdict.violation is not None:
            raise machine.verdict.violation
        if machine.verdict.kind != "clean":
            raise ModelError(f"the model ends with {machine.verdict.kind}: {machine.verdict.reason}")
        self.kernel.settle()

    def run(self) -> ModelRun:
        """Restore the beginning; return a run that starts there."""
        self.arena.restore(self.snapshot)
        return ModelRun(self)

    def fresh_override_runs(self) -> dict[str, int]:
        """Return how often each override of a patch has run since this was last asked."""
        before, self._runs_told = self._runs_told, override_runs(self.kernel)
        return {name: runs - before.get(name, 0) for name, runs in self._runs_told.items()}

    def close(self) -> None:
        """Free the world."""
        self.driver.close()
        self.arena.close()


def world_of(program: Program, cpus: int, mms: int, table: int) -> World:
    """Return a world that is large enough for a program; ``table`` is the pages of a page table."""
    return World(
        cpus=cpus,
        mms=mms,
        vpages=-(-(program.first + program.pages) // table) * table,
        pages=1 << (8 * program.pages + sum(file.pages for file in program.files) + 64).bit_length(),
        vmas=128,
        anon_vmas=128,
        files=len(program.files),
        file_pages=max((file.pages for file in program.files), default=1),
    )


class ModelRun:
    """One program in the model, operation by operation."""

    def __init__(self, world: ModelWorld) -> None:
        self.world, self.kernel = world, world.kernel
        self.space: Space = world.program.space()
        self.files: tuple[File, ...] = world.program.files
        self.tokens: dict[int, int] = {0: 0}
        """Version of a content -> the word that a real process would see."""
        self.number = 0
        self.frames = FrameNames(0)
        self.view = {name: column.view for name, column in self.kernel.arena.columns.items()}

    # -- what operations use ---------------------------------------------------------------------------------------

    def task(self, who: int) -> Task:
        """Return the thread; its CPU has switched to its process."""
        return self.kernel.task(self.world.cpu(who))

    async def store(self, who: int, page: int, offset: int = 0) -> int:
        """Store this operation's token; return 0, or -1 for a fault."""
        version = await self.task(who).store(page)
        if version < 0:
            return -1
        self.tokens[version] = token_of(self.number) + offset
        return 0

    async def load(self, who: int, page: int) -> int:
        """Return the word at the beginning of a page, or -1 for a fault."""
        version = await self.task(who).load(page)
        return version if version < 0 else self.token(version)

    def token(self, version: int) -> int:
        """Return the word that a real process would see where the model has ``version``: a file's
        version is its token, a race's has its token in it.
        """
        if version >= FILE_TOKEN:
            return version
        return version - RACE_VERSION if version >= RACE_VERSION else self.tokens[version]

    async def mmap(self, who: int, start: int, nr: int, file: int, shared: bool, pgoff: int) -> int:
        """Map. Shared memory has no page_mkwrite(): its pages are mapped writable at once
        (quiet).
        """
        quiet, order = file >= 0 and self.files[file].memfd, max(self.world.program.orders, default=0)
        return min(0, await self.task(who).mmap(start, nr, order, file, pgoff, shared, quiet=quiet))

    # -- running ---------------------------------------------------------------------------------------------------

    def execute(self, number: int, operation: Operation) -> int:
        """Run an operation, which takes effect on the space; return its result."""
        self.number = number
        result: list[int] = []

        async def body() -> None:
            process = self.space.threads[operation.who]
            await self.task(operation.who).switch_to(process)
            result.append(await operation.model(self))

        self.world.do(body, self.world.cpu(operation.who))
        operation.effect(self.space)
        return result[0]

    # -- observing -------------------------------------------------------------------------------------------------

    def observe(self, processes: Iterable[int] | None = None) -> dict[int, Process]:
        """Return the living processes, or those of ``processes``."""
        self.frames.begin()
        return {
            process: self._process(process, self.frames)
            for process in sorted(self.space.regions if processes is None else processes)
        }

    def _process(self, mm: int, frames: FrameNames) -> Process:
        ptes = self._ptes(mm)
        pages = {addr: self._page(addr, pte, frames) for addr, pte in ptes.items()}
        vmas = tuple(
            self._vma(vma, ptes, pages) for vma in self.kernel.mm_types.vmas_in(mm, 0, self.kernel.world.vpages)
        )
        file, anon, _, shmem = self.kernel.rss(mm)
        return Process(pages, vmas, (anon, file, shmem), self.view["mm_pgtables"][mm])

    def _ptes(self, mm: int) -> dict[int, int]:
        """Return the present entries of the window by page."""
        pmd, pte, program, pgtable = self.view["pmd"], self.view["pte"], self.world.program, self.kernel.pgtable
        found, size = {}, self.kernel.geometry.ptrs_per_pte
        at, end = program.first, program.first + program.pages
        while at < end:
            stop = min(end, (at // size + 1) * size)
            table = pmd[pgtable.pmd_index(mm, at)] - 1
            if table >= 0:
                first = pgtable.ptep(table, at)
                entries = enumerate(pte[first : first + stop - at].tolist(), at)
                found.update({addr: entry for addr, entry in entries if entry & PRESENT})
            at = stop
        return found

    def _page(self, addr: int, pte: int, frames: FrameNames) -> Page:
        if pte & SPECIAL:
            return ZERO_PAGE
        view, page = self.view, pte_pfn(pte)
        head, count = view["page_head"][page], view["page_mapcount"][page]
        anon = bool(view["page_mapping"][head] & MAPPING_ANON)
        name = frames.name(page, addr if anon else FrameNames.FILE)
        exclusive, dirty = anon and bool(view["page_anon_exclusive"][head]), bool(view["page_dirty"][head])
        order, content = view["page_order"][head], self.token(view["page_content"][page])
        return Page(name, count, count == 1, anon, exclusive, order, page - head, dirty, content)

    def _vma(self, vma: int, ptes: dict[int, int], pages: dict[int, Page]) -> Vma:
        """Return a mapping with what smaps_account() adds up (fs/proc/task_mmu.c)."""
        view = self.view
        start, end, file = view["vma_start"][vma], view["vma_end"][vma], view["vma_file"][vma] - 1
        pss, sums, anonymous = 0, [0, 0, 0, 0], 0
        for addr in range(start, end):
            page = pages.get(addr)
            if page is None or not page.frame:
                continue
            pss += (PAGE_BYTES << PSS_SHIFT) // max(1, page.mapcount)
            sums[(0 if page.mapcount > 1 else 2) + bool(page.dirty or ptes[addr] & DIRTY)] += 1
            anonymous += page.anon
        pgoff = view["vma_pgoff"][vma] if file >= 0 else 0
        shared = bool(view["vma_flags"][vma] & VM_SHARED)
        pss_kib = pss >> PSS_SHIFT + 10
        clean, dirty, own_clean, own_dirty = sums
        return Vma(start, end, shared, file, pgoff, sum(sums), pss_kib, clean, dirty, own_clean, own_dirty, anonymous)
