"""6.9 and 6.9-perpage leave the same state after any sequential program.

Compared are PTEs up to the names of frames, RSS, references (but those of LRU batches), mapcounts,
exclusivity, dirty bits, contents, page cache, disk and swap counts; not LRU flags, the
deferred-split queue, TLB generations, or the order of free lists. Frames are named in the order in
which a walk over the address spaces and the page cache meets them, stores by the operation that
made them.

The programs meet swap and migration entries, the zero page and, where the profile has the bit,
userfaultfd's protection and markers.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.core.ledger import HOLDERS, LRU
from sim.core.profile import SMALL, World
from sim.core.pte import HASHPTE, KIND_MASK, KIND_MIGRATION, PFN_SHIFT, PRESENT, SPECIAL, pte_pfn
from sim.mm.mm_types import VM_UFFD_WP
from sim.setup import add_file_folio, plant_migration_entry, plant_swap_entry, plant_zero_page, start, uffd_protect
from stress.catalogue import CATALOGUE
from tests.scenarios.driving import Driven, driven

PROFILES = list(CATALOGUE.profiles())

ANON, SHARED, PRIVATE, KEPT, WATCHED, WATCHED_PRIVATE, TOP = 0, 8, 16, 24, 32, 36, 40
"""Mappings. What KEPT held in the beginning stays mapped by the keeper; userfaultfd may protect the
last two, of a file.
"""

SWAP_SLOTS = 2
KEEPER = 2
"""An mm that nothing runs on: it keeps alive what migration entries name, as they hold no
reference.
"""

WORLD = World(
    mms=3, vpages=TOP, pages=256, vmas=40, tables=24, anon_vmas=24, files=1, file_pages=8, swap_slots=SWAP_SLOTS
)

STORE_NAME = 1 << 20
"""Names of stores begin here: above every version that a step number gives."""

Operation = tuple[str, int, int, int]

operations = st.tuples(
    st.sampled_from(
        (
            "store",
            "store",
            "store",
            "load",
            "dontneed",
            "dontneed",
            "dontneed",
            "munmap",
            "fork",
            "write_back",
            "age",
            "exit",
            "swap",
            "zero",
            "migrate",
            "protect",
            "protect",
        )
    ),
    st.integers(0, 1),
    st.integers(0, TOP - 1),
    st.integers(1, 12),
).filter(lambda operation: operation[:2] != ("exit", 0))
"""(what, CPU, page, pages)."""

starts = st.sampled_from((ANON, SHARED, KEPT, KEPT + 3, WATCHED, WATCHED + 1))
zaps = st.tuples(st.sampled_from(("dontneed", "munmap", "dontneed", "exit")), st.just(0), starts, st.integers(1, TOP))
programs = st.builds(lambda begin, last: [*begin, last], st.lists(operations, min_size=1, max_size=10), zaps)
"""A program ends with a zap of the parent's, as few of the operations drawn are one; the parent
does not exit before.
"""


class Program:
    """Runs operations one after the other; the second CPU is the child's, once there is one."""

    def __init__(self, it: Driven) -> None:
        self.it, self.k = it, it.kernel
        self.forked, self.gone = False, {0: False, 1: False}

    async def prepare(self, order: int, file_order: int) -> None:
        """Map anonymous memory, and a file shared and private; fill the first, touch the others;
        plant what is not present.
        """
        task, watch = self.k.task(0), self.k.profile.uffd_wp

        async def body() -> None:
            await start(task, 0)
            for index in range(0, 8, 1 << file_order):
                await add_file_folio(task, 0, index, file_order)
            await task.mmap(KEPT, 8, order)
            await plant_swap_entry(task, KEPT + 1, 0)
            await plant_zero_page(task, KEPT + 2)
            await task.store(KEPT)
            await task.store(KEPT + 4)
            await task.fork(KEEPER)
            await plant_migration_entry(task, KEPT + 4)
            await task.mmap(ANON, 8, order)
            await task.mmap(SHARED, 8, file=0, shared=True)
            await task.mmap(PRIVATE, 8, file=0)
            await task.mmap(WATCHED, 4, file=0, shared=True, uffd_wp=watch)
            await task.mmap(WATCHED_PRIVATE, 4, file=0, uffd_wp=watch)
            for addr in range(WATCHED, TOP):
                await task.load(addr)

        await self.it.run(0, body)
        for n, addr in enumerate((0, 4, SHARED, PRIVATE, WATCHED, WATCHED_PRIVATE)):
            await self.store(0, addr, n)
        for addr in (WATCHED, WATCHED + 1, WATCHED_PRIVATE, WATCHED_PRIVATE + 2, WATCHED_PRIVATE + 3):
            await self.plant("protect", 0, addr)

    async def store(self, cpu: int, addr: int, name: int) -> None:
        """Store, and call what was stored by the operation's number."""
        versions: list[int] = []

        async def body() -> None:
            versions.append(await self.k.task(cpu).store(addr))

        await self.it.run(cpu, body)
        content = self.k.arena["page_content"].view
        for page, version in enumerate(content.tolist()):
            if 0 < version == versions[0]:
                content[page] = STORE_NAME + name

    async def step(self, number: int, operation: Operation) -> None:
        """Run one operation, if its CPU has a process."""
        what, cpu, addr, nr = operation
        if self.gone[cpu] or (cpu and not self.forked):
            return
        task, nr = self.k.task(cpu), min(nr, TOP - addr)
        if what == "store":
            await self.store(cpu, addr, number)
        elif what == "fork":
            await self.fork(cpu)
        elif what == "exit":
            self.gone[cpu] = True
            await self.it.run(cpu, task.exit)
        elif what in ("swap", "zero", "migrate", "protect"):
            for page in range(addr, addr + nr):
                await self.plant(what, cpu, page)
        else:
            calls: dict[str, Any] = {
                "load": lambda: task.load(addr),
                "dontneed": lambda: task.dontneed(addr, nr),
                "munmap": lambda: task.munmap(addr, nr),
                "write_back": lambda: task.write_back(0, addr % 8),
                "age": lambda: task.age(0, addr % 8),
            }

            await self.it.run(cpu, calls[what])

    async def plant(self, what: str, cpu: int, addr: int) -> None:
        """Put an entry of the kind at ``addr``, or protect the page there, if what is there lets it
        be.
        """
        task, mm, types = self.k.task(cpu), cpu, self.k.mm_types
        vma = types.vma_lookup(mm, addr)
        if vma < 0:
            return
        pte, anon = pte_at(self.k, mm, addr), types.vma_is_anonymous(vma)
        mapped = bool(pte & PRESENT) and not pte & SPECIAL
        if what == "swap" and anon and not pte:
            await self.it.run(cpu, lambda: plant_swap_entry(task, addr, addr % SWAP_SLOTS))
        elif what == "zero" and anon and not pte:
            await self.it.run(cpu, lambda: plant_zero_page(task, addr))
        elif what == "migrate" and mapped and pte_pfn(pte) == pte_pfn(pte_at(self.k, KEEPER, addr)):
            await self.it.run(cpu, lambda: plant_migration_entry(task, addr))
        elif what == "protect" and mapped and self.k.arena["vma_flags"].view[vma] & VM_UFFD_WP:
            await self.it.run(cpu, lambda: uffd_protect(task, addr))

    async def fork(self, cpu: int) -> None:
        """The parent forks, once."""
        if self.forked or cpu:
            return
        self.forked = True
        await self.it.run(0, lambda: self.k.task(0).fork(1))
        await self.it.run(1, lambda: self.k.task(1).born(1))


def pte_at(k: Any, mm: int, addr: int) -> int:
    """Return the entry at ``addr``; 0 if there is no table."""
    table = k.arena["pmd"].view[k.pgtable.pmd_index(mm, addr)] - 1
    return int(k.arena["pte"].view[k.pgtable.ptep(table, addr)]) if table >= 0 else 0


class Frames:
    """Names pages in the order in which they are met."""

    def __init__(self, it: Driven) -> None:
        self.it, self.names, self.pages = it, {0: 0}, [0]

    def name(self, pfn: int) -> int:
        """Return the name of a page."""
        if pfn not in self.names:
            self.names[pfn] = len(self.pages)
            self.pages.append(pfn)
        return self.names[pfn]


def projection(it: Driven) -> dict[str, Any]:
    """Return what the two versions must agree on."""
    k, frames = it.kernel, Frames(it)
    view = {name: column.view for name, column in k.arena.columns.items()}
    ptes = [(mm, addr, *entry(k, frames, mm, addr)) for mm in range(WORLD.mms) for addr in range(TOP)]
    cache = [frames.name(page - 1) if page else -1 for page in view["i_pages"].tolist()]
    known = frames.pages[1:]
    heads = [view["page_head"][page] for page in known]
    held = {
        holder: [view["ledger"][n * WORLD.pages + head] for head in heads]
        for n, holder in enumerate(HOLDERS)
        if n != LRU
    }
    pages = ("page_mapcount", "page_anon_exclusive", "page_content")
    folios = ("page_dirty", "page_writeback", "page_order", "page_nr_pages_mapped")
    return {
        "ptes": ptes,
        "cache": cache,
        "rss": [k.rss(mm) for mm in range(WORLD.mms)],
        "held": held,
        "disk": view["disk"].tolist(),
        "swap": view["swap_map"].tolist(),
        "offset": [page - head for page, head in zip(known, heads, strict=True)],
        "tables": view["mm_pgtables"].tolist(),
        **{name: [view[name][page] for page in known] for name in pages},
        **{name: [view[name][head] for head in heads] for name in folios},
    }


def entry(k: Any, frames: Frames, mm: int, addr: int) -> tuple[int, int]:
    """Return a PTE as (bits, name of the frame or payload); hash entries are a cache."""
    pte = pte_at(k, mm, addr)
    bits, payload = pte & (1 << PFN_SHIFT) - 1 & ~HASHPTE, pte >> PFN_SHIFT
    names_frame = not pte & SPECIAL if pte & PRESENT else pte & KIND_MASK == KIND_MIGRATION
    return bits, frames.name(payload) if names_frame else payload


async def final_state(profile: str, version: str, orders: tuple[int, int], program: list[Operation]) -> dict[str, Any]:
    """Run ``program`` on ``version``; return the projection of where it ends."""
    async with driven(profile, SMALL, version, WORLD) as it:
        running = Program(it)
        await running.prepare(*orders)
        for number, operation in enumerate(program, 6):
            await running.step(number, operation)
        it.kernel.audit(drained=True)
        return projection(it)


@pytest.mark.parametrize("profile", PROFILES)
@settings(max_examples=100, deadline=None, derandomize=True)
@given(orders=st.tuples(st.sampled_from((0, 2, 3)), st.sampled_from((0, 2, 3))), program=programs)
def test_versions_agree(profile: str, orders: tuple[int, int], program: list[Operation]) -> None:
    """The series changes how it is done, and nothing that a program can see."""
    states = [trio.run(final_state, profile, version, orders, program) for version in ("6.9", "6.9-perpage")]
    assert states[0] == states[1]


DIFFERENT: dict[str, tuple[list[Operation], list[Operation]]] = {
    "present": (
        [("store", 0, 1, 1), ("fork", 0, 0, 1), ("dontneed", 0, 0, 3)],
        [("store", 0, 1, 1), ("fork", 0, 0, 1), ("dontneed", 0, 0, 2)],
    ),
    "swap": ([("dontneed", 0, 0, 8), ("swap", 0, 2, 1)], [("dontneed", 0, 0, 8), ("swap", 0, 3, 1)]),
    "zero": ([("dontneed", 0, 0, 8), ("zero", 0, 2, 1)], [("dontneed", 0, 0, 8)]),
    "migration": ([("migrate", 0, KEPT, 1)], [("migrate", 0, KEPT + 5, 1)]),
    "marker": ([("protect", 0, WATCHED + 2, 1), ("dontneed", 0, WATCHED, 4)], [("dontneed", 0, WATCHED, 4)]),
}
"""Pairs of programs that end differently, for one operation each that does something."""


@pytest.mark.parametrize("what", DIFFERENT)
def test_the_comparison_can_fail(what: str) -> None:
    """A program that does something else ends elsewhere: the projection is not blind, and each kind
    of entry is met.
    """
    profile = next(name for name in PROFILES if CATALOGUE.profile(name).uffd_wp)
    some, other = DIFFERENT[what]
    ends = [trio.run(final_state, profile, "6.9", (2, 2), program) for program in (some, some, other)]
    assert ends[0] == ends[1] != ends[2]
