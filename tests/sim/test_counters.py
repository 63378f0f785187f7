"""The checkers' counters equal a recount after every step, and no checker changes the world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sim.checks.facade import Checks
from sim.core.ledger import GATHER, HOLDERS, MAPPING, NONE, PAGECACHE, TABLE
from sim.core.pte import DIRTY, PFN_SHIFT, PRESENT, SPECIAL, WRITE
from sim.mm.mm_types import ZERO_PFN
from stress.machine.chance import RandomData
from stress.strategies import Strategy
from tests.sim.programs import open_program, strategies


class Recount:
    """A strategy that lets another choose, and first compares every counter of the checkers with a
    recount.
    """

    name = "recount"
    free = 0

    def __init__(self, inner: Strategy, kernel: Any) -> None:
        self.inner, self.kernel = inner, kernel
        self.steps = 0

    def start(self, seed: int, slots: int) -> None:
        self.inner.start(seed, slots)

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        self.steps += 1
        recount(self.kernel)
        chosen = self.inner.choose(enabled, current, step)
        self.inner.free = 0
        return chosen

    def finish(self, steps: int) -> None:
        self.inner.finish(steps)


def same(name: str, expected: Any, actual: Any) -> None:
    """Compare a counter's column with its recount."""
    assert expected.tolist() == actual.tolist(), f"{name} differs at {np.flatnonzero(expected != actual)[:4]}"


def recount(kernel: Any) -> None:
    """Compare the checkers' counters, and the ledger, with what they count."""
    arena, pages, g = kernel.arena, kernel.world.pages, kernel.geometry
    head = arena["page_head"].array

    def count(pfns: Any) -> Any:
        return np.bincount(pfns, minlength=pages)

    ptes = arena["pte"].array
    ptes = ptes[(ptes & (PRESENT | SPECIAL)) == PRESENT]
    same("pte_count", count(ptes >> PFN_SHIFT), arena["pte_count"].array)
    same("dirty_ptes", count(ptes[ptes & DIRTY != 0] >> PFN_SHIFT), arena["dirty_ptes"].array)
    same(
        "total_map",
        np.bincount(head, weights=arena["page_mapcount"].array, minlength=pages).astype(int),
        arena["total_map"].array,
    )

    spans = arena["tlb_span"].array if arena["tlb_span"].count else np.zeros(0, dtype=int)
    spread = (spans[spans != 0][:, None] + (np.arange(g.contpte) << PFN_SHIFT)[None, :]).ravel()
    entries = np.concatenate((arena["tlb"].array[arena["tlb"].array != 0], spread)).astype(int)
    entries = entries[entries & SPECIAL == 0]
    same("tlb_refs", count(entries >> PFN_SHIFT), arena["tlb_refs"].array)
    same("tlb_writable", count(entries[entries & WRITE != 0] >> PFN_SHIFT), arena["tlb_writable"].array)

    cells = arena["ledger"].array.reshape(len(HOLDERS), pages)
    assert not cells[NONE].any()
    refs = arena["page_ref"].array.copy()
    refs[ZERO_PFN] -= 1
    same("ledger", refs, cells[MAPPING:].sum(axis=0))
    same("ledger of mappings", count(head[ptes >> PFN_SHIFT]), cells[MAPPING])
    assert int(cells[GATHER].sum()) == sum(arena["gather_refs"].view)
    tables = arena["table_page"].array[arena["table_mm"].array > 0]
    assert (count(tables) >= cells[TABLE]).all(), (
        "a table's reference, once it is on its way through a gather, is transient"
    )
    assert (cells[PAGECACHE] <= count(head[arena["i_pages"].array[arena["i_pages"].array > 0] - 1])).all()


KERNELS = ("6.9", "6.12", "6.18", "7.3")

PROFILES = ("x86-64", "arm64-4k", "s390x", "ppc64-radix", "ppc64-hash", "riscv64")


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("profile", PROFILES)
async def test_counters_equal_a_recount_after_every_step(profile: str, kernel: str) -> None:
    async with open_program("random", profile, kernel=kernel) as runner:
        steps = 0
        for seed in range(8):
            counting = Recount(strategies()[1 + seed % 2], runner.kernel)
            outcome = runner.run(counting, seed, RandomData(seed))
            assert outcome.verdict.kind == "clean", outcome.verdict.reason
            steps += counting.steps
        assert steps > 1000


# -- the world is left alone -------------------------------------------------------------------------------------------


class Deaf:
    """Checks that are told everything and look at nothing."""

    id, component = "deaf", "checks"

    def bind(self) -> None:
        super().bind()  # type: ignore[misc]
        arena = self.k.arena  # type: ignore[attr-defined]
        for column in arena.columns.values():
            column.watch = column.look = None
        self.m.accessed = None  # type: ignore[attr-defined]


class Forgetful:
    """A ledger that nothing is written into."""

    id, component = "forgetful", "ledger"

    def change(self, holder: int, folio: int, delta: int) -> None:
        pass

    def move(self, giver: int, taker: int, folio: int, nr: int) -> None:
        pass


def _hear_nothing(name: str) -> Callable[..., int]:
    return lambda self, *args, **keywords: 0


EVENTS = [
    name
    for name, value in vars(Checks).items()
    if callable(value) and not name.startswith("_") and name not in ("fields", "bind", "boot")
]

for _name in EVENTS:
    setattr(Deaf, _name, _hear_nothing(_name))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("profile", PROFILES)
async def test_no_checker_changes_the_world(profile: str, kernel: str) -> None:
    """With and without checkers, the same choices lead to the same model region, step for step."""
    ends = []
    for mutations in ((), (Deaf, Forgetful)):
        async with open_program("random", profile, mutations, kernel) as runner:
            row: list[object] = []
            for seed in range(6):
                runner._begin(strategies()[1 + seed % 2], seed, RandomData(seed))
                runner.driver.execute_now()  # type: ignore[attr-defined]
                assert runner.machine.verdict.kind == "clean", runner.machine.verdict.reason
                row += [runner.arena.model_hash(), runner.machine.seq, hash(tuple(runner.machine.log))]
                before = runner.arena.model_hash()
                if not mutations:
                    runner.kernel.audit(drained=True)
                assert before == runner.arena.model_hash()
            ends.append(row)
    assert ends[0] == ends[1]
