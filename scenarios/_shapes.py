"""What scenarios share: which folio orders they rotate through, and how a mapping is filled.

An address space is measured in pages throughout. ``small`` geometry has three orders, all used;
``real`` has up to thirteen, of which the smallest, a middle one and the largest that leaves a world
of some hundred pages are used.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from sim.core.profile import SMALL, Geometry, Profile
from sim.setup import add_file_folio
from sim.task import Task

FOLIO_PAGES_MAX = 256
"""Pages of the largest folio in a scenario that zaps or copies whole folios, one step or more per
page.
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


async def read_in(task: Task, file: int, nr: int, order: int) -> None:
    """Read the first ``nr`` pages of ``file`` into the page cache, in folios of ``order``."""
    for index in range(0, nr, 1 << order):
        await add_file_folio(task, file, index, order)
