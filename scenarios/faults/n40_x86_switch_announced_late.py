"""N40: a CPU says that it is switching to an mm only once it has read the mm's generation, as in
6.12.95; 6.12.118 says so first.
"""

from __future__ import annotations

from sim.arch.x86_64 import SET_MASK
from sim.hardware.tlbflush import TlbFlush
from stress.fault import Fault

LOADED_UNREAD = "flushes do not go by what a CPU has loaded"


class X86SwitchAnnouncedLate(Fault, TlbFlush):
    id = "N40"
    component = "tlbflush"
    scenario = "lazy_cpu"
    kernels = ("6.12",)
    depth = 2
    silent = dict.fromkeys(
        ("arm64-4k", "arm64-16k", "arm64-64k", "riscv64", "s390x", "ppc64-radix", "ppc64-hash"), LOADED_UNREAD
    )

    async def begin_switch(self, cpu: int, prev: int, mm: int) -> None:
        """The masks alone: a flush that finds this CPU with the old mm loaded passes it over."""
        if prev >= 0:
            await self.leave_mask(cpu, prev)
        await self.m.rmw(SET_MASK, self.mm_cpumask, mm, lambda mask: mask | 1 << cpu)
