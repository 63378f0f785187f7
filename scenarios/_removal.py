"""The ways in which a file's pages are removed from the page cache, for scenarios that rotate
through them.
"""

from __future__ import annotations

from sim.task import Task

TRUNCATE, PUNCH, REMOVE, DIRECT = range(4)
"""ftruncate() to within the first page, a hole from the second page on, MADV_REMOVE of the same
pages through a shared mapping that begins with the file, a direct write to them.
"""

REMOVALS = (TRUNCATE, PUNCH, REMOVE, DIRECT)


async def remove(task: Task, how: int, nr: int, addr: int = 0) -> None:
    """Remove all but the first of the ``nr`` pages of file 0, which is mapped at ``addr``."""
    if how == TRUNCATE:
        await task.ftruncate(0, task.g.page_size // 2)
    elif how == PUNCH:
        await task.punch_hole(0, 1, nr - 1)
    elif how == REMOVE:
        await task.madvise_remove(addr + 1, nr - 1)
    else:
        await task.direct_write(0, 1, nr - 1)
