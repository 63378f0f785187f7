"""wp_page_copy() lowers MM_FILEPAGES for every page that is not anonymous.

Pages of shared memory have a counter of their own: mm_counter_file() says which (mm/memory.c). A
private mapping of a tmpfs file that is read and then written ends with "Bad rss-counter state".
"""

from __future__ import annotations

from sim.mm.mm_types import MM_ANONPAGES, MM_FILEPAGES, NR_MM_COUNTERS
from sim.mm.page_fault import PageFault
from sim.mm.write_fault import RSS_MOVE

KERNEL = "6.9"
KIND = "sequence"


class CowCountsShmemAsFile(PageFault):
    component = "page_fault"

    async def count_copy(self, cpu: int, mm: int, old: int, special: bool) -> None:
        """What is not anonymous is a file's."""
        if not special and not self.k.mm_types.folio_test_anon(old):
            await self.m.add(RSS_MOVE, self.mm_rss, (cpu * self.w.mms + mm) * NR_MM_COUNTERS + MM_FILEPAGES, -1)
        if special or not self.k.mm_types.folio_test_anon(old):
            await self.add_rss(cpu, mm, MM_ANONPAGES, 1)
