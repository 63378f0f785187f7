"""A whole state as text, and what a step changed in it: page tables, TLBs, gathers, and the folios
with those who hold their references.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from sim.mm.mmu_gather import ENCODED_PAGE_BIT_DELAY_RMAP, ENCODED_PAGE_BIT_NR_PAGES_NEXT, ENCODED_SHIFT
from stress.trace.shell import pages
from stress.trace.shell.state import State

if TYPE_CHECKING:
    from stress.trace.shell.film import Film

LINES_MAX = 60
"""Lines of a state that are shown whole; of a longer one those around what has changed."""

AROUND = 3

COUNTS = ("mapcount", "dirty", "writeback", "locked")
"""Columns of a folio that are shown, without ``page_``."""


def overview(state: State) -> Iterator[str]:
    """Yield the lines of a state; nothing of a kernel that is a toy, without page tables."""
    if "pmd" not in state.counts:
        return
    world = state.film.kernel.world
    for mm in range(world.mms):
        table = [line for line in pages.table(state, mm) if not line.endswith("no table")]
        yield from [f"page table of mm {mm}", *(f"  {line}" for line in table)] if table else ()
    yield "TLBs"
    for entry in pages.tlb_entries(state):
        yield f"  cpu{entry.cpu} mm {entry.mm} page {entry.addr}: {pages.cell_words(state, entry)}"
    yield "gathers"
    for cpu in range(world.cpus):
        yield from gather(state, cpu)
    yield "folios"
    for page in range(world.pages):
        if state.cell("page_head", page) == page and state.cell("page_ref", page):
            yield from folio(state, page)


def gather(state: State, cpu: int) -> Iterator[str]:
    """Yield what the gather of a CPU holds, if it is open."""
    if not state.cell("gather_open", cpu):
        return
    first, end = state.cell("gather_start", cpu), state.cell("gather_end", cpu)
    flush = f"[{first}, {end})" if first < end else "nothing"
    yield f"  cpu{cpu} mm {state.cell('gather_mm', cpu)}: to be flushed {flush}"
    batches, stride = state.film.kernel.mmu_gather.batches, state.film.kernel.mmu_gather.stride
    for batch in range(cpu * batches, (cpu + 1) * batches):
        words = [state.cell("gather_words", batch * stride + at) for at in range(state.cell("gather_nr", batch))]
        if words:
            yield f"    batch {batch - cpu * batches}: {', '.join(entries(words))}"


def entries(encoded: Sequence[int]) -> Iterator[str]:
    """Yield the words of a batch: pages with their flags, and counts."""
    counts = False
    for word in encoded:
        number, flags = word >> ENCODED_SHIFT, word & ((1 << ENCODED_SHIFT) - 1)
        delayed = " (rmap removal delayed)" if flags & ENCODED_PAGE_BIT_DELAY_RMAP else ""
        yield f"count {number}" if counts else f"page {number}{delayed}"
        counts = bool(flags & ENCODED_PAGE_BIT_NR_PAGES_NEXT)


def folio(state: State, head: int) -> Iterator[str]:
    """Yield what a folio is like, and who holds its references."""
    cells = [f"{name} {state.cell(f'page_{name}', head)}" for name in COUNTS if f"page_{name}" in state.counts]
    order, references = state.cell("page_order", head), state.cell("page_ref", head)
    yield f"  folio {head}, order {order}: ref {references}, {', '.join(cells)}"
    yield from (f"  {line}" for line in pages.ledger(state, head))


def difference(before: Sequence[str], after: Sequence[str], whole: bool = False) -> str:
    """Return two states as one text: what is gone has a minus before it, what is new a plus. Of
    long ones there are the lines around what has changed, unless they are wanted ``whole``.
    """
    made: list[str] = []
    for kind, one, end, two, last in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            made += (f"  {line}" for line in before[one:end])
        else:
            made += (f"- {line}" for line in before[one:end])
            made += (f"+ {line}" for line in after[two:last])
    return "\n".join(made if whole or len(made) <= LINES_MAX else near(made))


def near(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines that have changed with those around them, and how many are left out."""
    wanted = {
        at
        for changed, line in enumerate(lines)
        if line[0] in "-+"
        for at in range(changed - AROUND, changed + AROUND + 1)
    }
    left = 0
    for at, line in enumerate([*lines, ""]):
        if at in wanted or at == len(lines):
            if left:
                yield f"  ... {left} lines without a change"
            left = 0
            yield line
        else:
            left += 1


def changes(film: Film, numbers: Iterable[int]) -> Iterator[tuple[int, str]]:
    """Yield what each step, by its number, has changed of the state before it; the first has the
    whole state.
    """
    state = State(film)
    for at, number in enumerate(sorted(numbers)):
        state.move(number - 1)
        before = list(overview(state))
        state.move(number)
        yield number, difference(before, list(overview(state)), whole=not at)
