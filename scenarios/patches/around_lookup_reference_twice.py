"""filemap_map_folio_range() lets the reference of the look-up pay for the first page of every run.

It pays for one page (8066ec0a4b9f): a folio of which an entry in the middle is taken already is
mapped in two runs, with one reference too few.
"""

from __future__ import annotations

from sim.mm.filemap import Filemap

KERNEL = "6.18-flushfirst"
KIND = "sequence"


class AroundLookupReferenceTwice(Filemap):
    component = "filemap"

    async def _map_run(self, cpu, vma, table, page, at, run, held):
        await super()._map_run(cpu, vma, table, page, at, run, True)
