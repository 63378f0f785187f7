"""A write fault whose entry allows it flushes only if it has had to change the entry.

handle_pte_fault() (mm/memory.c, 7.3) calls fix_spurious_fault() if ptep_set_access_flags() says
that nothing has changed: another CPU has widened the entry, and flushed its own TLB alone.
"""

from __future__ import annotations

from sim.versions.v7_3.page_fault import PageFault73

KERNEL = "7.3-flushfirst"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k")
KIND = "interleaving"
GUARDS = ("spurious-faults",)


class SpuriousFaultIsNoneIfClean(PageFault73):
    component = "page_fault"

    async def fix_spurious_fault(self, cpu: int, mm: int, addr: int, write: bool, changed: bool) -> None:
        """The condition is turned round."""
        await super().fix_spurious_fault(cpu, mm, addr, write, not changed)
