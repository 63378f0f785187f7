"""A folio that an LRU batch has frozen stays in the batch, whose references are put at the end.

folio_batch_move_lru() (mm/folio.c, 7.3) takes it out, so that folios_put() passes over its slot:
folio_ref_freeze() has taken the batch's reference already.
"""

from __future__ import annotations

from sim.versions.v7_3.swap import Swap73

KERNEL = "7.3-flushfirst"
KIND = "sequence"
GUARDS = ("dead-folios",)


class DeadFolioStaysInBatch(Swap73):
    component = "swap"

    def left_in_batch(self, folios: list[int], dead: list[int]) -> list[int]:
        """The dead are freed beside the others."""
        return folios
