"""A fault maps a folio of a file as a whole, also where the file ends in it.

finish_fault() (mm/memory.c, 6.18) compares the folio's end with i_size: what lies behind the
file's last page must raise SIGBUS.
"""

from __future__ import annotations

from sim.versions.v6_18.page_fault import PageFault618

KERNEL = "6.18-flushfirst"
KIND = "sequence"
GUARDS = ("whole-folio", "i-size")


class WholeFolioDespiteSize(PageFault618):
    component = "page_fault"

    async def ends_in_file(self, vma: int, folio: int) -> bool:
        """The fault's own page is in the file."""
        return True
