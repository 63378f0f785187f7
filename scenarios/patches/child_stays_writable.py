"""fork() write-protects the parent's entries, and gives the child writable ones.

__copy_present_ptes() (mm/memory.c, 6.9) takes the bit from both: wrprotect_ptes() from the parent's
entries, pte_wrprotect() from the value that the child gets.
"""

from __future__ import annotations

from sim.mm.fork import Fork

KERNEL = "6.9"
KIND = "sequence"


class ChildStaysWritable(Fork):
    component = "fork"

    def pte_wrprotect(self, pte: int) -> int:
        """The value is used as it was read."""
        return pte
