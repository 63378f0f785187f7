"""What a kernel may do of its own accord during a run: reclaim, migrate, split, collapse, write
out.

The model does none of these unless a program asks for it. Each such event has a *rule*: a name, and
the counters of the kernel that move when the event happens. If a run differs from the model and a
counter has moved meanwhile, the event may be the reason: the run is set aside, and the program runs
again (:func:`settle`). Runs set aside are counted by rule and reported. A difference during which
no counter moved is the model's.

The rules ``pmd-split`` and ``small-file-folios`` have no counter: they name fields and folios that
are never compared.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from stress.conform.linux.folio_sizes import THP
from stress.conform.observation import HUGE, Difference, Page
from stress.programs.on_files import Sync
from stress.programs.program import Program

VMSTAT_RULES = {
    "reclaim": ("pgsteal_kswapd", "pgsteal_direct", "pgsteal_khugepaged"),
    "migration": ("pgmigrate_success",),
    "split": ("thp_split_page", "thp_underused_split_page"),
    "collapse": ("thp_collapse_alloc",),
    "writeback": ("nr_written",),
}
"""Rule -> fields of /proc/vmstat."""

CONCERNS = {
    "writeback": {"page.dirty", "vma.shared_clean", "vma.shared_dirty", "vma.private_clean", "vma.private_dirty"}
}
"""Rule -> fields that its event can change, for events that change few."""

SIZE_RULES = {"fragmented": ("anon_fault_fallback", "shmem_fallback"), "split": ("split",)}
"""Rule -> counters in the ``stats`` folder of each folio size that the program may use."""

PMD_SPLIT = "pmd-split"
"""The kernel maps a folio of order HUGE by a PMD. It is split into PTEs before it is compared,
which sets PG_dirty: that flag is not compared.
"""

SMALL_FILES = "small-file-folios"
"""The file system that holds the programs' files makes no large folios of what is written: their
files have small ones.
"""

ABOUT = {
    "reclaim": "pages were reclaimed",
    "migration": "pages were migrated, by compaction or NUMA balancing",
    "split": "a large folio was split",
    "collapse": "khugepaged made a huge page",
    "writeback": "dirty pages were written out",
    SMALL_FILES: "the file system makes no large folios: the program ran with small ones",
    PMD_SPLIT: "a folio of the PMD's size was split into PTEs before it was compared;"
    " whether it is dirty is not compared",
    "fragmented": "a large folio could not be had, and a smaller one was taken",
}
"""What each rule says."""

RETRIES_MAX = 5
"""Runs of one program, when each of them differs and an event may be the reason."""


def read(path: str) -> bytes:
    """Return the content of a small file, or nothing if there is none."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(1 << 16)
    except OSError:
        return b""


def excluded(what: str, page: Page) -> str:
    """Return the rule by which a field of a page is not compared, or ``""``."""
    return PMD_SPLIT if what == "page.dirty" and page.anon and page.order == HUGE else ""


@dataclass(frozen=True)
class EventCounters:
    """The kernel's counters of such events, at one moment."""

    program: Program
    vmstat: bytes
    sizes: tuple[tuple[str, str, bytes], ...]
    """(rule, path, content)."""

    @classmethod
    def now(cls, program: Program) -> EventCounters:
        """Read the counters that concern ``program``."""
        return cls(program, read("/proc/vmstat"), tuple((rule, path, read(path)) for rule, path in size_files(program)))

    def explain(self, differences: Iterable[Difference]) -> list[str]:
        """Return the rules whose counters have moved since, and whose event can be the reason of
        all ``differences``.
        """
        fields = {difference.what for difference in differences}
        return [rule for rule in self.moved() if fields <= CONCERNS.get(rule, fields)]

    def own(self) -> set[str]:
        """Return the rules whose counters the program's own operations move.

        Such a rule explains a difference only if another run does not show it.
        """
        return {"writeback"} if any(isinstance(operation, Sync) for operation in self.program.operations) else set()

    def moved(self) -> list[str]:
        """Return the rules whose counters have moved since."""
        later = EventCounters.now(self.program)
        rules = {
            rule
            for rule, fields in VMSTAT_RULES.items()
            for name in fields
            if vmstat_field(self.vmstat, name) != vmstat_field(later.vmstat, name)
        }
        rules |= {was[0] for was, now in zip(self.sizes, later.sizes, strict=True) if was != now}
        return sorted(rules)


Ran = TypeVar("Ran")
"""What a run returns besides its differences."""


@dataclass(frozen=True)
class Settled(Generic[Ran]):
    """The last of the runs of a program, and why there were others before it."""

    ran: Ran
    differences: tuple[Difference, ...]
    """Empty if every run was set aside."""
    excluded: Counter[str]
    """Runs that were set aside, by rule."""
    given_up: bool
    """Whether every run was set aside."""


def settle(program: Program, run: Callable[[], tuple[Ran, Sequence[Difference]]]) -> Settled[Ran]:
    """Run a program until a run agrees with the model, or differs though no event explains it; at
    most RETRIES_MAX times.

    A program that writes out moves the counter of write-outs itself. If it differs each time, the
    last run is not set aside.
    """
    excluded: Counter[str] = Counter()
    for attempt in range(RETRIES_MAX):
        before = EventCounters.now(program)
        ran, differences = run()
        rules = before.explain(differences) if differences else []
        if not rules or (attempt == RETRIES_MAX - 1 and before.own().issuperset(rules)):
            return Settled(ran, tuple(differences), excluded, False)
        excluded.update(rules)
    return Settled(ran, (), excluded, True)


def size_files(program: Program) -> Iterator[tuple[str, str]]:
    """Yield (rule, path) of the counters of the folio sizes that the program may use."""
    page_kib = os.sysconf("SC_PAGE_SIZE") // 1024
    for order in sorted({*program.orders, *program.shmem_orders}):
        for rule, names in SIZE_RULES.items():
            for name in names:
                yield rule, f"{THP}/hugepages-{page_kib << order}kB/stats/{name}"


def vmstat_field(text: bytes, name: str) -> int:
    """Return a field of /proc/vmstat, 0 if this kernel has none of the name."""
    found = re.search(rb"^%s (\d+)$" % name.encode(), text, re.MULTILINE)
    return int(found[1]) if found else 0
