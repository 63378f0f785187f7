"""Putting pages (mm/swap.c, mm/swap_state.c, v6.18): zapping and freeing drain no LRU batch any
more.
"""

from __future__ import annotations

from sim.mm.swap import Swap


class Swap618(Swap):
    """A folio in a CPU's batch stays there until the batch is full, or something else drains it."""

    async def drain_before_zap(self, cpu: int) -> None:
        """Drain nothing (6.14)."""
