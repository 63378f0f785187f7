"""Everything at once, at random: two threads that fork, a child that forks in its turn, and a
kernel worker. For long campaigns.

Each thread makes a number of operations on anonymous, shared-file and private-file memory, then
exits. The generator of conformance's programs draws them (:mod:`stress.programs`), so that an
operation that is added there is in the storm as well. Now and then the thread's CPU idles instead,
or ages memory. The worker writes out and ages. The children of the sibling and of the child never
run.

``phase`` selects a base program. The actor's data tape perturbs it: each choice of the tape is
added to the base program's, modulo n. An all-zero tape therefore still runs a full storm, the base
program. A storm is about no race in particular; each of the other scenarios is about one.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import fill, orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from sim.task import Task
from stress.programs.generator import draw_operation, draw_weights
from stress.programs.operations import Fork
from stress.programs.space import File, Region, Space
from stress.rng import words
from stress.scenario import Body, Scenario

EACH = 8
"""Pages of each mapping (anonymous, shared, private, and anonymous without a page table yet), and
of the hole behind them, in which threads map more.
"""

ANON, SHARED, PRIVATE, FRESH, HOLE, PAGES = range(0, 6 * EACH, EACH)

PARENT, SIBLING, CHILD, WORKER = range(4)

OPERATIONS = ("store", "load", "fill", "mmap", "munmap", "dontneed", "sync")
"""Operations that are drawn. Forks and exits are not: the storm plans them itself."""

IDLE, AGE = range(2)
"""What a CPU does instead of an operation: either in one of TURNS turns, on average."""

TURNS = 10


class Storm(Scenario):
    """``order``: the largest of the folios; ``length``: operations of each thread; ``phase``: the
    base program.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(length=(3, 8), phase=range(4), order=reversed(orders(profile, geometry, pages_max=EACH)))

    def world(self) -> World:
        vpages = whole_blocks(self.g, PAGES)
        tables = 4 * (vpages // self.g.ptrs_per_pte + 1) + 8
        return World(
            cpus=4, mms=4, vpages=vpages, pages=512, vmas=128, tables=tables, anon_vmas=128, files=1, file_pages=EACH
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield PARENT, self.prepare
        yield SIBLING, self.join

    async def prepare(self) -> None:
        """Four mappings: anonymous, shared and private of one file, anonymous and untouched; the
        worker needs none.
        """
        task, order = self.task(PARENT), self.params["order"]
        await start(task, 0)
        await read_in(task, 0, EACH, order)
        await task.mmap(ANON, EACH, order)
        await task.mmap(SHARED, EACH, file=0, shared=True)
        await task.mmap(PRIVATE, EACH, file=0)
        await task.mmap(FRESH, EACH, order)
        await fill(task, ANON, EACH, order)
        await task.load(SHARED)
        await task.store(PRIVATE)

    async def join(self) -> None:
        """The second thread has used three of them."""
        await start(self.task(SIBLING), 0)
        for addr in (ANON, SHARED, PRIVATE + 1):
            await self.task(SIBLING).store(addr)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [
            ("parent", PARENT, self.parent),
            ("sibling", SIBLING, self.sibling),
            ("child", CHILD, self.child),
            ("worker", WORKER, self.worker),
        ]

    async def parent(self) -> None:
        await Thread(self, PARENT, 0, forks=1).run()

    async def sibling(self) -> None:
        await Thread(self, SIBLING, 0, forks=3).run()

    async def child(self) -> None:
        await self.task(CHILD).born(1)
        await Thread(self, CHILD, 1, forks=2).run()

    async def worker(self) -> None:
        task, chance = self.task(WORKER), Chance(self, WORKER)
        for _ in range(self.params["length"]):
            index, which = chance.choose(EACH), chance.choose(3)
            if which == 2:
                await task.age_anon()
            else:
                await (task.age if which else task.write_back)(0, index)


class Chance:
    """The choices of one actor: those of the base program, plus those of the actor's data tape."""

    def __init__(self, storm: Storm, cpu: int) -> None:
        self.machine, self.word = storm.kernel.machine, words(storm.params["phase"], "storm", cpu)

    def choose(self, n: int) -> int:
        """Return a number in 0..n-1."""
        return ((self.word() * n >> 32) + self.machine.draw("storm", n)) % n


class Thread:
    """A thread at work: the side on which its operations run
    (:class:`stress.programs.sides.ModelSide`).

    Its space has the mappings as far as the thread knows them. Other threads of the process map and
    unmap too, so that an access may end in a segmentation fault, and a place may be taken.
    """

    def __init__(self, storm: Storm, cpu: int, mm: int, forks: int) -> None:
        order = storm.params["order"]
        self.storm, self.cpu, self.order, self.chance = storm, cpu, order, Chance(storm, cpu)
        regions = [
            Region(ANON, SHARED),
            Region(SHARED, PRIVATE, 0, True),
            Region(PRIVATE, FRESH, 0),
            Region(FRESH, HOLE),
        ]
        self.space = Space(0, PAGES, (File(False, EACH, order),), {mm: regions}, {cpu: mm}, processes=forks)

    async def run(self) -> None:
        """Make the operations, with a fork among them, and exit."""
        choose, length = self.chance.choose, self.storm.params["length"]
        weights, when = draw_weights(choose, OPERATIONS), choose(length)
        for turn in range(length):
            if turn == when:
                await Fork(self.cpu).model(self)
            what = choose(TURNS)
            if what == IDLE:
                mm = self.task(self.cpu).mm
                await self.task(self.cpu).idle()
                await self.task(self.cpu).switch_to(mm)
            elif what == AGE:
                await self.task(self.cpu).age_anon()
            elif (operation := draw_operation(self.space, self.cpu, weights, choose)) is not None:
                await operation.model(self)
                operation.effect(self.space)
        await self.task(self.cpu).exit()

    def task(self, who: int) -> Task:
        return self.storm.task(who)

    async def store(self, who: int, page: int, offset: int = 0) -> int:
        return min(0, await self.task(who).store(page))

    async def load(self, who: int, page: int) -> int:
        return await self.task(who).load(page)

    async def mmap(self, who: int, start: int, nr: int, file: int, shared: bool, pgoff: int) -> int:
        return min(0, await self.task(who).mmap(start, nr, self.order, file, pgoff, shared))
