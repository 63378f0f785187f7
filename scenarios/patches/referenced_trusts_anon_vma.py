"""folio_referenced() takes the anon_vma's lock and does not ask again whether the folio is mapped.

folio_lock_anon_vma_read() (mm/rmap.c, 6.9) does: a reference to the folio keeps neither its
mappings nor its anon_vma, which may have been freed, and be another family's, before it was locked.
"""

from __future__ import annotations

from sim.mm.rmap import Rmap

KERNEL = "6.9"
KIND = "interleaving"


class ReferencedTrustsAnonVma(Rmap):
    component = "rmap"

    async def is_still_mapped(self, folio: int) -> bool:
        """Mapped before the lock is mapped under the lock."""
        return True
