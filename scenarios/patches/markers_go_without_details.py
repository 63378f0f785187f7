"""A zap without details drops userfaultfd markers.

zap_drop_markers() (mm/memory.c, 6.9) keeps them if there are no details: that is MADV_DONTNEED,
after which a write must still be told of. Only an unmap says ZAP_FLAG_DROP_MARKER.
"""

from __future__ import annotations

from sim.mm.memory import Memory, Zap

KERNEL = "6.9"
PROFILES = ("x86-64",)
KIND = "sequence"


class MarkersGoWithoutDetails(Memory):
    component = "memory"

    def drop_markers(self, zap: Zap) -> bool:
        """No details are taken for no limits."""
        return zap.details is None or zap.details.drop_markers()
