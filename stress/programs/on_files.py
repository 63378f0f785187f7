"""Operations on files by their numbers, or through their mappings: write-out, truncation, holes,
writes past the page cache.

Files whose folios are large are cut at the folios' edges only, as the model does not split folios.
The size of a file is told in whole pages (``pgoff``) and, of files with small folios, a half.
"""

from __future__ import annotations

from dataclasses import dataclass

from stress.programs.operation import Choose, Operation, Range, draw_length, draw_range
from stress.programs.sides import LinuxSide, ModelSide
from stress.programs.space import FILLED, HOLES, Space

MADV_REMOVE = 9

DIRECT_MAX = 6
"""Pages of one direct write."""


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
            for index in range(self.pgoff, self.pgoff + self.nr):
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
class Truncate(Operation):
    """ftruncate() of a file to ``pgoff`` pages, and half a page more if ``half`` is 1; no file
    becomes larger than it was when the program began.
    """

    file: int
    pgoff: int
    half: int
    name = "truncate"
    races = True
    weight = 3

    @property
    def halves(self) -> int:
        """The new size in half pages."""
        return 2 * self.pgoff + self.half

    def allowed(self, space: Space) -> bool:
        """Return whether it is known if the page with the new end has a block: one that has becomes
        dirty.
        """
        if not super().allowed(space) or not 0 <= self.file < len(space.files):
            return False
        return not self.half or space.holes[self.file] < FILLED or space.files[self.file].memfd

    def effect(self, space: Space) -> None:
        space.sizes[self.file] = self.halves
        space.holes[self.file] = max(HOLES, space.holes[self.file])

    async def model(self, run: ModelSide) -> int:
        task = run.task(self.who)
        await task.ftruncate(self.file, self.halves * (task.g.page_size // 2))
        return 0

    def linux(self, run: LinuxSide) -> int:
        return run.ftruncate(self.who, self.file, self.halves)

    def c(self) -> str:
        return f"ftruncate(file{self.file}, {self.pgoff} * PAGE{' + PAGE / 2' if self.half else ''});"

    @classmethod
    def draw(cls, space: Space, who: int, choose: Choose) -> Operation | None:
        if not space.files:
            return None
        number = choose(len(space.files))
        file = space.files[number]
        pgoff = choose((file.pages >> file.order) + 1) << file.order
        half = choose(2) if not file.order and pgoff < file.pages else 0
        drawn = cls(who, number, pgoff, half)
        return drawn if drawn.allowed(space) else None


@dataclass(frozen=True)
class Punch(Operation):
    """fallocate() that punches a hole of whole pages into a file, and keeps its size."""

    file: int
    pgoff: int
    nr: int
    name = "punch"
    races = True
    weight = 3

    def allowed(self, space: Space) -> bool:
        return super().allowed(space) and 0 <= self.file < len(space.files)

    def effect(self, space: Space) -> None:
        space.holes[self.file] = max(HOLES, space.holes[self.file])

    async def model(self, run: ModelSide) -> int:
        await run.task(self.who).punch_hole(self.file, self.pgoff, self.nr)
        return 0

    def linux(self, run: LinuxSide) -> int:
        return run.punch_hole(self.who, self.file, self.pgoff, self.nr)

    def c(self) -> str:
        what = "FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE"
        return f"fallocate(file{self.file}, {what}, {self.pgoff} * PAGE, {self.nr} * PAGE);"

    @classmethod
    def draw(cls, space: Space, who: int, choose: Choose) -> Operation | None:
        if not space.files:
            return None
        number = choose(len(space.files))
        order, folios = space.files[number].order, space.files[number].pages >> space.files[number].order
        first = choose(folios)
        return cls(who, number, first << order, 1 + choose(folios - first) << order)


@dataclass(frozen=True)
class Remove(Range):
    """madvise(MADV_REMOVE): punches a hole into each file that is mapped there shared, until it
    meets a mapping that is none.
    """

    name = "remove"
    weight = 3

    def allowed(self, space: Space) -> bool:
        """Return whether the holes would have whole folios."""
        return super().allowed(space) and all(
            space.whole(part.file, part.pgoff, part.end - part.start)
            for part in space.parts(space.threads[self.who], self.start, self.start + self.nr)
            if part.shared
        )

    def effect(self, space: Space) -> None:
        for part in space.parts(space.threads[self.who], self.start, self.start + self.nr):
            if part.shared:
                space.holes[part.file] = max(HOLES, space.holes[part.file])

    async def model(self, run: ModelSide) -> int:
        return await run.task(self.who).madvise_remove(self.start, self.nr)

    def linux(self, run: LinuxSide) -> int:
        return run.madvise(self.who, self.start, self.nr, MADV_REMOVE)

    def c(self) -> str:
        return f"madvise(page({self.start}), {self.nr} * PAGE, MADV_REMOVE);"

    @classmethod
    def draw(cls, space: Space, who: int, choose: Choose) -> Operation | None:
        """Draw a range in a shared mapping of a file, three times of four."""
        start, nr = draw_range(space, who, choose)
        shared = [region for region in space.regions[space.threads[who]] if region.shared]
        if shared and choose(4):
            region = shared[choose(len(shared))]
            start = region.start + choose(region.end - region.start)
            nr = min(nr, region.end - start)
        drawn = cls(who, start, nr)
        return drawn if drawn.allowed(space) else None


@dataclass(frozen=True)
class Direct(Operation):
    """A read of pages with O_DIRECT, and a write of what was read; shared memory is left alone."""

    file: int
    pgoff: int
    nr: int
    name = "direct"
    weight = 3

    def allowed(self, space: Space) -> bool:
        return (
            super().allowed(space)
            and 0 <= self.file < len(space.files)
            and not space.files[self.file].memfd
            and 2 * (self.pgoff + self.nr) <= space.sizes[self.file]
        )

    def effect(self, space: Space) -> None:
        if space.holes[self.file]:
            space.holes[self.file] = FILLED

    async def model(self, run: ModelSide) -> int:
        await run.task(self.who).direct_write(self.file, self.pgoff, self.nr)
        return 0

    def linux(self, run: LinuxSide) -> int:
        return run.direct_write(self.who, self.file, self.pgoff, self.nr)

    def c(self) -> str:
        at = f"buffer, {self.nr} * PAGE, {self.pgoff} * PAGE"
        return f"pread(direct{self.file}, {at}), pwrite(direct{self.file}, {at});"

    @classmethod
    def draw(cls, space: Space, who: int, choose: Choose) -> Operation | None:
        regular = [number for number, file in enumerate(space.files) if not file.memfd]
        if not regular:
            return None
        file = regular[choose(len(regular))]
        pgoff = choose(space.files[file].pages)
        nr = min(1 + choose(DIRECT_MAX), space.sizes[file] // 2 - pgoff)
        return cls(who, file, pgoff, nr) if nr > 0 else None
