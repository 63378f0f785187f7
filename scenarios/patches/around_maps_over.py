"""Fault-around maps the pages of a folio over entries that are in use.

filemap_map_folio_range() (mm/filemap.c, 6.9) passes over an entry that is not none.
"""

from __future__ import annotations

from sim.mm.filemap import Filemap

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "riscv64", "s390x")
KIND = "sequence"


class AroundMapsOver(Filemap):
    component = "filemap"

    async def may_map(self, table: int, addr: int) -> bool:
        """The whole range is one batch."""
        return True
