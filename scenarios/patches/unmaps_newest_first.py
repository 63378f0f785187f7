"""Truncation looks at the VMAs of a file from the newest to the oldest.

The walk goes over i_mmap in order (unmap_mapping_range_tree, mm/memory.c, 6.9), and fork inserts a
child behind its parent (vma_interval_tree_insert_after): in the other order fork copies an entry
that is then zapped in the parent alone.
"""

from __future__ import annotations

from sim.mm.rmap import Rmap

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("unmap-mapping-range",)


class UnmapsNewestFirst(Rmap):
    component = "rmap"

    def file_vmas(self, file: int) -> list[int]:
        """Whoever came last goes first."""
        found = super().file_vmas(file)
        found.reverse()
        return found
