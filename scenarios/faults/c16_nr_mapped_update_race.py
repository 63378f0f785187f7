"""C16: the number of a folio's mapped pages is lowered by a load and a store (the counter's races
were mended with 6287b7dae809, 6.2).
"""

from __future__ import annotations

from sim.mm.rmap import DEC_MAPPED, Rmap
from stress.fault import Fault


class NrMappedUpdateRace(Fault, Rmap):
    id = "C16"
    component = "rmap"
    scenario = "sharers_at_work"
    depth = 2

    async def sub_nr_pages_mapped(self, folio: int, nr: int) -> None:
        """Two processes that remove mappings of one folio at once may both begin with the same
        number.
        """
        left = await self.m.load(DEC_MAPPED, self.page_nr_pages_mapped, folio) - nr
        await self.m.store(DEC_MAPPED, self.page_nr_pages_mapped, folio, left)
