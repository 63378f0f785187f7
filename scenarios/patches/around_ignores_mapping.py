"""Fault-around does not ask whether the folio that it has locked is still the file's.

next_uptodate_folio() (mm/filemap.c, 6.9) compares folio->mapping under the lock: the folio may have
been truncated after the look-up.
"""

from __future__ import annotations

from sim.mm.filemap import Filemap

KERNEL = "6.9"
PROFILES = ("x86-64", "arm64-4k", "arm64-16k", "s390x", "riscv64")
KIND = "interleaving"
GUARDS = ("page-cache-removal",)


class AroundIgnoresMapping(Filemap):
    component = "filemap"

    def is_still_cached(self, file: int, folio: int) -> bool:
        """The reference is taken to keep it there."""
        return True
