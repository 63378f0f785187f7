"""The smallest programs: one to three threads make one call each, on one small mapping.

The other scenarios are each about a race that is known to matter. This one goes through the calls
instead: what is mapped, how it was used, and who calls what are parameters, so that ``zapstress
shrink`` can look here for the smallest program that shows a failure, first those of one thread.
Campaigns rotate through a few of two threads, and one more that drops what the others use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from scenarios._shapes import fill, orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start, uffd_protect
from sim.task import Task
from stress.scenario import Body, Scenario

ANON, SHARED, PRIVATE, SHMEM, PROTECTED = range(5)
"""What is mapped; protected: a file, shared, whose pages userfaultfd write-protects, but for the
first, if there are more.
"""

LAST, EVERY = range(2)
"""How it was used before: all pages were loaded from, and the last or all stored to."""

ALL, FIRST_HALF, LAST_HALF = range(3)
"""Which pages of the mapping the calls are about."""

NAMES = (
    "nothing", "dontneed", "munmap", "exit", "fork", "load", "store", "come back", "write back", "age", "truncate",
)  # fmt: skip
"""What a thread does; an access is to the last page of the range."""

NOTHING, DONTNEED, MUNMAP, EXIT, FORK, LOAD, STORE, COME_BACK, WRITE_BACK, AGE, TRUNCATE = range(len(NAMES))

WORKERS = (WRITE_BACK, AGE, TRUNCATE)
"""What a CPU does that runs no process."""

ALONE = tuple((one, NOTHING, NOTHING) for one in (DONTNEED, MUNMAP, FORK, EXIT))

TOGETHER = (
    *((DONTNEED, two, NOTHING) for two in (STORE, WRITE_BACK, DONTNEED, COME_BACK, AGE, FORK, TRUNCATE, LOAD)),
    *((MUNMAP, two, NOTHING) for two in (STORE, WRITE_BACK, COME_BACK)),
    (FORK, STORE, NOTHING),
)

ALL_THREE = (
    *((DONTNEED, STORE, three) for three in (WRITE_BACK, DONTNEED, FORK)),
    (DONTNEED, LOAD, DONTNEED),
    (MUNMAP, STORE, WRITE_BACK),
    (FORK, STORE, DONTNEED),
)


class FewCalls(Scenario):
    """``memory``: what is mapped; ``order``, ``folios``: its folios; ``used``: how it was used;
    ``cut``: the range of the calls; ``one``, ``two``, ``three``: what each thread does, by the
    numbers above.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return sets((2,), orders(profile, geometry, pages_max=8), (ANON, SHARED), (LAST,), (FIRST_HALF,), ALL_THREE[:2])

    @classmethod
    def smallest(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        sizes_, kinds = sizes(profile, geometry), (ANON, SHARED, PRIVATE)
        protected = (PROTECTED,) if profile.uffd_wp else ()
        alone = sets((1, 2), sizes_, (ANON, SHARED, *protected), (LAST, EVERY), (ALL, FIRST_HALF, LAST_HALF), ALONE)
        large = sets((1,), orders(profile, geometry, pages_max=8)[2:], (ANON, SHARED), (LAST,), (ALL,), ALONE)
        two = sets((1, 2), sizes_, kinds, (LAST,), (ALL,), TOGETHER)
        return [*alone, *large, *two, *sets((1,), sizes_, (*kinds, SHMEM), (LAST,), (ALL,), ALL_THREE)]

    @property
    def nr(self) -> int:
        """Pages mapped."""
        return self.params["folios"] << self.params["order"]

    @property
    def start(self) -> int:
        """The first page of the range."""
        return self.nr // 2 if self.params["cut"] == LAST_HALF else 0

    @property
    def length(self) -> int:
        """Pages of the range."""
        return self.nr if self.params["cut"] == ALL else self.nr // 2

    @property
    def does(self) -> list[int]:
        """What each thread does."""
        return [self.params["one"], self.params["two"], self.params["three"]]

    def world(self) -> World:
        return World(
            cpus=3,
            mms=4,
            vpages=whole_blocks(self.g, self.nr),
            pages=6 * self.nr + 16,
            vmas=8,
            anon_vmas=4,
            files=1,
            file_pages=self.nr,
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        for cpu in (1, 2):
            if self.does[cpu] != NOTHING and self.does[cpu] not in WORKERS:
                yield cpu, partial(self.join, cpu)

    async def prepare(self) -> None:
        """Map, and use all pages; nothing is left in the LRU's batch, which a zap would drain."""
        await start(self.task(0), 0)
        await self.map(self.task(0))
        await self.kernel.swap.lru_add_drain(0)

    async def map(self, task: Task) -> None:
        """Map, and use all pages."""
        memory, order = self.params["memory"], self.params["order"]
        if memory == ANON:
            await task.mmap(0, self.nr, order)
            await fill(task, 0, self.nr, order)
            await self.load(task)
            return
        await read_in(task, 0, self.nr, order, memory == SHMEM)
        protected = memory == PROTECTED
        await task.mmap(0, self.nr, file=0, shared=memory != PRIVATE, uffd_wp=protected, quiet=memory == SHMEM)
        await self.load(task)
        await self.store(task)
        for addr in range(int(self.nr > 1), self.nr if protected else 0):
            await uffd_protect(task, addr)

    async def load(self, task: Task) -> None:
        """Load from all pages, so that the TLB has them."""
        for addr in range(self.nr):
            await task.load(addr)

    async def store(self, task: Task) -> None:
        """Store to the pages that are to be stored to."""
        for addr in range(0 if self.params["used"] == EVERY else self.nr - 1, self.nr):
            await task.store(addr)

    async def join(self, cpu: int) -> None:
        """A thread that calls has used the memory too: its TLB is warm."""
        task = self.task(cpu)
        await start(task, 0)
        await self.load(task)
        if self.params["memory"] != PROTECTED:
            await self.store(task)

    def actors(self) -> list[tuple[str, int, Body]]:
        bodies = (self.one, self.two, self.three)
        return [(NAMES[what], cpu, bodies[cpu]) for cpu, what in enumerate(self.does) if what != NOTHING]

    async def one(self) -> None:
        await self.call(0, self.params["one"])

    async def two(self) -> None:
        await self.call(1, self.params["two"])

    async def three(self) -> None:
        await self.call(2, self.params["three"])

    async def call(self, cpu: int, what: int) -> None:
        """Do what a thread does."""
        task, start, nr = self.task(cpu), self.start, self.length
        if what == DONTNEED:
            await task.dontneed(start, nr)
        elif what == MUNMAP:
            await task.munmap(start, nr)
        elif what == EXIT:
            await task.exit()
        elif what == FORK:
            await task.fork(1 + cpu)
        elif what == LOAD:
            await task.load(start + nr - 1)
        elif what == STORE:
            await task.store(start + nr - 1)
        elif what == COME_BACK:
            await task.idle()
            await task.switch_to(0)
            await task.store(start + nr - 1)
        else:
            await self.work(task, what)

    async def work(self, task: Task, what: int) -> None:
        """Do what needs no process."""
        if what == WRITE_BACK:
            await task.write_back(0, 0)
        elif what == TRUNCATE:
            await task.ftruncate(0, 0)
        elif self.params["memory"] == ANON:
            await task.age_anon()
        else:
            await task.age(0, 0)


def sizes(profile: Profile, geometry: str) -> Sequence[int]:
    """Return the orders of folios: 0, and one of a few pages."""
    return orders(profile, geometry, pages_max=8)[:2]


def sets(
    folios: Sequence[int],
    sizes: Sequence[int],
    kinds: Sequence[int],
    uses: Sequence[int],
    cuts: Sequence[int],
    calls: Sequence[tuple[int, int, int]],
) -> list[dict[str, int]]:
    """Return the parameter sets that make sense, those with fewer pages first."""
    shapes = rotate(folios=folios, order=sizes, does=range(len(calls)), memory=kinds, used=uses, cut=cuts)
    found = []
    for shape in shapes:
        one, two, three = calls[shape.pop("does")]
        if sensible(shape, {one, two, three}):
            found.append({**shape, "one": one, "two": two, "three": three})
    return found


def sensible(shape: dict[str, int], calls: set[int]) -> bool:
    """Return whether a program differs from the others, and can run: there is a page in its range,
    and its file if it does something to one.
    """
    anon, one_page = shape["memory"] == ANON, shape["folios"] << shape["order"] == 1
    on_file = WRITE_BACK in calls or TRUNCATE in calls
    if anon and (on_file or shape["used"] != LAST):
        return False
    if shape["memory"] == SHMEM and WRITE_BACK in calls:
        return False
    return not one_page or (shape["cut"] == ALL and shape["used"] != EVERY)
