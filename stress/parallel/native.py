"""Steps as native code: LLVM's atomic instructions, through numba, on raw addresses.

It is compiled when first imported. Nothing that lockstep needs imports it.

A step takes the stripes of its locations in ascending order, then a number; it acts, writes its row
of the log, and lets the stripes go. The numbers therefore agree with the order in which memory saw
the steps, for every pair that conflicts. Spins are bounded: a call that has spun in vain returns to
Python, where signals and the abort word are seen.

A context is the calling process's own block of words with the addresses that it needs. Every
function returns a word, and leaves what became of the call in ``STATUS``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.core.ledger import MAPPING, NONE, TRANSIENT
from sim.core.pte import PFN_SHIFT, PRESENT, SPECIAL
from sim.core.step import (
    COLUMN_MASK,
    FIELD_SHIFT,
    INDEX_MASK,
    KIND_MASK,
    KIND_SHIFT,
    PLACE_MASK,
    STORE_THROUGH_TLB,
    TLB_SHIFT,
    VERSION_BITS,
    VERSION_MASK,
)
from stress.parallel.atomics import compare_exchange, compiled, exchange, fetch_add, load, release, store
from stress.parallel.board import (
    ABORT,
    FLAG,
    FLAG_VALUE,
    LINE,
    SEQ,
    STRIPE_MET,
    STRIPE_PLACE,
    STRIPES,
    SYMPTOM,
    VERSION,
)

LOAD, STORE, XCHG, ADD, TRYLOCK, LEAVE, SWAP, TAKE_FREE, TAKE_READ = range(9)
"""What a step does.

LEAVE sets the operand if the cell holds ``extra``; SWAP does, and is a step only then; TAKE_FREE
and TAKE_READ are steps only if they get the lock.
"""

DONE, SPUN, NOT_NOW, FULL_LOG, STOP = range(5)
"""What became of a call: the step was made; a stripe was held for too long, so try again; the step
cannot be made now; the log has no row left; the run is over.
"""

(
    BOARD,
    ARENA,
    STATUS,
    SLOT,
    PROCESS,
    RECORDS,
    STRIPES_OF,
    LOG,
    ROWS,
    MADE_AT,
    VERSIONS,
    ROLES,
    LEDGER,
    HEADS,
    PAGES,
    PLAIN_ADD,
) = range(16)
"""Words of a context: addresses, numbers, and what this process is to do.

PLAIN_ADD makes an unrecorded addition a load and a store, for the test that shows an update lost.
"""

CONTEXT_WORDS = 16

NOTHING, REFERENCES, ENTRIES, COUNTS = range(4)
"""Roles of columns: none; refcounts, which the ledger follows; page-table entries, likewise; counts
that are never negative.
"""

SPINS_MAX = 2000
"""Looks at a held stripe before a call gives up: tens of microseconds."""


@compiled("int64(int64, int64)")
def word(context: int, which: int) -> int:
    """Return a word of the context."""
    return load(context + which * 8)


@compiled("int64(int64, int64)")
def stripe_of(context: int, cell: int) -> int:
    """Return the stripe of a cell, by its place in the block, which is the same in every process."""
    return ((cell - word(context, ARENA)) >> 3) % STRIPES


@compiled("int64(int64, int64, int64)")
def take_stripe(context: int, stripe: int, code: int) -> int:
    """Take a stripe; return 1, or 0 if it was held for too long."""
    at = word(context, STRIPES_OF) + stripe * LINE * 8
    mine = word(context, PROCESS) + 1
    if compare_exchange(at, 0, mine) == 0:
        return 1
    fetch_add(at + STRIPE_MET * 8, 1)
    store(at + STRIPE_PLACE * 8, code & PLACE_MASK)
    for _ in range(SPINS_MAX):
        if load(at) == 0 and compare_exchange(at, 0, mine) == 0:
            return 1
    return 0


@compiled("void(int64, int64)")
def drop_stripe(context: int, stripe: int) -> None:
    """Let a stripe go."""
    release(word(context, STRIPES_OF) + stripe * LINE * 8, 0)


@compiled("int64(int64, int64)")
def end(context: int, status: int) -> int:
    """Note what became of the call."""
    store(context + STATUS * 8, status)
    return 0


@compiled("int64(int64)")
def number(context: int) -> int:
    """Take the next step number, or -1 if the log has no row for it."""
    seq = word(context, BOARD) + SEQ * 8
    if load(seq) >= word(context, ROWS):
        return -1
    n = fetch_add(seq, 1)
    return n if n < word(context, ROWS) else -1


@compiled("void(int64, int64, int64, int64)")
def write_row(context: int, n: int, code: int, value: int) -> None:
    """Write the row of step ``n``; its last word says that it is complete."""
    row = word(context, LOG) + n * 24
    release(row, code)
    release(row + 8, value)
    release(row + 16, word(context, SLOT) + 1)


@compiled("void(int64)")
def count(context: int) -> None:
    """Count a step, in a word that this process alone writes."""
    made = word(context, MADE_AT)
    release(made, load(made) + 1)


@compiled("void(int64, int64, int64)")
def flag(context: int, code: int, value: int) -> None:
    """Note the first count below zero, and let every process stop."""
    at = word(context, BOARD) + FLAG * 8
    if compare_exchange(at, 0, code) == 0:
        store(word(context, BOARD) + FLAG_VALUE * 8, value)
        compare_exchange(word(context, BOARD) + ABORT * 8, 0, SYMPTOM)


@compiled("void(int64, int64, int64, int64, int64)")
def move(context: int, holder: int, folio: int, delta: int, code: int) -> None:
    """Give a holder references of a folio, or take them."""
    at = word(context, LEDGER) + (holder * word(context, PAGES) + folio) * 8
    left = fetch_add(at, delta) + delta
    if left < 0:
        flag(context, code, left)


@compiled("void(int64, int64, int64, int64, int64)")
def account(context: int, code: int, old: int, new: int, holder: int) -> None:
    """Change the ledger with a refcount or an entry, and flag a count that falls below zero."""
    role = load(word(context, ROLES) + ((code >> FIELD_SHIFT) & COLUMN_MASK) * 8)
    if role == NOTHING or old == new:
        return
    if role == ENTRIES:
        if (old & new & PRESENT) and (old >> PFN_SHIFT) == (new >> PFN_SHIFT):
            return
        if (old & PRESENT) and not (old & SPECIAL):
            folio = load(word(context, HEADS) + (old >> PFN_SHIFT) * 8)
            move(context, MAPPING, folio, -1, code)
            move(context, TRANSIENT, folio, 1, code)
        if (new & PRESENT) and not (new & SPECIAL):
            folio = load(word(context, HEADS) + (new >> PFN_SHIFT) * 8)
            move(context, TRANSIENT if holder == NONE else holder, folio, -1, code)
            move(context, MAPPING, folio, 1, code)
        return
    if role == REFERENCES:
        move(context, holder, code & INDEX_MASK, new - old, code)
    if new < 0:
        flag(context, code, new)


@compiled("int64(int64, int64, int64, int64, int64, int64, int64)")
def act(context: int, cell: int, op: int, operand: int, extra: int, old: int, code: int) -> int:
    """Return what the cell is to hold after the step."""
    if op in (STORE, XCHG, SWAP, TAKE_FREE):
        return operand
    if op == ADD:
        return old + operand
    if op == TAKE_READ:
        return old + 1
    if op == TRYLOCK:
        return operand if old == 0 else old
    if op == LEAVE:
        return operand if old == extra else old
    return old


@compiled("int64(int64, int64, int64)")
def can(op: int, old: int, extra: int) -> int:
    """Return whether the step can be made on a cell that holds ``old``."""
    if op == SWAP:
        return old == extra
    if op == TAKE_FREE:
        return old == 0
    return op != TAKE_READ or old >= 0


@compiled("int64(int64, int64, int64, int64)")
def told(op: int, old: int, new: int, operand: int) -> int:
    """Return the value that the log keeps, which is what lockstep logs for the same step."""
    if op in (STORE, ADD, TAKE_FREE, TAKE_READ):
        return new
    return operand if op == LEAVE else old


@compiled("int64(int64, int64, int64, int64, int64, int64, int64)")
def raw(context: int, code: int, cell: int, op: int, operand: int, extra: int, holder: int) -> int:
    """As :func:`step`, without a record: one atomic instruction, or a loop of compare-and-exchange."""
    if op == LOAD:
        old = load(cell)
        new = old
    elif op in (STORE, XCHG):
        old, new = exchange(cell, operand), operand
    elif op == ADD and word(context, PLAIN_ADD):
        old = load(cell)
        new = old + operand
        store(cell, new)
    elif op == ADD:
        old = fetch_add(cell, operand)
        new = old + operand
    else:
        while True:
            old = load(cell)
            if not can(op, old, extra):
                end(context, NOT_NOW)
                return old
            new = act(context, cell, op, operand, extra, old, code)
            if compare_exchange(cell, old, new) == old:
                break
    account(context, code, old, new, holder)
    count(context)
    return new if op == ADD else old


@compiled("int64(int64, int64, int64, int64, int64, int64, int64)")
def step(context: int, code: int, cell: int, op: int, operand: int, extra: int, holder: int) -> int:
    """Make one step on ``cell`` (an address); return what it held, or the sum.

    ``code`` is site, kind, column and index.

    ``extra`` is what the cell must hold (LEAVE, SWAP); ``holder`` is the ledger's.
    """
    end(context, DONE)
    if load(word(context, BOARD) + ABORT * 8):
        return end(context, STOP)
    if not word(context, RECORDS):
        return raw(context, code, cell, op, operand, extra, holder)
    stripe = stripe_of(context, cell)
    if not take_stripe(context, stripe, code):
        return end(context, SPUN)
    old = load(cell)
    n = -1
    if can(op, old, extra):
        n = number(context)
        if n < 0:
            end(context, FULL_LOG)
        else:
            new = act(context, cell, op, operand, extra, old, code)
            if new != old:
                store(cell, new)
            account(context, code, old, new, holder)
            write_row(context, n, code, told(op, old, new, operand))
            count(context)
            if op == ADD:
                old = new
    else:
        end(context, NOT_NOW)
    drop_stripe(context, stripe)
    return old


@compiled("int64(int64, int64, int64)")
def hold(context: int, code: int, cell: int) -> int:
    """Take the stripe of a cell on which an actor waits, so that Python can look whether it may go."""
    end(context, DONE)
    if load(word(context, BOARD) + ABORT * 8):
        return end(context, STOP)
    if word(context, RECORDS) and not take_stripe(context, stripe_of(context, cell), code):
        return end(context, SPUN)
    return 1


@compiled("int64(int64, int64, int64, int64)")
def let_go(context: int, code: int, cell: int, made: int) -> int:
    """Give that stripe back; before that, if the step is made, record it.

    Return what the cell holds.
    """
    value = load(cell)
    if made:
        if word(context, RECORDS):
            n = number(context)
            if n < 0:
                end(context, FULL_LOG)
            else:
                write_row(context, n, code, value)
        count(context)
    if word(context, RECORDS):
        drop_stripe(context, stripe_of(context, cell))
    return value


@compiled("int64(int64, int64, boolean, int64)")
def touch(context: int, page: int, stores: bool, fresh: int) -> int:
    """Load or store a page's content; return its version: ``fresh`` if it is stored."""
    if stores:
        store(page, fresh)
        return fresh
    return load(page)


@compiled("int64(int64, int64, int64, int64, int64)")
def take_two(context: int, one: int, other: int, code: int, other_code: int) -> int:
    """Take two stripes, the lower first; return whether both are taken."""
    first, second = min(one, other), max(one, other)
    if not take_stripe(context, first, code):
        return 0
    if second != first and not take_stripe(context, second, other_code):
        drop_stripe(context, first)
        return 0
    return 1


@compiled("int64(int64, int64, int64, int64, int64, int64, int64, int64)")
def access(context: int, site: int, cell: int, tlb: int, need: int, offset: int, content: int, content_at: int) -> int:
    """Access memory through a TLB entry; return the version, or -1 for a miss.

    ``cell`` is the entry's address, ``tlb`` the code of its load; ``content`` is the code of page
    0's cell (kind included), ``content_at`` its address. The entry changes only in this process, so
    that it can be read before the stripes are known.
    """
    end(context, DONE)
    if load(word(context, BOARD) + ABORT * 8):
        return end(context, STOP)
    entry = load(cell)
    if entry & need != need:
        step(context, site + tlb, cell, LOAD, 0, 0, 0)
        return -1
    pfn = (entry >> PFN_SHIFT) + offset
    page, code = content_at + pfn * 8, site + content + pfn
    stores = (content >> KIND_SHIFT) & KIND_MASK == STORE_THROUGH_TLB
    if not word(context, RECORDS):
        count(context)
        return touch(
            context, page, stores, fetch_add(word(context, BOARD) + VERSION * 8, 1) + word(context, VERSIONS) + 1
        )
    one, other = stripe_of(context, cell), stripe_of(context, page)
    if not take_two(context, one, other, site + tlb, code):
        return end(context, SPUN)
    n, version = number(context), -1
    if n < 0:
        end(context, FULL_LOG)
    else:
        version = touch(context, page, stores, word(context, VERSIONS) + n + 1)
        through = ((tlb >> FIELD_SHIFT) & COLUMN_MASK) << TLB_SHIFT | (tlb & INDEX_MASK) << VERSION_BITS
        write_row(context, n, code, through | (version & VERSION_MASK))
        count(context)
    drop_stripe(context, one)
    if other != one:
        drop_stripe(context, other)
    return version


@compiled("int64(int64, int64, int64)")
def add_to(context: int, address: int, delta: int) -> int:
    """Add to a word that is no model state; return the sum."""
    return fetch_add(address, delta) + delta


@compiled("int64(int64, int64, int64)")
def meet(context: int, address: int, least: int) -> int:
    """Wait until the word at ``address`` is ``least`` or more, or the run is given up, for a
    bounded time; return whether it is.
    """
    for _ in range(SPINS_MAX):
        if load(address) >= least:
            return 1
        if load(word(context, BOARD) + ABORT * 8):
            return 0
    return 0


def entry(function: Any) -> Callable[..., int]:
    """Return the compiled function without the dispatcher, which costs more than a step: its one
    overload's own wrapper.
    """
    overload = next(iter(function.overloads.values()))
    bare: Callable[..., int] = getattr(overload, "entry_point", None) or function
    return bare
