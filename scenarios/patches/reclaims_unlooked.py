"""A page table is freed without another look whether it is still empty.

try_to_free_pte() (mm/pt_reclaim.c, 6.18) checks every entry under both locks: the zap had to let go
of the PTL, and a fault may have filled the table since.
"""

from __future__ import annotations

from sim.versions.v6_18.pt_reclaim import PtReclaim

KERNEL = "6.18-flushfirst"
PROFILES = ("x86-64",)
KIND = "interleaving"
GUARDS = ("tables-unhooked",)


class ReclaimsUnlooked(PtReclaim):
    component = "pt_reclaim"

    async def is_empty(self, table: int) -> bool:
        """The zap has emptied it."""
        return True
