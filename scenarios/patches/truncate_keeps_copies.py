"""Truncation leaves private copies mapped behind the end of the file.

truncate_pagecache() (mm/truncate.c, 6.9) unmaps with even_cows, unlike hole punching.
"""

from __future__ import annotations

from sim.mm.unmap_mapping import UnmapMapping

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("unmap-mapping-range", "O34")


class TruncateKeepsCopies(UnmapMapping):
    component = "unmap_mapping"

    async def unmap_mapping_range(self, cpu: int, file: int, start: int, end: int, even_cows: bool) -> None:
        """Copies are anonymous, and taken to be nothing of the file's."""
        await super().unmap_mapping_range(cpu, file, start, end, False)
