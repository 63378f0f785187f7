"""The copy that a write to the zero page makes is not counted in RSS.

wp_page_copy() (mm/memory.c, 6.9) raises MM_ANONPAGES if there was no old folio, and moves a count
from the file's counter if there was one.
"""

from __future__ import annotations

from sim.mm.page_fault import PageFault

KERNEL = "6.9"
KIND = "sequence"


class ZeroPageCowUncounted(PageFault):
    component = "page_fault"

    async def count_copy(self, cpu: int, mm: int, old: int, special: bool) -> None:
        """Only what was a file's page before is counted."""
        if not special:
            await super().count_copy(cpu, mm, old, special)
