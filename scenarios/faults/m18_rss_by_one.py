"""M18: RSS is lowered by one per batch."""

from __future__ import annotations

from sim.mm.memory import Memory
from stress.fault import Fault


class RssByOne(Fault, Memory):
    id = "M18"
    component = "memory"
    scenario = "munmap_vs_access"

    def rss_nr(self, nr: int) -> int:
        """The count of the batch is not looked at."""
        return 1
