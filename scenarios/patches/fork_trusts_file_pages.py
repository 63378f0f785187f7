"""fork does not copy the page tables of a shared file mapping that userfaultfd protects.

vma_needs_copy() (mm/memory.c, 6.12) asks for userfaultfd's write protection before it asks for an
anon_vma: a fault finds the page again, and not that it was protected.
"""

from __future__ import annotations

from sim.mm.fork import Fork

KERNEL = "6.12"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k")
KIND = "sequence"


class ForkTrustsFilePages(Fork):
    component = "fork"

    def vma_needs_copy(self, vma: int) -> bool:
        """What has no anon_vma can be faulted in."""
        return bool(self.vma_anon_vma[vma])
