"""N31: a CPU that switches to an mm compares generations before it is in the mm's mask, as before
4.5 (71b3c126e611).
"""

from __future__ import annotations

from sim.hardware.tlbflush import TlbFlush
from stress.fault import Fault


class SwitchMmFlushSkipped(Fault, TlbFlush):
    id = "N31"
    component = "tlbflush"
    scenario = "lazy_cpu"
    depth = 2
    silent = dict.fromkeys(
        ("arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "ppc64-hash", "riscv64", "s390x"),
        "flushes have no generations here",
    )

    async def begin_switch(self, cpu: int, prev: int, mm: int) -> None:
        """A flush between the two reaches nobody."""
        await self.catch_up(cpu, mm)
        await super().begin_switch(cpu, prev, mm)  # type: ignore[misc]

    def must_catch_up(self, prev: int, mm: int, was_lazy: bool) -> bool:
        """Done, if the CPU comes from another mm."""
        return prev == mm and was_lazy
