"""M04: of a batch of entries that userfaultfd protects, the first alone leaves a marker."""

from __future__ import annotations

from sim.mm.memory import Memory
from stress.fault import Fault


class UffdMarkerFirstOnly(Fault, Memory):
    id = "M04"
    component = "memory"
    scenario = "nonpresent"

    def marker_nr(self, nr: int) -> int:
        """The helper was not taught about batches."""
        return 1
