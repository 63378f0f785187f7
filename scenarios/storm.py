"""Everything at once, at random: two threads that fork, a child that forks in its turn, its child,
and a kernel worker. For long campaigns.

Each thread makes a number of operations on anonymous, shared-file and private-file memory, and on
the file, then exits. Now and then the thread's CPU idles instead, or ages memory. The worker writes
out and ages. The sibling's child never runs.

The program is drawn before anything runs, by the generator of conformance's programs
(:mod:`stress.programs`): for each turn of a thread CHOICES operations, of which the actor's data
tape chooses one. ``phase`` selects the program; an all-zero tape runs the first operation of each
turn, which makes a full storm too. A thread may also draw which kinds of operations are off in this
execution: without some, others meet more often (swarm testing: Groce, Zhang, Eide, Chen and Regehr,
ISSTA 2012). A storm is about no race in particular; each of the other scenarios is about one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import astuple

from scenarios._shapes import fill, orders, read_in, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import start
from sim.task import Task
from stress.programs.generator import Weights, draw_operation, draw_weights
from stress.programs.space import File, Region, Space
from stress.rng import words
from stress.scenario import Body, Scenario

EACH = 8
"""Pages of each mapping (anonymous, shared, private, and anonymous without a page table yet), and
of the hole behind them, in which threads map more.
"""

ANON, SHARED, PRIVATE, FRESH, HOLE, PAGES = range(0, 6 * EACH, EACH)

PARENT, SIBLING, CHILD, GRANDCHILD, WORKER = range(5)

NEVER = -1
"""The turn of a fork that is not made."""

OPERATIONS = (
    "store", "load", "fill", "mmap", "munmap", "dontneed", "sync", "truncate", "punch", "remove", "direct",
)  # fmt: skip
"""Operations that are drawn. Forks and exits are not: the storm plans them itself."""

(
    STORE, LOAD, FILL, MMAP, MUNMAP, DONTNEED, SYNC, TRUNCATE, PUNCH, REMOVE, DIRECT, IDLE, AGE, NOTHING,
) = range(len(OPERATIONS) + 3)  # fmt: skip
"""How what a thread does in a turn is numbered: an operation, or what its CPU does instead."""

TURNS = 10
"""A CPU idles in one turn of so many, and ages memory in another, on average."""

SWARMS = 1 << NOTHING
"""Which kinds are off: a bit for each."""

CHOICES, WORDS = 8, 6
"""Operations that are drawn for each turn; integers that each is written down in: its number, and
its arguments.
"""


class Storm(Scenario):
    """``order``: the largest of the folios; ``length``: operations of each thread; ``phase``: the
    base program.
    """

    def __init__(self, profile: Profile, geometry: str, params: dict[str, int]) -> None:
        super().__init__(profile, geometry, params)
        self.length, self.order = params["length"], params["order"]
        drawn = [self.drawn(cpu, mm) for cpu, mm in ((PARENT, 0), (SIBLING, 0), (CHILD, 1), (GRANDCHILD, 2))]
        self.forks_at = (*(at for at, _ in drawn[:GRANDCHILD]), NEVER)
        """In which turn each thread forks."""
        self.program = tuple(word for _, words in drawn for word in words)
        """What the threads do: WORDS integers for each choice of each turn."""

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(length=(3, 8), phase=range(4), order=reversed(orders(profile, geometry, pages_max=EACH)))

    def world(self) -> World:
        vpages = whole_blocks(self.g, PAGES)
        tables = 4 * (vpages // self.g.ptrs_per_pte + 1) + 8
        return World(
            cpus=5, mms=4, vpages=vpages, pages=512, vmas=128, tables=tables, anon_vmas=128, files=1, file_pages=EACH
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
            ("grandchild", GRANDCHILD, self.grandchild),
            ("worker", WORKER, self.worker),
        ]

    async def parent(self) -> None:
        await self.thread(PARENT, 1)

    async def sibling(self) -> None:
        await self.thread(SIBLING, 3)

    async def child(self) -> None:
        await self.task(CHILD).born(1)
        await self.thread(CHILD, 2)

    async def grandchild(self) -> None:
        await self.task(GRANDCHILD).born(2)
        await self.thread(GRANDCHILD, 0)

    async def thread(self, cpu: int, child: int) -> None:
        """Make the operations, with a fork into mm ``child`` among them, and exit."""
        off = self.kernel.machine.draw("storm", SWARMS)
        for turn in range(self.length):
            if turn == self.forks_at[cpu]:
                await self.task(cpu).fork(child)
            choice = self.kernel.machine.draw("storm", CHOICES)
            await self.operation(self.task(cpu), self.place(cpu * self.length + turn, choice, off))
        await self.task(cpu).exit()

    def place(self, turn: int, choice: int, off: int) -> int:
        """Return where the operation that a turn chooses is written down: of those from ``choice``
        on the first whose kind is not ``off``, or that one if all are.
        """
        found = -1
        for k in range(CHOICES):
            at = (turn * CHOICES + (choice + k) % CHOICES) * WORDS
            if found < 0 and not off >> self.program[at] & 1:
                found = at
        return found if found >= 0 else (turn * CHOICES + choice) * WORDS

    async def operation(self, task: Task, at: int) -> None:
        """Make the operation that is written down from ``at`` on."""
        what, start, nr = self.program[at], self.program[at + 1], self.program[at + 2]
        if what == STORE:
            await task.store(start)
        elif what == LOAD:
            await task.load(start)
        elif what == FILL:
            for page in range(start, start + nr):
                await task.store(page)
        elif what == MMAP:
            file, shared, pgoff = self.program[at + 3], self.program[at + 4], self.program[at + 5]
            await task.mmap(start, nr, self.order, file, pgoff, shared != 0)
        elif what == MUNMAP:
            await task.munmap(start, nr)
        elif what == DONTNEED:
            await task.dontneed(start, nr)
        elif what == REMOVE:
            await task.madvise_remove(start, nr)
        elif what == IDLE:
            mm = task.mm
            await task.idle()
            await task.switch_to(mm)
        elif what == AGE:
            await task.age_anon()
        elif what != NOTHING:
            await self.on_file(task, what, nr, self.program[at + 3])

    async def on_file(self, task: Task, what: int, pgoff: int, more: int) -> None:
        """Make an operation on pages of the file from ``pgoff`` on: on ``more`` of them, or behind
        them and ``more`` half pages.
        """
        if what == SYNC:
            await self.sync(task, pgoff, more)
        elif what == TRUNCATE:
            await task.ftruncate(0, (2 * pgoff + more) * (self.g.page_size // 2))
        elif what == PUNCH:
            await task.punch_hole(0, pgoff, more)
        else:
            await task.direct_write(0, pgoff, more)

    async def sync(self, task: Task, pgoff: int, nr: int) -> None:
        """Write pages of the file out; of a large folio the first one writes all."""
        for index in range(pgoff, pgoff + nr):
            await task.write_back(0, index)

    async def worker(self) -> None:
        task = self.task(WORKER)
        for turn in range(self.length):
            choice = turn + self.params["phase"] + self.kernel.machine.draw("storm", 3 * EACH)
            index, which = choice % EACH, choice // EACH % 3
            if which == 2:
                await task.age_anon()
            elif which == 1:
                await task.age(0, index)
            else:
                await task.write_back(0, index)

    # -- drawing -------------------------------------------------------------------------------------------------------

    def drawn(self, cpu: int, mm: int) -> tuple[int, list[int]]:
        """Draw the program of a thread: the turn in which it forks, and what it does in each.

        Later turns are drawn as if the first operation of each turn before had been made, and
        nobody else had mapped or unmapped anything: an access may end in a segmentation fault, and
        a place may be taken.
        """
        regions = [
            Region(ANON, SHARED),
            Region(SHARED, PRIVATE, 0, True),
            Region(PRIVATE, FRESH, 0),
            Region(FRESH, HOLE),
        ]
        space = Space(0, PAGES, (File(False, EACH, self.order),), {mm: regions}, {cpu: mm}, processes=mm + 1)
        word = words(self.params["phase"], "storm", cpu)

        def choose(n: int) -> int:
            return word() * n >> 32

        weights, program = draw_weights(choose, OPERATIONS), list[int]()
        for _ in range(self.length):
            for choice in range(CHOICES):
                program += self.written(space, cpu, weights, choose, bool(choice))
        return choose(self.length), program

    def written(self, space: Space, cpu: int, weights: Weights, choose: Callable[[int], int], other: bool) -> list[int]:
        """Draw what a thread does in a turn, and write it down; all but the ``other`` choices take
        effect on ``space``.
        """
        what = choose(TURNS)
        if what < 2:
            return [IDLE + what, *[0] * (WORDS - 1)]
        operation = draw_operation(space, cpu, weights, choose)
        if operation is None:
            return [NOTHING, *[0] * (WORDS - 1)]
        if not other:
            operation.effect(space)
        found = [OPERATIONS.index(operation.name), *astuple(operation)[1:]]
        return [*found, *[0] * (WORDS - len(found))]
