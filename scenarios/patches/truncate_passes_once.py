"""Truncation goes over the range once, and takes what it can lock.

truncate_inode_pages_range() (mm/truncate.c, 6.9) goes over it again until nothing is left, and
waits: a folio that somebody had locked would stay, with data that was to go.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "interleaving"
GUARDS = ("truncation",)


class TruncatePassesOnce(Truncate):
    component = "truncate"

    async def _truncate_rest(self, cpu: int, file: int, first: int, end: int) -> bool:
        """Nothing is looked for a second time."""
        return False
