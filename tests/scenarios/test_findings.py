"""What the search has found in a kernel version as its sources have it, and what shows the cause; docs/model.md says more of each."""

from __future__ import annotations

from typing import Any

from stress.case import Case
from stress.data import RandomData
from stress.discovery import CATALOGUE, Catalogue
from stress.execution import open_runner

EMPTY_TABLES = (("kind", 1), ("order", 3))
SEEDS = range(1000)


class FlushFirst:
    """A zap that owes a flush under the PTL does not unhook the table before it: the table is looked at anew afterwards."""

    component = "memory"

    async def zap_ptes(self, zap: Any, addr: int) -> int:
        addr = await super().zap_ptes(zap, addr)  # type: ignore[misc]
        zap.stopped |= zap.force_flush
        return addr


class Patched(Catalogue):
    """The catalogue whose one fault is the patch."""

    def fault_class(self, name: str) -> type:
        return FlushFirst


async def violations(catalogue: Catalogue, *patches: str) -> set[str]:
    """Return the checkers that object to 6.18 with ``patches``."""
    strategy, found = CATALOGUE.strategy("pct"), set()
    async with open_runner(Case("empty_tables", EMPTY_TABLES, "x86-64", kernel="6.18", faults=patches), catalogue=catalogue) as runner:
        for seed in SEEDS:
            violation = runner.run(strategy, seed, RandomData(seed)).verdict.violation
            if violation is not None:
                found.add(violation.checker)
    return found


async def test_reclaimed_tables_and_delayed_rmaps() -> None:
    """6.18 unhooks an emptied table before the flush that delayed rmap removals wait for: mkclean then takes the lock of another table."""
    assert {"I27"} == await violations(CATALOGUE)
    assert set() == await violations(Patched(), "FLUSH-FIRST")
