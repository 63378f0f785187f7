"""riscv64 (arch/riscv/mm/tlbflush.c, include/asm/tlb.h, v6.9): IPIs to mm_cpumask, software
accessed and dirty bits.

Without Svadu an access to an old PTE and a store to a clean one fault. Entries carry address-space
ids and a CPU stays in the mask after it has switched away, so its entries are flushed with
everybody's. A range flush drops leaf entries only; when tables were freed the whole mm is flushed.
With IPIs, tables go through the gather as pages.
"""

from __future__ import annotations

from sim.core.profile import Profile, kernel_geometry, small_geometry
from sim.hardware.tlbflush import IpiTlbFlush


class RiscvTlbFlush(IpiTlbFlush):
    """sfence.vma here, and by IPI elsewhere."""

    async def tlb_flush(self, tlb: int) -> None:
        mm = self.gather_mm[tlb]
        if self.gather_fullmm[tlb] or self.gather_freed_tables[tlb]:
            await self.flush_tlb_mm(tlb, mm)
        else:
            await self.flush_range(tlb, mm, self.gather_start[tlb], self.gather_end[tlb], False)


REAL = kernel_geometry(4096, 512, flush_ceiling=64)

PROFILES = (
    Profile(
        "riscv64",
        REAL,
        small_geometry(REAL),
        hardware_young=False,
        hardware_dirty=False,
        merge_vmas=False,
        table_free=False,
        plain_fullmm_clear=False,
        batched_unmap_flush=True,
        components={"tlbflush": RiscvTlbFlush},
        versions={"6.18": {"table_free": True}, "7.3": {"table_free": True, "reclaims_pt": True}},
        speculates=True,
        about="IPIs to mm_cpumask, software young and dirty bits; tables go through the gather",
    ),
)
