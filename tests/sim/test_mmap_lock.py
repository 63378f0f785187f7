"""VMA locks (sim/mm/mmap_lock.py): whom a reader's lock keeps out, and what becomes of a fault that
cannot have it.
"""

from __future__ import annotations

from functools import partial

import pytest

from sim.setup import add_file_folio
from tests.sim.test_v6_18 import Family, family
from tests.sim.test_v7_3 import calls

KERNELS = ("6.9", "6.12", "6.18", "7.3")

SITE = 0


async def found(f: Family, addr: int) -> int:
    """Lock the VMA at ``addr`` of mm 0 as a fault does, and let it go; return it, or -1."""
    vma = await f.k.mmap_lock.lock_vma_under_rcu(0, 0, addr)
    if vma >= 0:
        await f.k.mmap_lock.release_vma(0)
    return vma


@pytest.mark.parametrize("kernel", KERNELS)
async def test_a_reader_gets_in_beside_the_mmap_lock_but_not_beside_a_writer_of_its_vma(kernel: str) -> None:
    async with family(kernel) as f:
        seen: list[int] = []

        async def body() -> None:
            await f.k.machine.down_write(SITE, f.k.mmap.mmap_lock, 0)
            seen.append(await found(f, 0))
            await f.k.mmap_lock.vma_start_write(seen[0])
            seen.append(await found(f, 0))
            await f.k.mmap_lock.mmap_write_unlock(SITE, 0)
            seen.append(await found(f, 0))

        await f.it.run(0, body)
        vma = f.k.mm_types.vma_lookup(0, 0)
        assert [vma, -1, vma] == seen


@pytest.mark.parametrize("kernel", KERNELS)
async def test_a_vma_that_is_gone_is_not_locked(kernel: str) -> None:
    async with family(kernel) as f:
        vma, seen = f.k.mm_types.vma_lookup(0, 0), []

        async def body() -> None:
            await f.k.task(0).munmap(0, 4)
            seen.append(await found(f, 0))
            if await f.k.mmap_lock.vma_start_read(0, vma):
                seen.append(f.k.mmap_lock.contains(vma, 0, 0))
                await f.k.mmap_lock.vma_end_read(vma)

        await f.it.run(0, body)
        assert seen in ([-1, False], [-1]), "a reference count of 0 lets nobody in"


@pytest.mark.parametrize(("kernel", "tries"), [("6.9", 0), ("6.12", 1), ("7.3", 1)])
async def test_an_anon_vma_is_made_under_the_mmap_lock(kernel: str, tries: int) -> None:
    """6.9 takes it for the whole fault, later ones try for it beside the VMA's lock."""
    async with family(kernel) as f:
        await f.it.run(0, partial(f.k.task(0).mmap, 16, 4))
        made, gave_up = calls(f, "rmap", "anon_vma_prepare"), calls(f, "mmap_lock", "release_vma")
        await f.store(0, 17)
        assert 1 == len(made) and tries == len(gave_up)


@pytest.mark.parametrize("kernel", ("6.9", "6.12", "7.3"))
async def test_a_private_copy_without_an_anon_vma_is_made_all_the_same(kernel: str) -> None:
    """What cannot be had under the VMA's lock makes the fault begin again under the mmap lock."""
    async with family(kernel) as f:
        await f.it.run(0, partial(add_file_folio, f.k.task(0), 0, 0, 2))
        await f.it.run(0, partial(f.k.task(0).mmap, 16, 4, file=0))
        await f.store(0, 17)
        assert f.k.mm_types.anon_vma_of(f.k.mm_types.vma_lookup(0, 17)) >= 0


@pytest.mark.parametrize("kernel", ("6.18", "7.3"))
async def test_a_reader_of_anothers_vma_lets_it_go(kernel: str) -> None:
    """A slot may be another mm's by the time it is locked (SLAB_TYPESAFE_BY_RCU)."""
    async with family(kernel) as f:
        vma, seen = f.k.mm_types.vma_lookup(0, 0), []

        async def body() -> None:
            seen.append(await f.k.mmap_lock.vma_start_read(1, vma))

        await f.it.run(0, body)
        assert [False] == seen and 1 == f.view["vm_refcnt"][vma]
