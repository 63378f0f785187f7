"""The buddy allocator under any sequence of allocations and frees."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.core.errors import WorldError
from sim.core.ledger import TABLE, TRANSIENT
from sim.core.machine import site
from sim.core.profile import World
from sim.mm.mm_types import ZERO_PFN
from sim.mm.page_alloc import PageAlloc
from sim.mm.pgtable import PUT_TABLE
from tests.scenarios.driving import driven

LOOK_UP = site("filemap_get_folio", "take a reference unless it is 0")

ORDER_MAX = 5
"""The largest order asked for: of a block that the smaller worlds do not have."""

FREE_LISTS = ("free_head", "free_next", "free_order")

requests = st.lists(st.tuples(st.booleans(), st.integers(0, ORDER_MAX), st.integers(0, 1 << 10)), max_size=60)
"""(whether to allocate, order to allocate, which of the blocks in use to free)."""


class Blocks:
    """What is in use, and what the allocator says is free."""

    def __init__(self, allocator: PageAlloc) -> None:
        self.allocator = allocator
        self.pages: int = allocator.w.pages
        self.used: dict[int, int] = {}
        """First page of each block in use -> its order."""

    def taken(self) -> set[int]:
        """Return the pages in use."""
        return {page for block, order in self.used.items() for page in range(block, block + (1 << order))}

    def lists(self) -> dict[int, list[int]]:
        """Return the blocks on each free list, from its head on."""
        found: dict[int, list[int]] = {}
        for order, head in enumerate(self.allocator.free_head.tolist()):
            blocks = found[order] = []
            while head:
                blocks.append(head - 1)
                assert len(blocks) <= self.pages, f"the list of order {order} has no end"
                head = self.allocator.free_next[head - 1]
        return found

    def fits(self, order: int) -> bool:
        """Return whether an aligned run of free pages is large enough."""
        taken = self.taken() | {ZERO_PFN}
        size = 1 << order
        return any(taken.isdisjoint(range(at, at + size)) for at in range(0, self.pages - size + 1, size))

    def check(self) -> None:
        """Every page is in use or in one free block; each block is aligned."""
        free: list[int] = []
        for order, blocks in self.lists().items():
            assert all(block % (1 << order) == 0 and self.allocator.free_order[block] == order + 1 for block in blocks)
            free += [page for block in blocks for page in range(block, block + (1 << order))]
        assert sorted([ZERO_PFN, *free, *self.taken()]) == list(range(self.pages))


async def allocate(blocks: Blocks, order: int) -> None:
    """Allocate: what comes is aligned and nobody's; nothing comes only if nothing fits."""
    fits, first = blocks.fits(order), blocks.lists().get(order, [])[:1]
    folio = await blocks.allocator.alloc_folio(order)
    if folio < 0:
        assert not fits
        return
    assert fits and folio % (1 << order) == 0
    assert blocks.taken().isdisjoint(range(folio, folio + (1 << order)))
    assert not first or [folio] == first, "last in, first out"
    pages = range(folio, folio + (1 << order))
    assert {folio} == {blocks.allocator.page_head[page] for page in pages}
    blocks.used[folio] = order


async def free(blocks: Blocks, folio: int) -> None:
    """Put the last reference: the block is at the head of its list, and each of its pages has
    another generation.
    """
    order, generations = blocks.used.pop(folio), blocks.allocator.page_gen.tolist()
    await blocks.allocator.k.swap.folio_put(0, folio)
    assert folio == blocks.lists()[order][0]
    pages = range(folio, folio + (1 << order))
    assert blocks.allocator.page_gen.tolist() == [was + (page in pages) for page, was in enumerate(generations)]


class LookedUp:
    """Another fault has been faster with its table; and the page of this one is held by who looked
    it up when it was one of a file's.
    """

    component = "pgtable"
    held = -1

    async def pmd_none(self, index: int) -> bool:
        pgtable: Any = self
        (self.held,) = (page for page, table in enumerate(pgtable.table_of_page) if table)
        await pgtable.m.add(LOOK_UP, pgtable.page_ref, self.held, 1, TRANSIENT)
        return False


@pytest.mark.parametrize("version", ("6.9", "7.3"))
async def test_a_table_that_somebody_holds_is_freed_by_the_last_put(version: str) -> None:
    """A storm on 7.3 and ppc64-hash freed such a page, and used it anew, with the reference in
    other hands: one of a million executions, seed 0x10000000034 of SURW.
    """
    async with driven("x86-64", "small", version, World(), (LookedUp,)) as driver:
        kernel = driver.kernel
        blocks = Blocks(kernel.page_alloc)
        before = blocks.lists()

        async def body() -> None:
            await kernel.pgtable.pte_alloc(0, 0, 0)
            page = kernel.pgtable.held
            assert not any(page in found for found in blocks.lists().values())
            await kernel.swap.folio_put(0, page)
            assert page == blocks.lists()[0][0]

        await driver.run(0, body)
        assert before == blocks.lists()


class FreedAnyway:
    """A table's page is freed whoever holds it besides."""

    component = "pgtable"

    async def pte_free(self, table: int, holder: int = TABLE) -> None:
        pgtable: Any = self
        page = pgtable.table_page[table]
        await pgtable.m.add(PUT_TABLE, pgtable.page_ref, page, -1, holder)
        await pgtable.k.page_alloc.free_unref_folios([page])


async def test_a_page_that_somebody_holds_is_not_freed() -> None:
    async with driven("x86-64", "small", "6.9", World(), (FreedAnyway, LookedUp)) as driver:
        with pytest.raises(AssertionError, match="I11 freed-while-counted"):
            await driver.run(0, lambda: driver.kernel.pgtable.pte_alloc(0, 0, 0))


async def obey(pages: int, asked: list[tuple[bool, int, int]]) -> None:
    """Do what is asked; then free all, and find the lists as they were in the beginning."""
    async with driven("x86-64", "small", "6.9", World(pages=pages)) as driver:
        arena, allocator = driver.kernel.arena, driver.kernel.page_alloc
        first = [arena[name].view.tolist() for name in FREE_LISTS]
        blocks = Blocks(allocator)

        async def body() -> None:
            for take, order, which in asked:
                if take:
                    await allocate(blocks, order)
                elif blocks.used:
                    await free(blocks, sorted(blocks.used)[which % len(blocks.used)])
                blocks.check()
            for folio in list(blocks.used):
                await free(blocks, folio)
            assert -1 == await allocator.alloc_folio(pages.bit_length()), "more than there is: all are merged for it"
            blocks.check()

        await driver.run(0, body)
        assert first == [arena[name].view.tolist() for name in FREE_LISTS]


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 40), requests)
def test_blocks_are_nobodys_twice_and_merge_back(pages: int, asked: list[tuple[bool, int, int]]) -> None:
    """No two blocks overlap; an allocation fails only where nothing fits; what is freed is used
    again first, and merges back to what was there.
    """
    trio.run(obey, pages, asked)


async def test_a_world_without_pages_says_so() -> None:
    """The last page goes out; then the error names the world's pages."""
    async with driven("x86-64", "small", "6.9", World(pages=4)) as driver:

        async def body() -> None:
            found = {await driver.kernel.page_alloc.alloc_zeroed_folio(0) for _ in range(3)}
            assert {1, 2, 3} == found
            with pytest.raises(WorldError, match="the world's 4 pages are all in use"):
                await driver.kernel.page_alloc.alloc_zeroed_folio(0)

        await driver.run(0, body)
