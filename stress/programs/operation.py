"""What an operation of a program is, and how places for it are drawn.

The fields of an operation's class, all integers, are its arguments; the first is the thread that
runs it. Pages are numbered as in the model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import ClassVar

from stress.programs.sides import LinuxSide, ModelSide
from stress.programs.space import Space

Choose = Callable[[int], int]
"""Returns a number in 0..n-1."""

LENGTHS = (1, 1, 2, 3, 4, 7, 8, 16, 17, 32, 64)
"""Lengths of ranges, in pages; each is drawn as often as it stands here."""

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
class Range(Operation):
    """Something done to a range of pages, mapped or not."""

    start: int
    nr: int

    @classmethod
    def draw(cls, space: Space, who: int, choose: Choose) -> Operation | None:
        return cls(who, *draw_range(space, who, choose))
