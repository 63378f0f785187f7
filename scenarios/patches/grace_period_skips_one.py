"""A grace period does not wait for the last CPU.

rcu_gp_fqs_loop() (kernel/rcu/tree.c, 6.9) ends when every CPU has reported a quiescent state.
"""

from __future__ import annotations

from sim.mm.rcu import Rcu

KERNEL = "6.9"
PROFILES = ("arm64-4k", "arm64-16k", "arm64-64k", "s390x", "ppc64-radix", "ppc64-hash")
KIND = "interleaving"


class GracePeriodSkipsOne(Rcu):
    component = "rcu"

    async def synchronize(self, ask: int, quiescent: int) -> None:
        """All but the last are waited for."""
        request, bit = self.cpu_request, self.k.tlb.rcu_request
        for cpu in range(self.w.cpus):
            await self.m.rmw(ask, request, cpu, lambda mask: mask | bit)
        for cpu in range(self.w.cpus - 1):
            await self.m.wait(quiescent, request, cpu, lambda cpu=cpu: not request.view[cpu] & bit)  # type: ignore[misc]
