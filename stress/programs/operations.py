"""The operations of programs, one class each: when it is allowed, what it does, how it is drawn,
and its C.

A new operation is one more class here. The generator, the storm, the runners, the shrinker, the
file format and the listing take it from :data:`OPERATIONS`. The fields of the class, all integers,
are the arguments; the first is the thread that runs the operation. Pages are numbered as in the
model.

Both sides skip an operation that is not allowed in its state: its thread may be missing, because
shrinking has taken away the operation that made it. The result of a system call is 0 or a negative
errno. The result of an access is the word that was read (0 for a store), or -1 for a segmentation
fault.
"""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import ClassVar

from sim.setup import start
from stress.programs.sides import LinuxSide, ModelSide
from stress.programs.space import PROCESSES_MAX, THREADS_MAX, Region, Space

Choose = Callable[[int], int]
"""Returns a number in 0..n-1."""

MADV_DONTNEED = 4

LENGTHS = (1, 1, 2, 3, 4, 7, 8, 16, 17, 32, 64)
"""Lengths of ranges, in pages; each is drawn as often as it stands here."""

FILL_MAX = 64
"""Pages of one fill."""

LARGE_WINDOW, LARGE = 128, 16
"""In windows of more than LARGE_WINDOW pages, some ranges are LARGE times as long."""


@dataclass(frozen=True)
class Operation(ABC):
    """One operation of thread ``who``."""

    who: int

    name: ClassVar[str]
    weight: ClassVar[int] = 4
    """How often it is drawn, relative to the others."""
    races: ClassVar[bool] = False
    """Whether it can be one of a race: a single system call or access."""

    def allowed(self, space: Space) -> bool:
        """Return whether it can be run in ``space``."""
        return self.who in space.threads

    def effect(self, space: Space) -> None:
        """Bring ``space`` up to date with what the operation does."""

    @abstractmethod
    async def model(self, run: ModelSide) -> int:
        """Run it in the model; return its result."""

    @abstractmethod
    def linux(self, run: LinuxSide) -> int:
        """Run it in a real process; return its result."""

    @abstractmethod
    def c(self) -> str:
        """Return it as C, in terms of page(n), map(...), fileN and the system calls."""

    @classmethod
    @abstractmethod
    def draw(cls, space: Space, who: int, choose: Choose) -> Operation | None:
        """Draw an operation of this kind for ``who``; None if there is none that makes sense."""

    def plain(self) -> list[object]:
        """Return it as data: name, arguments."""
        return [self.name, *astuple(self)]


def draw_page(space: Space, who: int, choose: Choose) -> int:
    """Draw a page of the window: a mapped one, in 15 of 16 draws, if there is any."""
    regions = space.regions[space.threads[who]]
    if not regions or not choose(16):
        return space.first + choose(space.pages)
    region = regions[choose(len(regions))]
    return region.start + choose(region.end - region.start)


def draw_length(space: Space, choose: Choose) -> int:
    """Draw a number of pages for a range. In a large window one range in three is LARGE times as
    long, and one in three has any length up to the window's.
    """
    size = choose(3) if space.pages > LARGE_WINDOW else 0
    return 1 + choose(space.pages) if size == 2 else LENGTHS[choose(len(LENGTHS))] * (LARGE if size else 1)


def draw_range(space: Space, who: int, choose: Choose) -> tuple[int, int]:
    """Draw (first page, pages) of a range in the window that begins or ends with a page of
    :func:`draw_page`.
    """
    page, length = draw_page(space, who, choose), draw_length(space, choose)
    start = page if choose(2) else max(space.first, page + 1 - length)
    return start, min(length, space.first + space.pages - start)


@dataclass(frozen=True)
class Access(Operation):
    """An access to one page."""

    page: int

    @classmethod
    def draw(cls, space: Space, who: int, choose: Choose) -> Operation | None:
        return cls(who, draw_page(space, who, choose))


@dataclass(frozen=True)
class StoreWord(Access):
    """A store to one page."""

    name = "store"
    races = True
    weight = 16

    async def model(self, run: ModelSide) -> int:
        return await run.store(self.who, self.page)

    def linux(self, run: LinuxSide) -> int:
        return run.store(self.who, self.page)

    def c(self) -> str:
        return f"*page({self.page}) = TOKEN;"


@dataclass(frozen=True)
class LoadWord(Access):
    """A load from one page."""

    name = "load"
    races = True
    weight = 6

    async def model(self, run: ModelSide) -> int:
        return await run.load(self.who, self.page)

    def linux(self, run: LinuxSide) -> int:
        return run.load(self.who, self.page)

    def c(self) -> str:
        return f"*page({self.page});"


@dataclass(frozen=True)
class Range(Operation):
    """Something done to a range of pages, mapped or not."""

    start: int
    nr: int

    @classmethod
    def draw(cls, space: Space, who: int, choose: Choose) -> Operation | None:
        return cls(who, *draw_range(space, who, choose))


@dataclass(frozen=True)
class Fill(Range):
    """A store to each page of a range that is mapped."""

    name = "fill"
    weight = 10

    def allowed(self, space: Space) -> bool:
        return (
            super().allowed(space)
            and space.mapped(space.threads[self.who], self.start, self.start + self.nr) == self.nr
        )

    async def model(self, run: ModelSide) -> int:
        return min([await run.store(self.who, self.start + k, k) for k in range(self.nr)])

    def linux(self, run: LinuxSide) -> int:
        return run.store(self.who, self.start, self.nr)

    def c(self) -> str:
        return f"for (i = 0; i < {self.nr}; i++) *page({self.start} + i) = TOKEN + i;"

    @classmethod
    def draw(cls, space: Space, who: int, choose: Choose) -> Operation | None:
        start, nr = draw_range(space, who, choose)
        region = space.at(who, start)
        return cls(who, start, min(nr, region.end - start, FILL_MAX)) if region else None


@dataclass(frozen=True)
class Map(Operation):
    """mmap() at a given place, of anonymous memory or of a file."""

    start: int
    nr: int
    file: int
    shared: int
    pgoff: int
    name = "mmap"
    weight = 5

    def allowed(self, space: Space) -> bool:
        """Return whether the place and the pages beside it are free, as the model does not merge
        mappings; shared memory is a file's.
        """
        if (self.shared and self.file < 0) or not super().allowed(space):
            return False
        return not space.mapped(space.threads[self.who], self.start - 1, self.start + self.nr + 1)

    def effect(self, space: Space) -> None:
        space.map(
            space.threads[self.who], Region(self.start, self.start + self.nr, self.file, bool(self.shared), self.pgoff)
        )

    async def model(self, run: ModelSide) -> int:
        return await run.mmap(self.who, self.start, self.nr, self.file, bool(self.shared), self.pgoff)

    def linux(self, run: LinuxSide) -> int:
        return run.mmap(self.who, self.start, self.nr, self.file, bool(self.shared), self.pgoff)

    def c(self) -> str:
        kind = "MAP_SHARED" if self.shared else "MAP_PRIVATE"
        what = f"{kind}, file{self.file}, {self.pgoff}" if self.file >= 0 else f"{kind} | MAP_ANONYMOUS, -1, 0"
        return f"map({self.start}, {self.nr}, {what});"

    @classmethod
    def draw(cls, space: Space, who: int, choose: Choose) -> Operation | None:
        start, nr = space.first + choose(space.pages), draw_length(space, choose)
        end = min(start + nr, space.first + space.pages)
        regions = space.regions[space.threads[who]]
        if any(r.start <= start <= r.end for r in regions):
            return None
        nr = min([end, *(r.start - 1 for r in regions if r.start > start)]) - start
        file = choose(len(space.files) + 2) - 2
        if file < 0:
            return cls(who, start, nr, -1, 0, 0) if nr > 0 else None
        nr = min(nr, space.files[file].pages)
        return cls(who, start, nr, file, choose(2), choose(space.files[file].pages - nr + 1)) if nr > 0 else None


@dataclass(frozen=True)
class Unmap(Range):
    """munmap() of a range of pages."""

    name = "munmap"
    races = True

    def effect(self, space: Space) -> None:
        space.unmap(space.threads[self.who], self.start, self.start + self.nr)

    async def model(self, run: ModelSide) -> int:
        await run.task(self.who).munmap(self.start, self.nr)
        return 0

    def linux(self, run: LinuxSide) -> int:
        return run.munmap(self.who, self.start, self.nr)

    def c(self) -> str:
        return f"munmap(page({self.start}), {self.nr} * PAGE);"


@dataclass(frozen=True)
class Dontneed(Range):
    """madvise(MADV_DONTNEED) of a range; its mapped pages are dropped, and the result is -ENOMEM if
    some are not mapped.
    """

    name = "dontneed"
    races = True
    weight = 6

    async def model(self, run: ModelSide) -> int:
        await run.task(self.who).dontneed(self.start, self.nr)
        mapped = run.space.mapped(run.space.threads[self.who], self.start, self.start + self.nr)
        return 0 if mapped == self.nr else -errno.ENOMEM

    def linux(self, run: LinuxSide) -> int:
        return run.madvise(self.who, self.start, self.nr, MADV_DONTNEED)

    def c(self) -> str:
        return f"madvise(page({self.start}), {self.nr} * PAGE, MADV_DONTNEED);"


@dataclass(frozen=True)
class Sync(Operation):
    """sync_file_range() of pages of a file: writes out the dirty ones, which are clean afterwards.
    Shared memory is never written out.
    """

    file: int
    pgoff: int
    nr: int
    name = "sync"
    weight = 3

    def allowed(self, space: Space) -> bool:
        return super().allowed(space) and 0 <= self.file < len(space.files)

    async def model(self, run: ModelSide) -> int:
        file = run.space.files[self.file]
        if not file.memfd:
            step = 1 << file.order
            for index in range(self.pgoff // step * step, self.pgoff + self.nr, step):
                await run.task(self.who).write_back(self.file, index)
        return 0

    def linux(self, run: LinuxSide) -> int:
        return run.sync_file_range(self.who, self.file, self.pgoff, self.nr)

    def c(self) -> str:
        return f"sync_file_range(file{self.file}, {self.pgoff} * PAGE, {self.nr} * PAGE, 7);"

    @classmethod
    def draw(cls, space: Space, who: int, choose: Choose) -> Operation | None:
        if not space.files:
            return None
        file = choose(len(space.files))
        pgoff = choose(space.files[file].pages)
        return cls(who, file, pgoff, min(draw_length(space, choose), space.files[file].pages - pgoff))


@dataclass(frozen=True)
class Fork(Operation):
    """fork(); the child's thread gets the next number."""

    name = "fork"
    races = True
    weight = 3

    def allowed(self, space: Space) -> bool:
        return super().allowed(space) and space.processes < PROCESSES_MAX and space.slots < THREADS_MAX

    def effect(self, space: Space) -> None:
        space.thread(space.fork(space.threads[self.who]))

    async def model(self, run: ModelSide) -> int:
        await run.task(self.who).fork(run.space.processes)
        return 0

    def linux(self, run: LinuxSide) -> int:
        return run.fork(self.who)

    def c(self) -> str:
        return "fork();"

    @classmethod
    def draw(cls, space: Space, who: int, choose: Choose) -> Operation | None:
        return cls(who)


@dataclass(frozen=True)
class Thread(Operation):
    """A new thread of the same process, which gets the next number."""

    name = "thread"
    weight = 1

    def allowed(self, space: Space) -> bool:
        return super().allowed(space) and space.slots < THREADS_MAX

    def effect(self, space: Space) -> None:
        space.thread(space.threads[self.who])

    async def model(self, run: ModelSide) -> int:
        await start(run.task(self.who), run.space.threads[self.who])
        return 0

    def linux(self, run: LinuxSide) -> int:
        return run.thread(self.who)

    def c(self) -> str:
        return "pthread_create();"

    @classmethod
    def draw(cls, space: Space, who: int, choose: Choose) -> Operation | None:
        return cls(who)


@dataclass(frozen=True)
class Exit(Operation):
    """The thread ends, and its process with its last one."""

    name = "exit"
    weight = 2

    def effect(self, space: Space) -> None:
        space.exit(self.who)

    async def model(self, run: ModelSide) -> int:
        await run.task(self.who).exit()
        return 0

    def linux(self, run: LinuxSide) -> int:
        return run.exit(self.who)

    def c(self) -> str:
        return "syscall(SYS_exit, 0);"

    @classmethod
    def draw(cls, space: Space, who: int, choose: Choose) -> Operation | None:
        return cls(who) if len(space.threads) > 1 or not choose(4) else None


def _all(base: type[Operation]) -> list[type[Operation]]:
    return [sub for cls in base.__subclasses__() for sub in (cls, *_all(cls))]


OPERATIONS: dict[str, type[Operation]] = {cls.name: cls for cls in _all(Operation) if "name" in vars(cls)}  # type: ignore[type-abstract]
"""Every operation by its name."""
