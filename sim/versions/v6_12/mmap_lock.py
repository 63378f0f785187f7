"""VMA locks (mm/memory.c, v6.12): faults of anonymous memory without an anon_vma too."""

from __future__ import annotations

from sim.mm.mmap_lock import MmapLock


class MmapLock612(MmapLock):
    """As in 6.9 otherwise."""

    async def serves_faults(self, vma: int) -> bool:
        """Return True: an anon_vma that is missing is made under the mmap lock, if that is free."""
        return True
