"""The window of fault-around may run on behind the end of the page table.

do_fault_around() (mm/memory.c, 6.9) ends it at the end of the VMA and at the last entry of the
table whichever comes first; there is no entry to be mapped behind that.
"""

from __future__ import annotations

from sim.mm.filemap import Filemap

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "riscv64", "s390x")
KIND = "sequence"


class AroundPastTheTable(Filemap):
    component = "filemap"

    def window_end(self, vma: int, addr: int, first: int) -> int:
        """The VMA's end is the only one."""
        return min(first + self.fault_around(), self.vma_end[vma])
