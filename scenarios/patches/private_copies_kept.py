"""MADV_DONTNEED keeps the private copies of a file mapping.

zap_page_range_single() (mm/memory.c, 6.18) is passed details with even_cows set: should_zap_cows()
takes details without it for those of a truncation, which leaves private copies alone.
"""

from __future__ import annotations

from sim.mm.memory import Memory, ZapDetails

KERNEL = "6.18-flushfirst"
KIND = "sequence"


class PrivateCopiesKept(Memory):
    component = "memory"

    def should_zap_cows(self, details: ZapDetails | None) -> bool:
        """Only a zap for an unmap takes them."""
        return details is None or bool(details.zap_flags)
