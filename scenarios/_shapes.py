"""What scenarios share: which folio orders they rotate through, and how memory is mapped and
filled.

Addresses and sizes are in pages. The ``small`` geometry has three orders, and scenarios use all of
them. The ``real`` one has up to thirteen; scenarios use the smallest, a middle one, and the largest
that fits into a world of some hundred pages.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from sim.core.profile import SMALL, Geometry, Profile
from sim.setup import add_file_folio, start
from sim.task import Task

FOLIO_PAGES_MAX = 256
"""Pages of the largest folio in scenarios that zap or copy whole folios: each page costs at least
one step.
"""


def orders(profile: Profile, geometry: str, pages_max: int = FOLIO_PAGES_MAX) -> list[int]:
    """Return the folio orders to rotate through, ascending, of at most ``pages_max`` pages."""
    fitting = [order for order in profile.geometry(geometry).orders if 1 << order <= pages_max]
    return fitting if geometry == SMALL else sorted({fitting[0], fitting[len(fitting) // 2], fitting[-1]})


def rotate(**choices: Iterable[int]) -> list[dict[str, int]]:
    """Return a parameter set for each combination of the choices, the last one turning fastest."""
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def whole_blocks(g: Geometry, pages: int) -> int:
    """Return ``pages`` rounded up to whole contiguous blocks: the size of an address space."""
    return -(-pages // g.contpte) * g.contpte


async def fill(task: Task, addr: int, nr: int, order: int) -> None:
    """Store to one page of each block of ``order`` in [addr, addr + nr), so that every page is
    mapped.
    """
    for page in range(addr, addr + nr, 1 << order):
        await task.store(page)


async def map_and_fill(task: Task, nr: int, order: int = 0) -> None:
    """Make the task a thread of mm 0, and map and fill its first ``nr`` pages with anonymous folios
    of ``order``.
    """
    await start(task, 0)
    await task.mmap(0, nr, order)
    await fill(task, 0, nr, order)


async def read_in(task: Task, file: int, nr: int, order: int, shmem: bool = False, first: int = 0) -> None:
    """Read the first ``nr`` pages of ``file``, perhaps shared memory, into the page cache, in
    folios of ``order``; without those before ``first``, where a folio begins.
    """
    for index in range(first, nr, 1 << order):
        await add_file_folio(task, file, index, order, shmem)
