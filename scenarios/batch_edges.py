"""munmap() of as many folios, of such orders, as fill gather batches to the edge.

The gather reports full after the append, while a pair (a page and its count) still has room: one
entry more, or a slot counted wrong, and a pair is written past the end. The on-stack batch is
small, further ones may fail to be allocated (the data tape decides), a third may not hold delayed
rmaps, and the words of a batch are freed in chunks that must not tear a pair. ``layout`` chooses
the edge: single pages, more than a small gather holds; pairs only; singles, then a pair in the last
slots; dirty file pages, whose rmaps are delayed; singles, and a pair where a chunk ends. Another
CPU reads during the zap.
"""

from __future__ import annotations

from collections.abc import Iterable

from scenarios._shapes import fill, rotate, whole_blocks
from sim.core.profile import Profile, World
from sim.setup import add_file_folio, start
from stress.scenario import Body, Scenario

SINGLES, PAIRS, PAIR_LAST, DELAYED, CHUNK_END = range(5)

PAIR_ORDER = 2

ENTRIES_MAX = 24
"""Entries at most, however much a gather holds: at real geometry only the on-stack batch is filled.
"""


class BatchEdges(Scenario):
    """``layout``: in the order of the text above; ``exit``: the mm is torn down instead of being
    unmapped.
    """

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return rotate(layout=range(5), exit=(0, 1))

    @property
    def layout(self) -> list[int]:
        """The orders of the folios, one after the other."""
        g, layout = self.g, self.params["layout"]
        if layout == SINGLES:
            return [0] * min(g.gather_bundle + g.gather_batch_count * (g.gather_batch - 1), ENTRIES_MAX)
        if layout == PAIRS:
            return [PAIR_ORDER] * min(
                g.gather_bundle // 2 + g.gather_batch_count * (g.gather_batch // 2), ENTRIES_MAX // 4
            )
        if layout == PAIR_LAST:
            return [0] * (g.gather_bundle - 2) + [PAIR_ORDER]
        if layout == DELAYED:
            return [0] * 2 + [0] * min(g.gather_bundle - 1 + g.gather_batch, ENTRIES_MAX)
        return [0] * (g.gather_bundle - 1 + min(g.folios_per_free - 1, 8)) + [PAIR_ORDER]

    @property
    def nr(self) -> int:
        """Pages mapped."""
        return sum(1 << order for order in self.layout)

    @property
    def first(self) -> int:
        """The first page: such that large folios are aligned."""
        return -sum(1 for order in self.layout if not order) % (1 << PAIR_ORDER)

    def world(self) -> World:
        top = self.first + self.nr
        return World(
            vpages=whole_blocks(self.g, top), pages=2 * self.nr + 24, vmas=2, anon_vmas=1, files=1, file_pages=top
        )

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        yield 1, self.join

    async def prepare(self) -> None:
        """Anonymous memory if all folios are of one order, else a file whose folios are of the
        orders wanted.
        """
        task, layout, first = self.task(0), self.params["layout"], self.first
        await start(task, 0)
        if layout in (SINGLES, PAIRS):
            await task.mmap(first, self.nr, self.layout[0])
            await fill(task, first, self.nr, self.layout[0])
            return
        index = first
        for order in self.layout:
            await add_file_folio(task, 0, index, order)
            index += 1 << order
        await task.mmap(first, self.nr, file=0, pgoff=first, shared=True)
        for addr in range(first, first + self.nr):
            await (task.store if layout == DELAYED else task.load)(addr)

    async def join(self) -> None:
        """The other thread has read the last page; before an exit it leaves."""
        await start(self.task(1), 0)
        await self.task(1).load(self.first + self.nr - 1)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("unmap", 0, self.unmap), ("access", 1, self.access)]

    async def unmap(self) -> None:
        if self.params["exit"]:
            await self.task(0).exit()
        else:
            await self.task(0).munmap(self.first, self.nr)

    async def access(self) -> None:
        await self.task(1).load(self.first + self.nr - 1)
        if self.params["exit"]:
            await self.task(1).exit()
