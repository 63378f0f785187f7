"""M05: one reference is put per gather entry, however many pages it stands for."""

from __future__ import annotations

from sim.mm.swap import Swap
from stress.fault import Fault


class RefcountByOne(Fault, Swap):
    id = "M05"
    component = "swap"
    scenario = "munmap_vs_access"

    def refs_to_put(self, page: int, nr: int) -> int:
        """The count is not looked at."""
        return 1
