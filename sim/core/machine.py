"""The machine: the primitives by which the model touches shared state (laws L2 and L3).

Model code touches shared columns only by awaiting a primitive of a :class:`Machine`; each call is
one *step*: one atomic access by one actor, at a *site*, to one location (a column and an index), or
two for an access through a TLB. The scheduling point comes before the access; the access and what
the checkers make of it are indivisible.

Sites are numbered densely in the order in which modules declare them, which is fast; wherever they
leave the process (traces, digests, signatures) they go by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from sim.core.arena import Column
from sim.core.step import SITE_SHIFT, site_of


class Abandon(BaseException):
    """Thrown into actors when an execution is given up. Never catch it: no step follows it."""


@dataclass(frozen=True)
class SiteInfo:
    """Where in the kernel a step is: the function, and what it does there."""

    function: str
    label: str
    step: bool = True
    """False for a place that checkers accuse and no step is made at."""

    @property
    def name(self) -> str:
        """``function: label``, which is how a site is named outside the process."""
        return f"{self.function}: {self.label}"


SITES: list[SiteInfo] = [SiteInfo("(none)", "no step yet")]
SITE_NUMBERS: dict[str, int] = {}


def site(function: str, label: str, step: bool = True) -> int:
    """Declare a site and return its code, to be passed to primitives.

    The same words give the same site.
    """
    info = SiteInfo(function, label, step)
    number = SITE_NUMBERS.get(info.name)
    if number is None:
        number = len(SITES)
        SITES.append(info)
        SITE_NUMBERS[info.name] = number
    return number << SITE_SHIFT


def site_info(code: int) -> SiteInfo:
    """Return what :func:`site` declared; ``code`` may carry a column and an index besides."""
    return SITES[site_of(code)]


@dataclass
class Violation(Exception):
    """What a checker raises.

    ``checker`` is an invariant's id (docs/invariants.md, as ``I21``), ``title`` its short name;
    ``accused`` and ``victim`` are site codes: the step that broke the rule, and the one that was
    relied upon.
    """

    checker: str
    title: str
    message: str
    accused: int = 0
    victim: int = 0
    locations: list[tuple[str, int, int]] = field(default_factory=list)
    rule: str = ""

    def __str__(self) -> str:
        return f"{self.checker} {self.title}: {self.message}"


Body = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Actor:
    """One actor of an execution.

    A *daemon* (hardware, a kernel service) runs its body whenever its gate is open, as often as
    that happens; a thread runs it once, not before its gate opens. ``gate`` is the cells that
    ``ready`` reads.
    """

    slot: int
    name: str
    body: Body
    daemon: bool = False
    gate: tuple[tuple[Column, int], ...] = ()
    ready: Callable[[], bool] | None = None


class Machine(ABC):
    """Runs actors; offers the model its primitives.

    ``holder`` names who holds a reference (see :mod:`sim.core.ledger`); it is handed to the
    column's watch in the same step. Every primitive may raise :class:`Abandon`, and
    :class:`Violation` if a checker objects.
    """

    current: int
    """The slot of the actor that is running."""

    last_site: int
    """The code of the newest step: its site, and below that its location."""

    accessed: Callable[[Column, int, int, int, bool], None] | None
    """Told of every access through a TLB: (column, cell, page, offset of the page in the entry,
    whether a store).
    """

    @property
    @abstractmethod
    def seq(self) -> int:
        """How many steps the execution has made."""

    @abstractmethod
    def code_at(self, seq: int) -> int:
        """Return the code of the step after which :attr:`seq` was ``seq``; 0 if there was none."""

    @abstractmethod
    async def load(self, site: int, col: Column, i: int) -> int:
        """Return ``col[i]``."""

    @abstractmethod
    async def store(self, site: int, col: Column, i: int, value: int, holder: int = 0) -> None:
        """Set ``col[i]`` to ``value``."""

    @abstractmethod
    async def xchg(self, site: int, col: Column, i: int, value: int, holder: int = 0) -> int:
        """Set ``col[i]`` to ``value``; return what it held."""

    @abstractmethod
    async def add(self, site: int, col: Column, i: int, delta: int, holder: int = 0) -> int:
        """Add ``delta`` to ``col[i]``; return the sum."""

    @abstractmethod
    async def rmw(self, site: int, col: Column, i: int, change: Callable[[int], int], holder: int = 0) -> int:
        """Set ``col[i]`` to ``change(col[i])``; return what it held. ``change`` must be pure."""

    @abstractmethod
    async def access(
        self, site: int, tlb: Column, cell: int, need: int, offset: int, content: Column, store: bool
    ) -> int:
        """Access memory through a TLB entry, as one step.

        If ``tlb[cell]`` lacks a bit of ``need`` the step is a miss: return -1. Else load or store
        the content of page ``pfn + offset`` and return its version; a store gives the page a
        version never used before.
        """

    @abstractmethod
    async def lock(self, site: int, col: Column, i: int) -> None:
        """Take the lock ``col[i]``: wait until it is 0, then set it to the actor's slot + 1."""

    @abstractmethod
    async def trylock(self, site: int, col: Column, i: int) -> bool:
        """Take the lock ``col[i]`` if it is 0; return whether it was."""

    @abstractmethod
    async def unlock(self, site: int, col: Column, i: int) -> None:
        """Release a lock taken with :meth:`lock` or :meth:`trylock`."""

    @abstractmethod
    async def down_read(self, site: int, col: Column, i: int) -> None:
        """Take the rwsem ``col[i]`` for reading: wait until it is not negative, then add 1."""

    @abstractmethod
    async def down_read_trylock(self, site: int, col: Column, i: int) -> bool:
        """Take the rwsem ``col[i]`` for reading if it is not negative; return whether it was not."""

    @abstractmethod
    async def up_read(self, site: int, col: Column, i: int) -> None:
        """Release a reader's hold."""

    @abstractmethod
    async def down_write(self, site: int, col: Column, i: int) -> None:
        """Take the rwsem ``col[i]`` for writing: wait until it is 0, then set it to -1 - slot."""

    @abstractmethod
    async def up_write(self, site: int, col: Column, i: int) -> None:
        """Release a writer's hold."""

    @abstractmethod
    async def downgrade_write(self, site: int, col: Column, i: int) -> None:
        """Turn a writer's hold into a reader's."""

    @abstractmethod
    async def wait(self, site: int, col: Column, i: int, ready: Callable[[], bool]) -> int:
        """Wait until ``ready()``; then load ``col[i]``, as one step, and return it.

        ``ready`` reads only that cell. It is asked again whenever a step changes the cell, if the
        column is declared as ``waitable`` (:class:`~sim.core.arena.Field`).
        """

    @abstractmethod
    def waitable(self, col: Column) -> None:
        """Be told of changes of ``col``: actors will wait on its cells. Called as the kernel is
        bound, when the checkers watch already.
        """

    @abstractmethod
    def suspend(self, slot: int) -> None:
        """Keep ``slot`` from running (its CPU runs an interrupt handler) until :meth:`resume`."""

    @abstractmethod
    def resume(self, slot: int) -> None:
        """Undo one :meth:`suspend`."""

    @abstractmethod
    def draw(self, label: str, n: int) -> int:
        """Return a choice in 0..n-1 from the actor's data tape; 0 is always the plain one."""

    @abstractmethod
    def fail(self, violation: Violation) -> None:
        """Record ``violation`` and raise it."""

    @abstractmethod
    def poke(self, col: Column, i: int, value: int) -> None:
        """Set a private cell as part of the step just made, and wake the actors that wait on it."""
