"""ptep_clear_flush() only notes a flush if this CPU alone is attached to the mm.

arch/s390/include/asm/pgtable.h (6.9) makes it ptep_xchg_direct(), which invalidates at once: the
entry is written again under the same lock, and a stale translation may be used after that.
"""

from __future__ import annotations

from sim.arch.s390x import S390Pgtable

KERNEL = "6.9"
PROFILES = ("s390x",)
KIND = "sequence"


class S390ClearFlushIsLazy(S390Pgtable):
    component = "pgtable"

    async def ptep_clear_flush(self, cpu: int, mm: int, addr: int, ptep: int) -> int:
        """ptep_xchg_lazy()."""
        return await self.ptep_get_and_clear(cpu, mm, addr, ptep)
