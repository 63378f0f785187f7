"""Unmapping through the reverse map of a file takes private copies where it should leave them.

unmap_mapping_pages() (mm/memory.c, 7.3) sets skip_cows where it set even_cows before: the sign is
turned round, and so is what its callers mean if it is handed on.
"""

from __future__ import annotations

from sim.mm.unmap_mapping import UnmapMapping

KERNEL = "7.3-flushfirst"
KIND = "sequence"
GUARDS = ("unmap-mapping-range", "O34")


class EvenCowsTurnedRound(UnmapMapping):
    component = "unmap_mapping"

    async def unmap_mapping_pages(self, cpu: int, file: int, first: int, end: int, even_cows: bool) -> None:
        """skip_cows = even_cows."""
        await super().unmap_mapping_pages(cpu, file, first, end, not even_cows)
