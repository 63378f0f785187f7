"""A folio that begins in the range is taken for one that lies in it.

find_lock_entries() (mm/filemap.c, 6.9) leaves folios alone that reach over the end of the range:
what is behind a hole is still the file's.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("truncation",)


class RemovesWhatReachesOut(Truncate):
    component = "truncate"

    def lies_in_range(self, folio: int, index: int, end: int) -> bool:
        """Where a folio begins is all that is asked."""
        return self.page_index[folio] == index
