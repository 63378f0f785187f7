"""filemap_map_folio_range() lets the reference of the look-up pay for the first page of every run.

It pays for one page (8066ec0a4b9f): a folio of which an entry in the middle is taken already is
mapped in two runs, with one reference too few.
"""

from __future__ import annotations

from sim.versions.v6_18.filemap import Filemap618

KERNEL = "6.18-flushfirst"
KIND = "sequence"


class AroundLookupReferenceTwice(Filemap618):
    component = "filemap"

    async def _map_run(self, cpu: int, vma: int, table: int, page: int, at: int, run: int, held: bool) -> None:
        """The reference is held, whichever run this is."""
        await super()._map_run(cpu, vma, table, page, at, run, True)
