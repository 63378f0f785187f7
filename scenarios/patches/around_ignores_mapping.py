"""Fault-around does not ask whether the folio that it has locked is still the file's.

next_uptodate_folio() (mm/filemap.c, 6.9) compares folio->mapping under the lock: the folio may have
been truncated after the look-up.
"""

from __future__ import annotations

from sim.mm.filemap import AROUND_TRYLOCK, Filemap

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "s390x", "riscv64")
KIND = "interleaving"


class AroundIgnoresMapping(Filemap):
    component = "filemap"

    async def _next_folio(self, cpu: int, vma: int, at: int, last: int) -> tuple[int, int]:
        """The reference is taken to keep it there."""
        file, index = self.k.mm_types.file_of(vma), at - self.vma_start[vma] + self.vma_pgoff[vma]
        folio = await self._get_around(cpu, self.slot(file, index))
        if folio < 0:
            return -1, 1
        page = self.page_at(folio, index)
        nr = min(last - at, folio + self.k.mm_types.folio_nr_pages(folio) - page)
        if await self.m.trylock(AROUND_TRYLOCK, self.page_locked, folio):
            return page, nr
        await self.k.swap.folio_put(cpu, folio)
        return -1, nr
