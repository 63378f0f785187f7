"""A large folio that truncation cannot split is removed as a whole, dirty or not.

truncate_inode_partial_folio() (mm/truncate.c, 6.9) asks folio_test_dirty() when split_folio() has
failed: what lies before the new end of the file is still the file's.
"""

from __future__ import annotations

from sim.mm.truncate import Truncate

KERNEL = "6.9"
KIND = "sequence"
GUARDS = ("truncation", "O36")


class TruncateDropsDirtyFolio(Truncate):
    component = "truncate"

    async def may_drop_unsplit(self, folio: int) -> bool:
        """What could not be split goes."""
        return True
