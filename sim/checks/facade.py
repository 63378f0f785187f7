"""What the model tells the checkers: one object with a method per event, so that the model names no
checker.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import sim.checks
from sim.checks.base import Checker
from sim.checks.cache import CacheChecks
from sim.checks.dirty import DirtyChecks
from sim.checks.discarded import DiscardedChecks
from sim.checks.entries import EntryChecks
from sim.checks.freed import FreedChecks
from sim.checks.gather import GatherChecks
from sim.checks.references import ReferenceChecks
from sim.checks.rmap import RmapChecks
from sim.checks.rss import RssChecks
from sim.checks.tlb import TlbChecks
from sim.core.arena import MACHINE, Cells, Column, Field
from sim.mm.mm_types import ZERO_PFN


def found() -> tuple[type[Checker], ...]:
    """Return the checkers that the modules of this package define: the classes whose ``name``
    begins with ``checks_``, by module.
    """
    modules = [import_module(f"{__package__}.{info.name}") for info in iter_modules(sim.checks.__path__)]
    classes = (value for module in modules for value in vars(module).values() if isinstance(value, type))
    checkers = (cls for cls in classes if issubclass(cls, Checker) and vars(cls).get("name", "").startswith("checks_"))
    return tuple(dict.fromkeys(checkers))


def replaced(groups: tuple[type[Checker], ...], *others: type[Checker]) -> tuple[type[Checker], ...]:
    """Return ``groups`` with each of ``others`` in the place of the one of its name, or added."""
    return tuple({cls.name: cls for cls in (*groups, *others)}.values())


class Checks(Checker):
    """The events. Each is part of the step just made."""

    name = "checks"
    invariants = (
        ("I19", "mm-counters-left", "a destroyed mm has no RSS and no page tables (check_mm)"),
        ("O13", "fault-loop", "a handled fault lets the access go on (handle_mm_fault)"),
        ("I11", "freed-while-counted", "a freed folio has no reference and no mapcount left (free_page_is_bad)"),
    )

    groups: tuple[type[Checker], ...] = found()
    """Each becomes an attribute: its name without ``checks_``."""

    entries: EntryChecks
    references: ReferenceChecks
    tlb: TlbChecks
    dirty: DirtyChecks
    gather: GatherChecks
    rmap: RmapChecks
    rss: RssChecks
    freed: FreedChecks
    cache: CacheChecks
    discarded: DiscardedChecks

    page_order: Cells
    page_ref: Column
    page_mapcount: Column
    page_nr_pages_mapped: Column
    freed_step: Cells
    op_end: Cells
    mm_pgtables: Column

    def fields(self) -> list[Field]:
        own = [Field("freed_step", self.w.pages, MACHINE, stamp=True)]
        return own + [field for group in self.groups for field in group(self.k).fields()]

    def bind(self) -> None:
        super().bind()
        groups = [group(self.k) for group in self.groups]
        for group in groups:
            setattr(self, group.name.removeprefix("checks_"), group)
        for group in groups:
            group.bind()
        self.freed.listen()
        self.m.accessed = self.tlb.accessed

    def boot(self) -> None:
        """Outside operations, actors may touch the whole address space. All pages are free but the
        zero page.
        """
        for slot in range(self.slots):
            self.op_end[slot] = self.w.vpages
        self.freed.freed(ZERO_PFN + 1, self.w.pages - ZERO_PFN - 1)

    def page_freed(self, folio: int) -> None:
        """A folio goes back to the allocator (free_pages_prepare)."""
        self.references.freed(folio)
        nr = 1 << self.page_order[folio]
        if self.page_ref.view[folio]:
            self.violated("I11", f"folio {folio} is freed with references left")
        if self.page_nr_pages_mapped.view[folio] or any(self.page_mapcount.view[folio : folio + nr].tolist()):
            self.violated("I11", f"folio {folio} is freed with mapcounts left")
        for page in range(folio, folio + nr):
            self.freed_step[page] = self.m.last_site
        self.dirty.freed(folio, nr)
        self.freed.freed(folio, nr)

    def freed_at(self, pfn: int) -> int:
        """Return the step that last freed the page, as a site code."""
        return self.freed_step[pfn]

    def table_freed(self, table: int) -> None:
        """A table is given up."""
        self.tlb.table_freed(table)

    def rcu_queued(self, table: int) -> None:
        """A table waits for a grace period."""
        self.tlb.rcu_queued(table)

    def walked(self, cpu: int, mm: int, addr: int, table: int) -> None:
        """Hardware has read a PTE."""
        self.tlb.walked(cpu, mm, addr, table)

    def entry_read(self, cpu: int, pte: int) -> None:
        """A hash fault has read a PTE."""
        self.tlb.entry_read(cpu, pte)

    def vma_freed(self, vma: int) -> None:
        """A VMA is given up."""
        self.references.vma_freed(vma)

    def forked(self, vma: int, src: int, dst: int) -> None:
        """The page tables of a VMA have been copied."""
        self.entries.forked(vma, src, dst)

    def rmap_walked(self, folio: int) -> None:
        """A rmap walk begins."""
        self.references.walked(folio)

    def gather_opened(self, tlb: int) -> None:
        """A gather opens."""
        self.gather.opened(tlb)

    def batch_read(self, tlb: int, batch: int, words: list[int]) -> None:
        """A batch is read, to be freed or for its delayed rmaps."""
        self.gather.words(tlb, batch, words)

    def queued(self, nr: int) -> None:
        """References go to the gather of the CPU whose thread runs (:meth:`Ledger.move`)."""
        self.gather.queued(self.m.current, nr)

    def appending(self, tlb: int, batch: int, nr: int, words: int) -> None:
        """Words go into a batch."""
        self.gather.appending(tlb, batch, nr, words)

    def chunk(self, words: list[int], n: int) -> None:
        """A chunk of words is freed."""
        self.gather.chunk(words, n)

    def range_flushed(self, tlb: int) -> None:
        """A gather's range was flushed."""
        self.gather.range_flushed(tlb)

    def gather_finished(self, tlb: int) -> None:
        """A gather closes."""
        self.gather.finished(tlb)

    def marked_dirty(self, folio: int) -> None:
        """PG_dirty was set."""
        self.dirty.marked(folio)

    def cleaned_for_io(self, folio: int, dirty: bool) -> None:
        """PG_dirty was taken for write-out."""
        self.dirty.cleaned(folio, dirty)

    def dirty_cancelled(self, folio: int) -> None:
        """PG_dirty was cleared: the folio's data is thrown away."""
        self.dirty.cancelled(folio)

    def copied(self, pfn: int) -> None:
        """Write-out read the page."""
        self.dirty.copied(pfn)

    def folio_unmapped(self, folio: int, where: int) -> None:
        """A locked folio of the page cache has been unmapped through i_mmap, so that it may leave
        the cache; ``where`` is the site that relies on it.
        """
        self.cache.folio_unmapped(folio, where)

    def bad_page_cache(self, folio: int) -> None:
        """filemap_unaccount_folio() finds the folio mapped."""
        self.cache.bad_page_cache(folio)

    def dirty_removed(self, folio: int) -> None:
        """filemap_unaccount_folio() finds the folio dirty."""
        self.cache.dirty_removed(folio)

    def invalidated_mapped(self, folio: int) -> None:
        """folio_unmap_invalidate() finds the folio mapped."""
        self.cache.invalidated_mapped(folio)

    def truncated(self, file: int) -> None:
        """A file has been truncated; or nobody changes it, and nobody faults."""
        self.cache.truncated(file)

    def punching(self, cpu: int, first: int, end: int) -> None:
        """A hole is to be punched over pages [first, end) of a file."""
        self.discarded.punching(cpu, first, end)

    def block_freed(self, file: int, index: int, first: int, end: int) -> None:
        """The block of a page has been freed, as one of pages [first, end)."""
        self.discarded.block_freed(file, index, first, end)

    def hole_made(self, cpu: int, file: int, first: int, end: int) -> None:
        """Pages [first, end) of a file have been thrown away; the caller keeps faults off."""
        self.discarded.hole_made(cpu, file, first, end)

    def mm_destroyed(self, mm: int) -> None:
        """exit_mmap is done (check_mm)."""
        totals = self.k.rss(mm)
        if any(totals) or self.mm_pgtables.view[mm]:
            violation = f"mm {mm}: rss {totals}, {self.mm_pgtables.view[mm]} page tables"
            self.violated("I19", violation)

    def returned(self, mm: int, start: int, end: int, began: int, writable_only: bool = False) -> None:
        """A system call returns to user space: one that zaps, or with ``writable_only`` one that
        write-protects.
        """
        self.tlb.returned(mm, start, end, began, writable_only)
        if not writable_only:
            self.entries.returned(mm, start, end, began)

    def fault_loop(self, mm: int, addr: int, store: bool) -> None:
        """An access has faulted again and again, and every fault was handled."""
        self.violated("O13", f"the {'store' if store else 'load'} to page {addr} of mm {mm} faults for ever")
