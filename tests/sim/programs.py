"""Small programs on the real kernel for the tests of sim: each a scenario, found by name; and
mutations, found by id.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from sim.core.profile import World
from sim.setup import add_file_folio, plant_swap_entry, start, uffd_protect
from stress.case import Case
from stress.catalogue import Catalogue
from stress.execution.runner import Runner, open_runner
from stress.scenario import Body, Scenario
from stress.strategies import Strategy

NR = 8
"""Pages of each mapping."""

ANON, FILE = 0, NR


class Program(Scenario):
    """Three CPUs; thread 0 has an anonymous mapping and a shared file mapping, thread 1 shares its
    mm, thread 2 is the kernel's or a child's.
    """

    order = 2

    def world(self) -> World:
        return World(cpus=3, mms=2, vpages=3 * NR, pages=96, vmas=16, files=1, file_pages=NR, anon_vmas=8, swap_slots=2)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Map and touch both mappings."""
        task = self.task(0)
        await start(task, 0)
        for index in range(0, NR, 1 << self.order):
            await add_file_folio(task, 0, index, self.order)
        await task.mmap(ANON, NR, order=self.order)
        await task.mmap(FILE, NR, file=0, shared=True, uffd_wp=self.profile.uffd_wp)
        for addr in range(ANON, ANON + NR, 3):
            await task.store(addr)
        await task.load(FILE)
        await task.store(FILE + 2)

    async def join(self) -> None:
        """The second thread uses the same mm."""
        await start(self.task(1), 0)
        await self.task(1).load(ANON)
        await self.task(1).store(FILE + 2)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("zero", 0, self.zero), ("one", 1, self.one), ("two", 2, self.two)]

    async def zero(self) -> None:
        """What thread 0 does."""

    async def one(self) -> None:
        """What thread 1 does."""

    async def two(self) -> None:
        """What thread 2 does."""


class Zap(Program):
    """Drop parts and wholes of both mappings, while the second thread uses them."""

    async def zero(self) -> None:
        task = self.task(0)
        await task.dontneed(ANON + 4, 4)
        await task.dontneed(ANON + 1, 2)
        await task.dontneed(FILE + 1, 5)
        await task.munmap(ANON, NR)


class Used(Program):
    """Drop anonymous pages while the second thread looks at them for the first time."""

    async def zero(self) -> None:
        await self.task(0).dontneed(ANON + 4, 4)

    async def one(self) -> None:
        await self.task(1).load(ANON + 6)


class Edges(Program):
    """Unmap one page, a whole folio and part of a third: a single and pairs in one gather."""

    async def zero(self) -> None:
        await self.task(0).munmap(ANON + 3, NR)
        await self.task(0).munmap(ANON, NR)


class Written(Program):
    """Write a folio out while two threads store to it."""

    async def zero(self) -> None:
        await self.task(0).store(FILE + 1)
        await self.task(0).store(FILE + 2)

    async def one(self) -> None:
        for _ in range(3):
            await self.task(1).store(FILE + 2)

    async def two(self) -> None:
        await self.task(2).write_back(0, 2)


class Twice(Written):
    """Write a folio out from two CPUs, from one of them again and again, while a third stores to
    it.
    """

    async def zero(self) -> None:
        for _ in range(3):
            await self.task(0).write_back(0, 2)


class Stay(Program):
    """Fork, write on both sides, and stay."""

    async def zero(self) -> None:
        await self.task(0).fork(1)
        await self.task(0).store(ANON)

    async def two(self) -> None:
        await self.task(2).born(1)
        await self.task(2).load(ANON)

    async def one(self) -> None:
        for addr in (ANON + 5, FILE + 2, FILE + 6):
            await self.task(1).store(addr)


class Copied(Program):
    """Fork and write, while another thread of the parent uses the page that the child shares."""

    async def zero(self) -> None:
        await self.task(0).fork(1)
        await self.task(0).store(ANON)

    async def one(self) -> None:
        await self.task(1).load(ANON)
        await self.task(1).store(ANON)
        await self.task(1).load(ANON)

    async def two(self) -> None:
        await self.task(2).born(1)
        await self.task(2).load(ANON)


class Replaced(Program):
    """Store where two CPUs have the zero page in their TLBs."""

    async def prepare(self) -> None:
        await super().prepare()
        await self.task(0).mmap(2 * NR, 2)
        await self.task(0).load(2 * NR)

    async def join(self) -> None:
        await super().join()
        await self.task(1).load(2 * NR)

    async def zero(self) -> None:
        await self.task(0).store(2 * NR)


class Partly(Program):
    """Drop part of a folio, and stay."""

    async def zero(self) -> None:
        await self.task(0).dontneed(ANON + 1, 2)


class Again(Program):
    """Drop a folio, and store where it was."""

    async def zero(self) -> None:
        await self.task(0).dontneed(ANON, 4)
        await self.task(0).store(ANON)


class Clean(Program):
    """Unmap dirty file pages while they are written out and stored to."""

    async def zero(self) -> None:
        await self.task(0).munmap(FILE, NR)

    async def one(self) -> None:
        await self.task(1).store(FILE + 2)
        await self.task(1).store(FILE + 2)

    async def two(self) -> None:
        await self.task(2).write_back(0, 2)


class Single(Clean):
    """The same with folios of one page."""

    order = 0


class Family(Program):
    """Fork; both sides write; both exit, while the folio that they share is aged."""

    async def zero(self) -> None:
        task = self.task(0)
        await task.fork(1)
        await task.store(ANON)
        await task.exit()

    async def one(self) -> None:
        await self.task(1).load(ANON + 3)
        await self.task(1).exit()

    async def two(self) -> None:
        task = self.task(2)
        await task.born(1)
        await task.store(ANON + 3)
        await task.exit()


class Aged(Program):
    """Reclaim ages an anonymous folio while its only process exits."""

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 2, self.prepare

    async def prepare(self) -> None:
        await start(self.task(2), 1)
        await self.task(2).mmap(ANON, 4, order=2)
        await self.task(2).store(ANON)

    async def two(self) -> None:
        await self.task(2).exit()

    async def one(self) -> None:
        await self.task(1).age_anon()


class Shrunk(Program):
    """Truncate a file to nothing that is mapped shared and private, while it is used."""

    async def prepare(self) -> None:
        await super().prepare()
        await self.task(0).mmap(2 * NR, NR, file=0)
        await self.task(0).store(2 * NR + 1)

    async def zero(self) -> None:
        await self.task(0).load(2 * NR + 2)

    async def one(self) -> None:
        for addr in (FILE + 6, FILE + 4, FILE + 7, FILE + 2):
            await self.task(1).store(addr)

    async def two(self) -> None:
        await self.task(2).ftruncate(0, 0)


class Punched(Shrunk):
    """Punch a hole into the whole of it."""

    async def two(self) -> None:
        await self.task(2).punch_hole(0, 0, NR)


class Cut(Program):
    """Cut a file in the middle of a folio's pages, while it is stored to and written out."""

    async def zero(self) -> None:
        await self.task(0).write_back(0, 0)
        await self.task(0).write_back(0, NR - 1)

    async def one(self) -> None:
        for addr in (FILE, FILE + NR - 1):
            await self.task(1).store(addr)

    async def two(self) -> None:
        await self.task(2).ftruncate(0, self.g.page_size)


class Direct(Program):
    """Write a file directly while it is used."""

    async def one(self) -> None:
        await self.task(1).store(FILE + 2)
        await self.task(1).load(FILE + 5)

    async def two(self) -> None:
        await self.task(2).direct_write(0, 0, NR)


class Absent(Program):
    """Zap what is not present: swap entries, and userfaultfd markers to be kept."""

    async def prepare(self) -> None:
        await super().prepare()
        task = self.task(0)
        await task.mmap(2 * NR, 2)
        await plant_swap_entry(task, 2 * NR, 0)
        if self.profile.uffd_wp:
            for addr in range(FILE, FILE + NR):
                await task.load(addr)
                await uffd_protect(task, addr)

    async def zero(self) -> None:
        await self.task(0).dontneed(2 * NR, 2)
        await self.task(0).dontneed(FILE, NR)


class Heir(Absent):
    """Fork with a swap entry."""

    async def prepare(self) -> None:
        await super().prepare()
        await self.task(0).store(2 * NR + 1)

    async def zero(self) -> None:
        await self.task(0).fork(1)


class Random(Program):
    """Operations drawn from the data tape."""

    async def zero(self) -> None:
        await self._draw(0)

    async def one(self) -> None:
        await self._draw(1)

    async def two(self) -> None:
        for _ in range(2):
            await self.task(2).write_back(0, self.kernel.machine.draw("index", NR))

    async def _draw(self, cpu: int) -> None:
        task, m = self.task(cpu), self.kernel.machine
        forked = False
        for _ in range(4):
            what, addr, nr = m.draw("operation", 7), m.draw("page", 2 * NR), 1 + m.draw("pages", NR)
            if what == 0 or what == 1:
                await task.dontneed(addr, min(nr, 2 * NR - addr))
            elif what == 2:
                await task.munmap(addr, min(nr, 2 * NR - addr))
            elif what == 3 and cpu == 0 and not forked:
                forked = True
                await task.fork(1)
            elif what == 4:
                await task.load(addr)
            else:
                await task.store(addr)
        await task.exit()


PROGRAMS: dict[str, type[Program]] = {
    cls.__name__.lower(): cls
    for cls in (
        Zap,
        Used,
        Edges,
        Clean,
        Single,
        Written,
        Family,
        Stay,
        Copied,
        Replaced,
        Aged,
        Shrunk,
        Punched,
        Cut,
        Direct,
        Absent,
        Heir,
        Partly,
        Again,
        Twice,
        Random,
    )
}


class Bench(Catalogue):
    """The real catalogue, with these programs and the mutations handed over."""

    def __init__(self, mutations: dict[str, type] | None = None) -> None:
        self.mutations = mutations or {}

    def scenario_class(self, name: str) -> type[Scenario]:
        return PROGRAMS[name] if name in PROGRAMS else super().scenario_class(name)

    def fault_class(self, name: str) -> type:
        return self.mutations[name] if name in self.mutations else super().fault_class(name)


@asynccontextmanager
async def open_program(
    program: str, profile: str = "x86-64", mutations: tuple[type, ...] = (), kernel: str = "6.9"
) -> AsyncIterator[Runner]:
    """Yield a Runner of a program on ``kernel`` under ``mutations``."""
    known = {str(number): mutation for number, mutation in enumerate(mutations)}
    async with open_runner(
        Case(program, (), profile, kernel=kernel, faults=tuple(known)), catalogue=Bench(known)
    ) as runner:
        yield runner


def strategies() -> list[Strategy]:
    """Return the strategies to take in turn."""
    catalogue = Catalogue()
    return [catalogue.strategy(name) for name in ("round-robin", "random", "pct")]


def mutation(component: str, **methods: Any) -> type:
    """Return a class that overrides ``methods`` of ``component``; each is called with the original
    method first, then as usual.
    """
    return type("Mutation", (_Wrapper,), {"id": "mutation", "component": component, "methods": methods})


class _Wrapper:
    """Hands each overridden method the one that it overrides."""

    methods: dict[str, Any] = {}

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        for name, method in self.methods.items():
            setattr(self, name, _bound(method, self, getattr(super(), name)))


def _bound(method: Any, component: Any, original: Any) -> Any:
    def call(*args: Any, **keywords: Any) -> Any:
        return method(component, original, *args, **keywords)

    return call
