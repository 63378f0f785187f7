"""The operations of programs, one class each: when it is allowed, what it does, how it is drawn,
and its C.

A new operation is one more class, here or in :mod:`~stress.programs.on_files`. The generator, the
storm, the runners, the shrinker, the file format and the listing take it from :data:`OPERATIONS`.

Both sides skip an operation that is not allowed in its state: its thread may be missing, because
shrinking has taken away the operation that made it. The result of a system call is 0 or a negative
errno. The result of an access is the word that was read (0 for a store), or -1 for a segmentation
fault or a bus error.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass

from sim.setup import start
from stress.programs import on_files  # noqa: F401 - its classes are found as subclasses
from stress.programs.operation import Choose, Operation, Range, draw_length, draw_page, draw_range
from stress.programs.sides import LinuxSide, ModelSide
from stress.programs.space import PROCESSES_MAX, THREADS_MAX, Region, Space

MADV_DONTNEED = 4

FILL_MAX = 64
"""Pages of one fill."""


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
