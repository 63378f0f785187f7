"""The runs of ``bench zap``: for each folio size a world of each kernel, filled; then rounds, in
each of which every kernel, and the running one, does the operation once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from sim.core.profile import Profile, World
from stress.bench.zap.counting import counted
from stress.bench.zap.linux import OPERATIONS as LINUX_OPERATIONS
from stress.bench.zap.linux import Linux, opened
from stress.errors import Skipped, UsageError
from stress.native.build import missing
from stress.native.compilers import require
from stress.native.plain.kernel import LEVELS, PlainKernel, PlainKey, plain_kernel, with_largest_folios
from stress.native.plain.run import PlainWorld
from stress.native.plain.work import CHILD

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

PERPAGE, BATCHED = "6.9-perpage", "6.9"
TIMED = "x86-64"
"""The profile whose instructions this program is compiled to: of the others, counts say something,
and times nothing.
"""

PUBLISHED = {4: -1, 16: -20, 32: -31, 64: -37, 128: -47, 256: -53, 512: -56, 1024: -57, 2048: -58}
"""Folio size in KiB -> change of munmap() of 1 GiB in percent, as the series' cover letter has it
(Intel Xeon Silver 4210R).
"""

RUNS = 9
"""Rounds that count; one before them warms up."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Teardown:
    """What is measured."""

    operation: str = "munmap"
    size: int = 1 << 30
    """In bytes."""
    profile: str = TIMED
    kernels: tuple[str, ...] = (PERPAGE, BATCHED)
    base: str = BATCHED
    """The kernel that a patch is put on."""
    patch: tuple[str, ...] = ()
    configure: bool = False
    runs: int = RUNS

    @property
    def columns(self) -> dict[str, PlainKey]:
        """The kernels, by the names of their columns."""
        names = dict.fromkeys((*self.kernels, self.base) if self.patch else self.kernels)
        found = {name: PlainKey(self.profile, name) for name in names}
        if self.patch:
            found[f"{self.base}+patch"] = replace(found[self.base], patch=self.patch)
        return found


def world_of(pages: int, order: int, profile: Profile, operation: str) -> World:
    """Return a world that holds ``pages`` mapped pages of folios of ``order``, and little more."""
    copies = 2 if operation == "fork" else 1
    tables = copies * -(-pages // profile.real.ptrs_per_pte) + 2
    room = -(-(pages + 2 * tables + (2 << order)) // 64) * 64
    return World(
        cpus=1, mms=2, vpages=pages, pages=room, vmas=8, tables=-(-tables // 4) if profile.reclaims_pt else tables,
        anon_vmas=4, files=1, file_pages=1,
    )  # fmt: skip


@contextmanager
def pinned() -> Iterator[int]:
    """Keep this thread on one core; yield its number."""
    allowed = os.sched_getaffinity(0)
    core = max(allowed)
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, allowed)


def kernels_of(selection: Teardown, catalogue: Catalogue, say: Say) -> dict[str, PlainKernel]:
    """Return the kernels, compiled; ``say`` is told what has to be. Raises BuildError."""
    require(LEVELS["timed"])
    found = {name: plain_kernel(key, catalogue) for name, key in selection.columns.items()}
    wanted = ("timed", "counted") if selection.profile == TIMED else ("counted",)
    for name, kernel in found.items():
        for which in wanted:
            if missing({"plain": kernel.text}, LEVELS[which]):
                say(f"compiling {name} for {selection.profile}, {which}")
            kernel.library(which)
    return found


def pages_of(selection: Teardown, catalogue: Catalogue) -> tuple[int, list[int]]:
    """Return how many pages the memory has, and the orders of folios that fit. Raises UsageError."""
    profile = with_largest_folios(catalogue.profile(selection.profile))
    pages = selection.size // profile.real.page_size
    orders = [order for order in profile.real.orders if 1 << order <= pages]
    if not orders or selection.size % (profile.real.page_size << orders[-1]):
        largest = profile.real.page_size << (orders[-1] if orders else 0)
        raise UsageError(f"--size: {selection.size} is no multiple of the largest folio that fits, {largest} bytes")
    return pages, orders


def counts_of(selection: Teardown, catalogue: Catalogue) -> dict[int, dict[str, Any]]:
    """Return the counts alone: folio size in KiB -> kernel -> counts."""
    pages, orders = pages_of(selection, catalogue)
    kernels = {name: plain_kernel(key, catalogue) for name, key in selection.columns.items()}
    rows = [_Row(selection, kernels, order, pages, catalogue) for order in orders]
    return {row.kib: row.counts() for row in rows}


def bench_zap(selection: Teardown, catalogue: Catalogue, say: Say = lambda words: None) -> dict[str, Any]:
    """Measure everything. Raises UsageError, BuildError, PlainError and Unsupported."""
    pages, orders = pages_of(selection, catalogue)
    kernels = kernels_of(selection, catalogue, say)
    with pinned() as core, opened(selection.configure) as linux:
        rows = []
        for order in orders:
            row = _Row(selection, kernels, order, pages, catalogue)
            say(f"folios of {row.kib} KiB")
            rows.append(row.measured(linux))
    return {
        "operation": selection.operation, "profile": selection.profile, "size_bytes": selection.size, "pages": pages,
        "runs": selection.runs, "core": core, "kernels": list(kernels), "rows": rows,
    }  # fmt: skip


class _Row:
    """One folio size."""

    def __init__(
        self, selection: Teardown, kernels: dict[str, PlainKernel], order: int, pages: int, catalogue: Catalogue
    ) -> None:
        self.selection, self.kernels, self.order, self.pages = selection, kernels, order, pages
        self.catalogue = catalogue
        self.page_size = catalogue.profile(selection.profile).real.page_size
        self.kib = self.page_size << order >> 10
        self.times: dict[str, list[float]] = {name: [] for name in kernels}
        self.atomics: list[float] = []
        """Nanoseconds that an atomic instruction took, beside each of the times."""

    def counts(self) -> dict[str, Any]:
        """Return what each kernel does, from a counted run of its own."""
        return {name: self._counts(kernel) for name, kernel in self.kernels.items()}

    def measured(self, linux: Linux) -> dict[str, Any]:
        """Return the row."""
        counts = self.counts()
        why, running = "times are of x86-64 alone", list[float]()
        if self.selection.profile == TIMED:
            why, running = self._time(linux)
        return self._row(counts, why, running)

    def _world(self, kernel: PlainKernel, counted_: bool = False) -> PlainWorld:
        """Return a world of a kernel that is filled."""
        profile = with_largest_folios(self.catalogue.profile(kernel.key.profile)).at(kernel.key.kernel)
        world = world_of(self.pages, self.order, profile, self.selection.operation)
        made = PlainWorld(kernel, world, self.catalogue, counted_)
        made.do("boot")
        made.do("fill", self.pages, self.order, 1 << self.order)
        return made

    def _do(self, world: PlainWorld) -> int:
        """Do the operation; return the nanoseconds that it took."""
        args = {"munmap": (0, self.pages), "dontneed": (0, self.pages), "exit": (), "fork": (CHILD,)}
        return world.do(self.selection.operation, *args[self.selection.operation])

    def _counts(self, kernel: PlainKernel) -> dict[str, Any]:
        with self._world(kernel, True) as world:
            world.counts()
            self._do(world)
            found = counted(world.counts(), world.kernel.layout, self.pages, self.order)
            return found | {"arena_bytes_per_page": round(world.arena.bytes_in_memory() / self.pages, 1)}

    def _time(self, linux: Linux) -> tuple[str, list[float]]:
        """Take the rounds; return why the running kernel was not measured, or "", and its times."""
        operation, running = self.selection.operation, list[float]()
        why = linux.why_not(self.order, self.selection.size)
        if operation not in LINUX_OPERATIONS:
            why = f"of the running kernel, {' and '.join(LINUX_OPERATIONS)} are measured"
        linux.allow_huge_pages()
        with ExitStack() as stack:
            worlds = {name: stack.enter_context(self._world(kernel)) for name, kernel in self.kernels.items()}
            for world in worlds.values():
                world.keep()
            for turn in range(1 + self.selection.runs):
                for name, world in rotated(worlds, turn):
                    world.restore()
                    atomic, taken = world.atomic_ns(), self._do(world) / 1e6
                    if turn:
                        self.times[name].append(taken)
                        self.atomics.append(atomic)
                try:
                    running += [] if why else [linux.measure(operation, self.selection.size, self.order)]
                except Skipped as error:
                    why, running = str(error), []
        return why, running[1:]

    def _row(self, counts: dict[str, Any], why: str, running: list[float]) -> dict[str, Any]:
        perpage, batched = (self._median(name) for name in (PERPAGE, BATCHED))
        columns = {name: self._column(name, times, counts[name]) for name, times in self.times.items() if times}
        rest = [columns[name]["rest_ns_per_page"] for name in (PERPAGE, BATCHED) if name in columns]
        standard = self.selection.operation == "munmap" and self.selection.profile == TIMED
        return {
            "folio_kib": self.kib, "operation": self.selection.operation,
            "perpage_ms": rounded(perpage), "batched_ms": rounded(batched),
            "change_percent": change(perpage, batched),
            "published_percent": PUBLISHED.get(self.kib) if standard else None,
            "kernel_ms": round(median(running), 3) if running else None, "kernel_unavailable": why,
            "atomic_ns": round(median(self.atomics), 2) if self.atomics else None,
            "rest_change_percent": change(*rest) if len(rest) == 2 and min(rest) > 0 else None,
            "counts": counts,
            "kernels": columns,
            "running_kernel": self._spread(running) if running else None,
        }  # fmt: skip

    def _median(self, name: str) -> float | None:
        """Return the milliseconds that a kernel took, if it was measured."""
        times = self.times.get(name)
        return median(times) if times else None

    def _column(self, name: str, times: list[float], counts: dict[str, Any]) -> dict[str, Any]:
        """Return what one kernel took; ``rest_ns_per_page`` is without its atomic instructions."""
        atomics = counts["per_page"]["atomics"] + counts["per_page"]["locks"]
        rest = median(times) * 1e6 / self.pages - atomics * median(self.atomics)
        against = self.selection.base if name.endswith("+patch") else PERPAGE
        return {
            "ms": rounded(median(times)), **self._spread(times), "rest_ns_per_page": round(rest, 2),
            "against": against, "change_percent": change(self._median(against), median(times)),
        }  # fmt: skip

    def _spread(self, times: list[float]) -> dict[str, float]:
        """Return nanoseconds per page: the median, the least and the most."""
        values = (median(times), min(times), max(times))
        names = ("ns_per_page", "ns_per_page_min", "ns_per_page_max")
        return {name: round(value * 1e6 / self.pages, 2) for name, value in zip(names, values, strict=True)}


def rotated(worlds: dict[str, PlainWorld], turn: int) -> list[tuple[str, PlainWorld]]:
    """Return the worlds, another one first in each turn: nobody comes always after the running
    kernel, which leaves other things in the caches.
    """
    at, items = turn % len(worlds), list(worlds.items())
    return items[at:] + items[:at]


def rounded(ms: float | None) -> float | None:
    """Return milliseconds as they are told: to the microsecond."""
    return None if ms is None else round(ms, 3)


def change(before: float | None, after: float | None) -> float | None:
    """Return how much longer the second takes than the first, in percent."""
    return round(100 * (after / before - 1), 1) if before and after else None
