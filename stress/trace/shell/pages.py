"""What a state says of pages: who holds a folio, which TLBs reach a page, what an address space
maps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.core.component import index_of_ref
from sim.core.ledger import HOLDERS, MAPPING
from sim.core.machine import site_info
from sim.core.pte import PRESENT, pte_pfn
from stress.errors import UsageError

if TYPE_CHECKING:
    from stress.trace.shell.state import State


@dataclass(frozen=True)
class Mapped:
    """A cell that translates ``pages`` pages of ``mm`` from ``addr`` on, as the CPU's TLB has it;
    -1 is the page table.
    """

    column: str
    index: int
    cpu: int
    mm: int
    addr: int
    pages: int = 1


def numbered(what: str, number: int, count: int) -> int:
    """Return the number of an object if there is one of it. Raises UsageError."""
    if not 0 <= number < count:
        raise UsageError(f"this world has {what}s 0 to {count - 1}, and no {number}")
    return number


def table_entries(state: State) -> Iterator[Mapped]:
    """Yield the entries of all page tables that are not 0."""
    world = state.film.kernel.world
    for mm in range(world.mms):
        for addr in range(world.vpages):
            index, value = state.entry(mm, addr)
            if value:
                yield Mapped("pte", index, -1, mm, addr)


def tlb_entries(state: State) -> Iterator[Mapped]:
    """Yield the entries of all TLBs that are not 0."""
    world, span = state.film.kernel.world, state.film.kernel.geometry.contpte
    for column, pages in (("tlb", 1), ("tlb_span", span)):
        blocks = world.vpages // pages
        for index in range(state.counts[column]):
            if state.cell(column, index):
                row, block = divmod(index, blocks)
                yield Mapped(column, index, *divmod(row, world.mms), block * pages, pages)


def reaches(state: State, entry: Mapped, page: int, pages: int = 1) -> bool:
    """Return whether an entry translates to one of ``pages`` pages from ``page`` on."""
    value = state.cell(entry.column, entry.index)
    first = pte_pfn(value)
    return bool(value & PRESENT) and first < page + pages and page < first + entry.pages


def holders(state: State, page: int) -> Iterator[str]:
    """Yield who holds the references of the folio of a page, and since when."""
    pages = state.film.kernel.world.pages
    folio = state.cell("page_head", numbered("page", page, pages))
    order = state.cell("page_order", folio)
    yield f"folio {folio}, order {order}: page_ref[{folio}] = {state.cell('page_ref', folio)}"
    mapped = [entry for entry in table_entries(state) if reaches(state, entry, folio, 1 << order)]
    yield from ledger(state, folio, [f"{'':>20}mm {e.mm} page {e.addr}: {cell_words(state, e)}" for e in mapped])


def ledger(state: State, folio: int, mapped: Iterable[str] = ()) -> Iterator[str]:
    """Yield a line for each holder of references of a folio and each actor that took them, with the
    step since which it has the last of them; the lines of what is ``mapped`` stand below those of
    the mappings.
    """
    film, pages = state.film, state.film.kernel.world.pages
    for holder, name in enumerate(HOLDERS):
        index = holder * pages + folio
        count, word = state.cell("ledger", index), film.word("ledger", index)
        taken, newest = film.raised(word, state.at), film.last_change(word, state.at)
        if before := count - sum(nr for nr, _ in taken.values()):
            yield f"  {name:<11} {before:>4}  since the setup"
        for nr, step in taken.values():
            site = site_info(state.cell("ledger_site", index)) if step is newest else step.site
            yield f"  {name:<11} {nr:>4}  since step {step.number} of {step.actor} ({site.name})"
        if holder == MAPPING:
            yield from mapped


def cell_words(state: State, entry: Mapped) -> str:
    """Return the cell of an entry, and what it holds."""
    return f"{entry.column}[{entry.index}] = {state.shown(entry.column, entry.index)}"


def tlbs(state: State, page: int) -> Iterator[str]:
    """Yield the TLB entries that translate to a page, each with what the page table has there."""
    numbered("page", page, state.film.kernel.world.pages)
    found = [entry for entry in tlb_entries(state) if reaches(state, entry, page)]
    if not found:
        yield f"no TLB reaches page {page}"
    for entry in found:
        offset = page - pte_pfn(state.cell(entry.column, entry.index))
        index, value = state.entry(entry.mm, entry.addr + offset)
        table = f"pte[{index}] = {state.shown('pte', index)}" if index >= 0 else "no page table"
        stale = "" if value & PRESENT and pte_pfn(value) == page else ", which does not map it"
        where = f"cpu{entry.cpu} mm {entry.mm} page {entry.addr + offset}"
        yield f"{where}: {cell_words(state, entry)}; the page table: {table}{stale}"


def table(state: State, mm: int) -> Iterator[str]:
    """Yield the page tables of an address space: each table, and its entries that are not 0."""
    kernel = state.film.kernel
    numbered("mm", mm, kernel.world.mms)
    per_table = kernel.geometry.ptrs_per_pte
    for slot in range(kernel.pgtable.per_mm):
        index = kernel.pgtable.pmd_index(mm, slot * per_table)
        found = index_of_ref(state.cell("pmd", index))
        if found < 0:
            yield f"pmd[{index}]: no table"
            continue
        page = state.cell("table_page", found)
        yield f"pmd[{index}]: table {found} on page {page}, ptl[{found}] {lock(state, found)}"
        for addr in range(slot * per_table, min(kernel.world.vpages, (slot + 1) * per_table)):
            ptep, value = state.entry(mm, addr)
            if value:
                yield f"  page {addr:<5} pte[{ptep}] = {state.shown('pte', ptep)}"


def lock(state: State, found: int) -> str:
    """Return who holds the lock of a page table, in words."""
    holder = state.cell("ptl", found)
    return f"held by {state.film.actors.get(holder - 1, f'slot {holder - 1}')}" if holder else "free"
