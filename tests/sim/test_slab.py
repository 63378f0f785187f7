"""A pool of slots gives each slot to one holder, the lowest first, across the words of its bitmap."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.core.arena import Arena, Layout
from sim.core.errors import WorldError
from sim.core.machine import Actor, Body, site
from sim.core.slab import SLOTS_PER_WORD, Slab, bits, words
from stress.catalogue import CATALOGUE
from stress.machine.chance import PLAIN
from stress.machine.driver import Driver
from stress.machine.lockstep import Lockstep
from stress.machine.trio_drivers import session

TAKE, HOLD, GIVE = (site("test_slab", what) for what in ("take", "hold", "give"))

EDGES = (
    1,
    2,
    SLOTS_PER_WORD - 1,
    SLOTS_PER_WORD,
    SLOTS_PER_WORD + 1,
    64,
    65,
    2 * SLOTS_PER_WORD,
    2 * SLOTS_PER_WORD + 1,
)
"""Sizes of pools about the ends of a bitmap's words."""

ACTORS, ROUNDS = 3, 12
"""Actors that race for slots, and how often each takes one."""


class Pool:
    """A slab with a machine of its own."""

    def __init__(self, slab: Slab, machine: Lockstep, driver: Driver) -> None:
        self.slab, self.machine, self.driver = slab, machine, driver

    async def run(self, *bodies: Body, strategy: str = "sequential", seed: int = 0) -> None:
        """Run an actor per body to an end that must be clean."""
        actors = [Actor(slot, f"actor{slot}", body) for slot, body in enumerate(bodies)]
        self.machine.begin(actors, CATALOGUE.strategy(strategy), PLAIN, seed)
        await self.driver.execute()
        assert "clean" == self.machine.verdict.kind, (self.machine.verdict.reason, self.machine.verdict.error)


@asynccontextmanager
async def pool(slots: int) -> AsyncIterator[Pool]:
    """Yield a pool of ``slots`` objects, all free."""
    slab = Slab("slab", slots, "objects")
    arena = Arena.create(Layout([slab.field()]))
    try:
        machine = Lockstep(arena, ACTORS, 1 << 16)
        slab.bind(machine, arena["slab"])
        async with session(machine) as driver:
            yield Pool(slab, machine, driver)
    finally:
        arena.close()


def test_words_and_bits() -> None:
    """A word has a bit for each of its slots and no more; word number n stands for the n-th lot."""
    assert [1, 1, 2, 2, 3] == [words(SLOTS_PER_WORD * n + more) for n, more in ((0, 1), (1, 0), (1, 1), (2, 0), (2, 1))]
    assert SLOTS_PER_WORD < 63, "a full word is a positive number of 64 bits"
    assert [0, 2, SLOTS_PER_WORD - 1] == bits(0b101 | 1 << SLOTS_PER_WORD - 1, 0)
    assert [3 * SLOTS_PER_WORD + 1] == bits(0b10, 3)


@pytest.mark.parametrize("slots", EDGES)
async def test_every_slot_is_given_once_and_then_none(slots: int) -> None:
    """Ascending, to the last; one more is refused in words; a slot given back is the next."""
    async with pool(slots) as made:

        async def body() -> None:
            assert list(range(slots)) == [await made.slab.take(TAKE) for _ in range(slots)]
            with pytest.raises(WorldError, match=f"the world's {slots} objects are all in use"):
                await made.slab.take(TAKE)
            for slot in {0, slots // 2, slots - 1}:
                await made.slab.give(GIVE, slot)
                assert slot == await made.slab.take(TAKE)

        await made.run(body)


async def obey(slots: int, asked: list[int]) -> None:
    """Take for each negative number, else give back that one of the slots in use."""
    async with pool(slots) as made:
        used: set[int] = set()

        async def body() -> None:
            for which in asked:
                if which >= 0 and used:
                    slot = sorted(used)[which % len(used)]
                    used.remove(slot)
                    await made.slab.give(GIVE, slot)
                elif len(used) < slots:
                    slot = await made.slab.take(TAKE)
                    assert slot == min(set(range(slots)) - used)
                    used.add(slot)
                held = [slot for at, word in enumerate(made.slab.column.view) for slot in bits(word, at)]
                assert sorted(used) == held

        await made.run(body)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 2 * SLOTS_PER_WORD + 2), st.lists(st.integers(-300, 200), max_size=200))
def test_the_lowest_free_slot_is_taken(slots: int, asked: list[int]) -> None:
    """In any order of takes and gives, and the bitmap says which are in use."""
    trio.run(obey, slots, asked)


@pytest.mark.parametrize("seed", range(20))
async def test_actors_that_race_never_share_a_slot(seed: int) -> None:
    """Some actors take and give back at once, in a pool that has one slot for each in two words."""
    slots, held = SLOTS_PER_WORD + 2, set[int]()
    async with pool(slots) as made:
        made.slab.column.view[0] = (1 << SLOTS_PER_WORD) - 2  # slot 0 and those of the second word are free

        async def body() -> None:
            for _ in range(ROUNDS):
                slot = await made.slab.take(TAKE)
                assert slot not in held
                held.add(slot)
                await made.machine.load(HOLD, made.slab.column, 0)
                held.remove(slot)
                await made.slab.give(GIVE, slot)

        await made.run(*[body] * ACTORS, strategy="random", seed=seed)
        assert [(1 << SLOTS_PER_WORD) - 2, 0] == made.slab.column.view.tolist()
