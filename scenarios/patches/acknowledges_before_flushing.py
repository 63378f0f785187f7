"""A CPU acknowledges a flush request before it has carried it out.

The handler of a call that is waited for (kernel/smp.c, __flush_smp_call_function_queue(), 6.9)
unlocks the request after the function has returned; only calls that nobody waits for are unlocked
before.
"""

from __future__ import annotations

from sim.hardware.tlb import ACK, Tlb

KERNEL = "6.9"
PROFILES = ("x86-64", "riscv64")
KIND = "interleaving"


class AcknowledgesBeforeFlushing(Tlb):
    component = "tlb"

    async def flush_and_acknowledge(self, cpu: int, initiator: int) -> None:
        """All calls are treated as those that nobody waits for."""
        await self.m.rmw(ACK, self.cpu_request, cpu, lambda mask: mask & ~(1 << initiator))
        await self.k.tlbflush.flush_handler(cpu, initiator)
