"""M03: the bit by which userfaultfd protects an entry does not keep entries out of one batch."""

from __future__ import annotations

from sim.core.pte import UFFD_WP
from sim.mm.memory import Memory
from stress.fault import Fault


class BatchIgnoresUffdWp(Fault, Memory):
    id = "M03"
    component = "memory"
    scenario = "nonpresent"

    def pte_batches(self, folio: int, entry: int, expected: int, drop: int) -> bool:
        """It is treated as the dirty bit is."""
        return super().pte_batches(folio, entry, expected & ~UFFD_WP, drop | UFFD_WP)
