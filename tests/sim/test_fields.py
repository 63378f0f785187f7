"""A column's declaration says what it is: the sets that are derived from it are the ones that the
model means, and every value fits into the bits that are declared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import pytest

from sim.compose import compose
from sim.core.arena import RWSEM, SPIN, TRIED, Field
from sim.core.profile import SMALL, World
from sim.core.step import RMW, WRITE
from sim.versions import VERSIONS
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.conform.model.search import Search
from stress.execution.runner import open_runner
from stress.execution.steps import steps
from stress.machine.chance import RandomData
from stress.machine.lockstep import Lockstep
from tests.scenarios.driving import driven

WORLD = World(files=1, swap_slots=1)

STAMPS = {
    "cleared_at", "stored_at", "narrowed_at", "counted_at", "folded_at", "op_began", "tlb_stamp", "tlb_span_stamp",
    "ptl_taken", "block_at", "ledger_site", "ledger_since", "freed_step", "gather_queued_at", "gather_since", "entry_read_at",
}  # fmt: skip
RWSEMS = {"mmap_lock", "i_mmap_lock", "anon_vma_lock", "inode_lock", "invalidate_lock"}
SPINS = {"ptl", "zone_lock", "lruvec_lock", "split_queue_lock", "i_pages_lock"}
TRIEDS = {"page_locked", "mm_pml"}
WAITABLE = {"mm_mt", "mm_users", "page_writeback", "rcu_pending", "irq_off", "rcu_nesting", "cpu_request"}
EQUALITY = {
    "content": {"page_content", "disk"},
    "page": {"page_gen", "tlb_page_gen", "tlb_span_page_gen", "entry_gen"},
    "table": {"table_gen", "walk_gen"},
}


def declared(profile: str, version: str, fact: Callable[[Field], object]) -> set[str]:
    """Return the columns of a composed kernel of which ``fact`` is true."""
    layout = compose(CATALOGUE.profile(profile), SMALL, version, WORLD).layout
    return {field.name for field in layout.fields if fact(field)}


KERNELS = list(product(CATALOGUE.profiles(), VERSIONS))
"""Every profile with every version."""


@pytest.mark.parametrize(("profile", "version"), KERNELS)
def test_stamps(profile: str, version: str) -> None:
    """Columns of step numbers and sites, which a settled kernel has forgotten."""
    assert declared(profile, version, lambda field: field.stamp) == STAMPS


@pytest.mark.parametrize(("profile", "version"), KERNELS)
def test_locks(profile: str, version: str) -> None:
    """Locks by kind; 6.18 and s390x have one more each. From 6.15 on a VMA's lock is a count."""
    rwsems = RWSEMS | (set() if version.startswith(("6.18", "7.")) else {"vm_lock"})
    spins = SPINS | ({"page_mm_ids_lock"} if version.startswith(("6.18", "7.")) else set())
    spins |= {"context_lock"} if profile == "s390x" else set()
    assert declared(profile, version, lambda field: field.lock == RWSEM) == rwsems
    assert declared(profile, version, lambda field: field.lock == SPIN) == spins
    assert declared(profile, version, lambda field: field.lock == TRIED) == TRIEDS
    assert declared(profile, version, lambda field: field.lock) == rwsems | spins | TRIEDS


@pytest.mark.parametrize(("profile", "version"), KERNELS)
def test_waitable(profile: str, version: str) -> None:
    """Columns that actors wait on: on s390x and ppc64 hash, in 6.18, and in 7.3, one more each."""
    more = {"s390x": {"context_flush_count"}, "ppc64-hash": {"pte"}}.get(profile, set())
    more |= {"walk_cache"} if version.startswith("7.") else set()
    more |= {"vm_refcnt"} if version.startswith(("6.18", "7.")) else set()
    assert declared(profile, version, lambda field: field.waitable) == WAITABLE | more


@pytest.mark.parametrize(("profile", "version"), KERNELS)
def test_equality(profile: str, version: str) -> None:
    """Columns of names, by what they name."""
    for what, names in EQUALITY.items():
        assert declared(profile, version, lambda field, what=what: field.equality == what) == names
    assert declared(profile, version, lambda field: field.equality) == set().union(*EQUALITY.values())


async def test_a_settled_kernel_has_forgotten() -> None:
    """Every stamp is 0, and nothing else has changed."""
    async with driven("arm64-4k", SMALL, "6.9", WORLD) as it:
        for column in it.machine.arena.columns.values():
            column.view[:] = memoryview(b"\1" * 8 * column.count).cast("q")
        it.kernel.settle()
        zero = {name for name, column in it.machine.arena.columns.items() if column.count and not any(column.view)}
        assert zero == STAMPS | {"speculation"}, "of which a CPU has as much as the world says: none"


async def test_the_machine_is_told_of_waitable_columns() -> None:
    """A column that actors wait on has a watch, and no column is missed."""
    async with driven("s390x", SMALL, "6.9", WORLD) as it:
        told = {name for name in (*WAITABLE, "context_flush_count") if it.machine.arena[name].watch is not None}
        assert told == WAITABLE | {"context_flush_count"}


async def test_the_search_knows_the_locks() -> None:
    """Exhaustive search takes its locks from the declarations."""
    async with driven("x86-64", SMALL, "6.18", WORLD) as it:
        assert isinstance(it.machine, Lockstep)
        search = Search(it.machine, 0, lambda slot: 0)
        names = {column.id: name for name, column in it.machine.arena.columns.items()}
        assert {names[number] for number in search.sems} == RWSEMS
        assert {names[number] for number in search.locks} == SPINS | TRIEDS | {"page_mm_ids_lock"}
        assert {names[number] for number in search.silent} == RWSEMS | SPINS | {"page_mm_ids_lock"}


def cases(profile: str, version: str) -> Iterator[Case]:
    """Yield one case of every scenario, and the last one too."""
    for name in CATALOGUE.scenarios():
        known = CATALOGUE.scenario_class(name).parameters(CATALOGUE.profile(profile).at(version), SMALL)
        for params in known[:: max(1, len(known) - 1)]:
            yield Case(name, tuple(sorted(params.items())), profile, kernel=version)


async def misfits(case: Case) -> set[str]:
    """Execute ``case`` and return the columns that held, or by a step got, a value that does not
    fit.
    """
    async with open_runner(case, record=True) as runner:
        bits = {field.name: field.bits for field in runner.arena.layout.fields if field.bits}
        outcome = runner.run(CATALOGUE.strategy("random"), 1, RandomData(1))
        ends = [(name, value) for name in bits for value in runner.arena[name].view.tolist()]
        made = [(s.column, s.new) for s in steps(outcome.finished) if s.kind in (WRITE, RMW) and s.column in bits]
        return {name for name, value in [*ends, *made] if not 0 <= value < 1 << bits[name]}


@pytest.mark.parametrize(("profile", "version"), KERNELS)
async def test_values_fit_into_the_bits_declared(profile: str, version: str) -> None:
    """Nothing that an execution stores, or leaves behind, is wider than declared, or negative."""
    for case in cases(profile, version):
        assert (case, set()) == (case, await misfits(case))


async def test_a_value_that_does_not_fit_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above would notice a column declared too narrow."""
    init = Field.__init__

    def narrow(self: Field, name: str, count: int, *rest: object, **facts: object) -> None:
        init(self, name, count, *rest, **(facts | ({"bits": 4} if name == "pte" else {})))  # type: ignore[arg-type]

    monkeypatch.setattr(Field, "__init__", narrow)
    assert await misfits(next(cases("x86-64", "6.9"))) == {"pte"}
