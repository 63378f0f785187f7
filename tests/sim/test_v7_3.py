"""What a program can see of 7.3, beside what 6.18 does in its place: tables reclaimed elsewhere,
ageing in batches, dead folios, grace periods, arm64's local flushes.
"""

from __future__ import annotations

from functools import partial

import pytest

from sim.core.machine import site_info
from sim.core.pte import WRITE, YOUNG
from sim.setup import add_file_folio, start
from stress.execution.reach import sites_of
from tests.sim.test_v6_18 import FOLIO, Family, family


@pytest.mark.parametrize(
    ("kernel", "profile", "gone"),
    [("7.3", "x86-64", True), ("7.3", "arm64-4k", True), ("7.3", "riscv64", True), ("7.3", "s390x", True),
     ("7.3", "ppc64-radix", False), ("6.18", "riscv64", False), ("6.18", "s390x", False)],
)  # fmt: skip
async def test_a_table_that_is_emptied_whole_is_freed(kernel: str, profile: str, gone: bool) -> None:
    async with family(kernel, profile) as f:
        await f.it.run(0, partial(f.k.task(0).dontneed, 0, 8))
        assert (0 if gone else 1) == f.view["mm_pgtables"][0]


@pytest.mark.parametrize(
    ("kernel", "fast", "slow"),
    [("6.18", "try_get_and_clear_pmd", "try_to_free_pte"), ("7.3", "zap_empty_pte_table", "zap_pte_table_if_empty")],
)
async def test_steps_that_free_a_table_have_the_names_of_their_version(kernel: str, fast: str, slow: str) -> None:
    """Those that are made, and those that are known to be possible."""
    async with family(kernel) as f:
        await f.it.run(0, partial(f.k.task(0).dontneed, 0, 8))
        made = {site_info(code).function for code in f.k.machine.log[::2]}
        possible = {name.partition(":")[0] for name in sites_of(f.k)}
    names = {"try_get_and_clear_pmd", "try_to_free_pte", "zap_empty_pte_table", "zap_pte_table_if_empty"}
    assert {fast} == made & names
    assert {fast, slow} == possible & names


def calls(f: Family, component: str, method: str) -> list[tuple[int, ...]]:
    """Return a list to which each call of a method adds its arguments."""
    seen: list[tuple[int, ...]] = []
    part = getattr(f.k, component)
    original = getattr(part, method)

    async def noted(*args: int, **more: object) -> object:
        seen.append(args)
        return await original(*args, **more)

    setattr(part, method, noted)
    return seen


@pytest.mark.parametrize(("kernel", "walks"), [("6.18", FOLIO), ("7.3", 1)])
async def test_a_large_folio_is_aged_in_batches(kernel: str, walks: int) -> None:
    """Each entry loses its young bit all the same; and the folio is locked."""
    async with family(kernel) as f:
        seen = calls(f, "rmap", "folio_referenced_one")
        assert all(f.pte(0, addr) & YOUNG for addr in range(FOLIO))
        await f.it.run(1, f.k.task(1).age_anon)
        assert walks == len(seen)
        assert not any(f.pte(0, addr) & YOUNG for addr in range(FOLIO))


async def test_ageing_takes_a_locked_anonymous_folio_for_young() -> None:
    async with family("7.3") as f:
        folio = f.folio(0, 0)
        young: list[int] = []

        async def body() -> None:
            await f.k.machine.trylock(0, f.k.rmap.page_locked, folio)
            young.append(await f.k.rmap.folio_referenced(1, folio))
            await f.k.machine.unlock(0, f.k.rmap.page_locked, folio)

        await f.it.run(1, body)
        assert [1] == young and f.pte(0, 0) & YOUNG


@pytest.mark.parametrize(("kernel", "on_lru"), [("6.18", 1), ("7.3", 0)])
async def test_a_dead_folio_never_reaches_the_lru(kernel: str, on_lru: int) -> None:
    """A private copy is unmapped, and then the LRU batch alone refers to it."""
    async with family(kernel) as f:
        await f.it.run(0, partial(add_file_folio, f.k.task(0), 0, 0, 2))
        await f.it.run(0, partial(f.k.task(0).mmap, 16, 4, file=0))
        await f.store(0, 17)
        folio = f.folio(0, 17)
        await f.it.run(0, partial(f.k.task(0).dontneed, 17, 1))
        assert 1 == f.view["page_ref"][folio]
        listed: list[int] = []
        f.k.arena["page_lru"].observe(lambda page, old, new, holder: listed.append(page) if new else None)
        await f.it.run(0, partial(f.k.swap.lru_add_drain, 0))
        assert on_lru == listed.count(folio) and 0 == f.view["page_ref"][folio]


@pytest.mark.parametrize(
    ("kernel", "profile", "how"),
    [("6.18", "ppc64-radix", "interrupt_all"), ("7.3", "ppc64-radix", "synchronize_rcu"),
     ("7.3", "arm64-4k", "call_rcu")],
)  # fmt: skip
async def test_a_table_without_a_batch_waits_for_a_grace_period(kernel: str, profile: str, how: str) -> None:
    async with family(kernel, profile) as f:
        table, asked = f.view["pmd"][0] - 1, []
        for component, method in (("tlbflush", "interrupt_all"), ("rcu", "synchronize_rcu"), ("rcu", "call_rcu")):

            async def noted(*args: object, method: str = method) -> None:
                asked.append(method)

            setattr(getattr(f.k, component), method, noted)
        f.k.pgtable.pte_free = noted  # type: ignore[assignment, method-assign]
        await f.it.run(0, partial(f.k.mmu_gather.tlb_remove_table_one, 0, table))
        assert how == asked[0]


@pytest.mark.parametrize(("kernel", "faults"), [("6.18", 0), ("7.3", 1)])
async def test_another_cpu_faults_on_what_was_widened_here(kernel: str, faults: int) -> None:
    """arm64: the other CPU's entry is read-only still; it faults once, finds nothing to do, and
    forgets the entry.
    """
    async with family(kernel, "arm64-4k") as f:
        await f.it.run(0, partial(add_file_folio, f.k.task(0), 0, 0, 0))
        await f.it.run(0, partial(f.k.task(0).mmap, 8, 1, file=0, shared=True))
        await f.it.run(1, partial(start, f.k.task(1), 0))
        await f.load(0, 8)
        await f.load(1, 8)
        await f.store(0, 8)
        assert f.pte(0, 8) & WRITE
        seen = calls(f, "pgtable", "flush_tlb_fix_spurious_fault")
        await f.store(1, 8)
        assert faults == len(seen)


@pytest.mark.parametrize(("kernel", "full"), [("6.18", [1]), ("7.3", [0])])
async def test_a_child_that_cannot_be_finished_is_taken_down(kernel: str, full: list[int]) -> None:
    """By exit_mmap, as a whole; in 7.3 before its lock is dropped, by a gather of some VMAs."""
    async with family(kernel) as f:
        await f.it.run(0, partial(f.k.task(0).mmap, 16, 8))
        folio, seen = f.folio(0, 0), calls(f, "mmu_gather", "tlb_gather_mmu")
        f.k.machine.draw = lambda label, n: int(label == "GFP_KERNEL in fork fails")  # type: ignore[method-assign]
        gathers: list[int] = []
        unmap_vmas = f.k.memory.unmap_vmas

        async def noted(tlb: int, vmas: list[int], start: int, end: int) -> None:
            gathers.append(f.view["gather_fullmm"][tlb])
            await unmap_vmas(tlb, vmas, start, end)

        f.k.memory.unmap_vmas = noted  # type: ignore[method-assign]
        born: list[bool] = []

        async def body() -> None:
            born.append(await f.k.task(0).fork_may_fail(1))

        await f.it.run(0, body)
        assert ([False], full, 1) == (born, gathers, len(seen))
        assert FOLIO == f.view["page_large_mapcount"][folio] and not f.view["mm_pgtables"][1]
