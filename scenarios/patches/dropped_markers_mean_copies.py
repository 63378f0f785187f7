"""A zap that drops userfaultfd's markers drops private copies too.

should_zap_cows() (mm/memory.c, 6.9) asks even_cows alone: unmap_mapping_folio() sets
ZAP_FLAG_DROP_MARKER, and leaves copies.
"""

from __future__ import annotations

from sim.mm.memory import Memory, ZapDetails

KERNEL = "6.9"
KIND = "sequence"


class DroppedMarkersMeanCopies(Memory):
    component = "memory"

    def should_zap_cows(self, details: ZapDetails | None) -> bool:
        """Who drops markers is taken to want nothing kept."""
        return details is None or details.even_cows or details.drop_markers()
