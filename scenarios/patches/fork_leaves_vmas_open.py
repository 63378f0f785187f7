"""fork() copies a VMA of the parent without having write-locked it.

dup_mmap() (kernel/fork.c, fb49c455323f) locks each, as the mmap lock keeps no fault out that runs
under the lock of its VMA: such a fault copies pages that another thread still writes to, through
entries that fork has protected and not flushed yet.
"""

from __future__ import annotations

from sim.mm.fork import Fork

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("vma-locks",)


class ForkLeavesVmasOpen(Fork):
    component = "fork"

    async def write_lock(self, vma: int) -> None:
        """The mmap lock is held for writing."""
