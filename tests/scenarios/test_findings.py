"""What the search has found in kernels as they were released, and that it finds nothing once they
are mended; docs/model.md says more of each.
"""

from __future__ import annotations

from typing import Any

from stress.case import Case
from stress.catalogue import CATALOGUE, Catalogue
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData

EMPTY_TABLES = (("kind", 1), ("order", 3))
SEEDS = range(1000)


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


async def violations(catalogue: Catalogue, *patches: str) -> set[str]:
    """Return the checkers that object to 6.18 with ``patches``."""
    strategy, found = CATALOGUE.strategy("pct"), set()
    async with open_runner(
        Case("empty_tables", EMPTY_TABLES, "x86-64", kernel="6.18", faults=patches), catalogue=catalogue
    ) as runner:
        for seed in SEEDS:
            violation = runner.run(strategy, seed, RandomData(seed)).verdict.violation
            if violation is not None:
                found.add(violation.checker)
    return found


async def test_reclaimed_tables_and_delayed_rmaps() -> None:
    """Unhooked before the flush that delayed rmap removals wait for, the table's lock is not the
    one that mkclean takes: a store can be lost.
    """
    assert {"I27"} == await violations(Patched(), "UNHOOK-FIRST")
    assert set() == await violations(CATALOGUE)
