"""Everything at once, at random: two threads that fork, a child that forks in its turn, and a kernel worker. For long campaigns.

Each thread makes a number of operations (loads, stores, MADV_DONTNEED, munmap, mmap, msync, reclaim, idling) on anonymous, shared-file and
private-file memory, then exits; the worker writes out and ages. The children of the sibling and of the child never run. Which operation comes
when is the place in a rota plus what the thread's data tape adds: a tape of zeros, which is what shrinking strives for, is a storm as well.
Nothing is meant here by any single storm; the other scenarios say what to look for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from scenarios._shapes import fill, orders, rotate, whole_blocks
from sim.profile import Profile, World
from stress.scenario import Body, Scenario

EACH = 8
"""Pages of the anonymous, the shared and the private mapping each."""

OWN = 4
"""Pages that a thread maps and unmaps as it likes."""

ANON, SHARED, PRIVATE, OWNED = 0, EACH, 2 * EACH, 3 * EACH

PARENT, SIBLING, CHILD, WORKER = range(4)


class Storm(Scenario):
    """``order``: the largest of the folios; ``length``: operations of each thread; ``phase``: where the rota begins."""

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(length=(3, 8), phase=range(4), order=reversed(orders(profile, geometry, pages_max=EACH)))

    def world(self) -> World:
        vpages = whole_blocks(self.g, OWNED + 3 * OWN)
        tables = 4 * (vpages // self.g.ptrs_per_pte + 1) + 8
        return World(cpus=4, mms=4, vpages=vpages, pages=256, vmas=80, tables=tables, anon_vmas=64, files=1, file_pages=EACH)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield PARENT, self.prepare
        yield SIBLING, self.join

    async def prepare(self) -> None:
        """Three mappings: anonymous, shared and private of one file; the worker needs none."""
        task, order = self.task(PARENT), self.params["order"]
        await task.start(0)
        for index in range(0, EACH, 1 << order):
            await task.add_file_folio(0, index, order)
        await task.mmap(ANON, EACH, order)
        await task.mmap(SHARED, EACH, file=0, shared=True)
        await task.mmap(PRIVATE, EACH, file=0)
        await fill(task, ANON, EACH, order)
        await task.load(SHARED)
        await task.store(PRIVATE)

    async def join(self) -> None:
        """The second thread has used all three."""
        await self.task(SIBLING).start(0)
        for addr in (ANON, SHARED, PRIVATE + 1):
            await self.task(SIBLING).store(addr)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("parent", PARENT, self.parent), ("sibling", SIBLING, self.sibling), ("child", CHILD, self.child), ("worker", WORKER, self.worker)]

    async def parent(self) -> None:
        await self._thread(PARENT, forks=1)

    async def sibling(self) -> None:
        await self._thread(SIBLING, forks=3)

    async def child(self) -> None:
        await self.task(CHILD).born(1)
        await self._thread(CHILD, forks=2)

    async def _thread(self, cpu: int, forks: int) -> None:
        """Make the operations, with a fork into mm ``forks`` among them, and exit."""
        length = self.params["length"]
        when = self._draw("fork at", length, self.params["phase"])
        for turn in range(length):
            if turn == when:
                await self.task(cpu).fork(forks)
            await self._operation(cpu, turn)
        await self.task(cpu).exit()

    async def _operation(self, cpu: int, turn: int) -> None:
        rota: tuple[Callable[[int, int], Awaitable[None]], ...] = (
            self._store, self._dontneed, self._load, self._store, self._munmap, self._map_own, self._dontneed, self._load, self._idle,
            self._sync, self._reclaim,
        )  # fmt: skip
        await rota[self._draw("operation", len(rota), 5 * turn + 3 * cpu + self.params["phase"])](cpu, turn)

    def _draw(self, label: str, n: int, plain: int) -> int:
        """Return a choice in 0..n-1 that is ``plain`` modulo ``n`` where the tape says 0."""
        return (plain + self.kernel.machine.draw(label, n)) % n

    def _range(self, turn: int) -> tuple[int, int]:
        addr = self._draw("page", OWNED, 7 * turn)
        return addr, min(1 + self._draw("pages", EACH, turn + 3), OWNED - addr)

    async def _load(self, cpu: int, turn: int) -> None:
        await self.task(cpu).load(self._draw("page", OWNED, 11 * turn))

    async def _store(self, cpu: int, turn: int) -> None:
        await self.task(cpu).store(self._draw("page", OWNED, 5 * turn))

    async def _dontneed(self, cpu: int, turn: int) -> None:
        await self.task(cpu).dontneed(*self._range(turn))

    async def _munmap(self, cpu: int, turn: int) -> None:
        await self.task(cpu).munmap(*self._range(turn))

    async def _map_own(self, cpu: int, turn: int) -> None:
        """Map and fill pages that no other thread of the process maps or unmaps; or unmap them."""
        task, addr = self.task(cpu), OWNED + OWN * cpu
        if await task.is_mapped(addr):
            await task.munmap(addr, OWN)
        else:
            await task.mmap(addr, OWN, self.params["order"])
            await task.store(addr + self._draw("page", OWN, turn))

    async def _idle(self, cpu: int, turn: int) -> None:
        task = self.task(cpu)
        mm = task.mm
        await task.idle()
        await task.switch_to(mm)

    async def _sync(self, cpu: int, turn: int) -> None:
        await self.task(cpu).write_back(0, self._draw("folio", EACH, turn))

    async def _reclaim(self, cpu: int, turn: int) -> None:
        await self.task(cpu).age_anon()

    async def worker(self) -> None:
        task = self.task(WORKER)
        for turn in range(self.params["length"]):
            index = self._draw("folio", EACH, turn)
            which = self._draw("work", 3, turn)
            if which == 2:
                await task.age_anon()
            else:
                await (task.age if which else task.write_back)(0, index)
