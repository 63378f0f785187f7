"""M07: who frees the words of a gather takes a count for a page."""

from __future__ import annotations

from sim.mm.swap import Swap
from stress.fault import Fault


class NrSlotAsPage(Fault, Swap):
    id = "M07"
    component = "swap"
    scenario = "partial_zap"

    def count_follows(self, word: int) -> bool:
        """Each word is a page."""
        return False
