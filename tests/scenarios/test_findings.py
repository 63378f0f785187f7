"""What the search has found in kernels as they were released, and that it finds nothing once they
are mended; docs/model.md says more of each.
"""

from __future__ import annotations

from typing import Any

from sim.core.machine import Violation, site_info
from stress.case import Case
from stress.catalogue import CATALOGUE, Catalogue
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData

EMPTY_TABLES = (("kind", 1), ("order", 3))

SEEDS_MAX = 4_000
"""Seeds within which the kernel as it was released must show what was found in it."""

CLEAN_FACTOR = 3
"""How much further the search goes in the kernel that is mended, and finds nothing."""


class UnhookFirst:
    """v6.14 to v6.18: the table that a zap has emptied is unhooked before the flush that the zap
    owes under the PTL.
    """

    component = "memory"

    async def leave_table(self, zap: Any, start: int, emptied: bool) -> bool:
        unhooked = emptied and await self.k.pt_reclaim.try_get_and_clear_pmd(zap.mm, start)  # type: ignore[attr-defined]
        await super().leave_table(zap, start, emptied=False)  # type: ignore[misc]
        return bool(unhooked)


class Patched(Catalogue):
    """The catalogue whose one fault is the patch."""

    def fault_class(self, name: str) -> type:
        return UnhookFirst


async def search(catalogue: Catalogue, seeds: int, *patches: str) -> tuple[int, Violation | None]:
    """Search 6.18 with ``patches`` for a violation; return how many executions it took, and what
    was found.
    """
    strategy = CATALOGUE.strategy("pct")
    case = Case("empty_tables", EMPTY_TABLES, "x86-64", kernel="6.18", faults=patches)
    async with open_runner(case, catalogue=catalogue) as runner:
        for seed in range(seeds):
            violation = runner.run(strategy, seed, RandomData(seed)).verdict.violation
            if violation is not None:
                break
    return seed + 1, violation


async def test_reclaimed_tables_and_delayed_rmaps() -> None:
    """Unhooked before the flush that delayed rmap removals wait for, the table's lock is not the
    one that mkclean takes: a store can be lost.
    """
    taken, found = await search(Patched(), SEEDS_MAX, "UNHOOK-FIRST")
    assert found is not None
    sites = site_info(found.accused).name, site_info(found.victim).name
    assert ("I27", "folio_clear_dirty_for_io: clear PG_dirty", "ptep_get_and_clear: clear pte") == (
        found.checker,
        *sites,
    )
    wanted = CLEAN_FACTOR * taken
    assert (wanted, None) == await search(CATALOGUE, wanted)
