"""Who frees a single page table trusts a grace period that somebody else has asked for.

synchronize_rcu() (kernel/rcu/tree.c, 7.3) waits for a grace period that begins after the call. One
that is under way may be about a moment before a reader's section that is open now.
"""

from __future__ import annotations

from sim.mm.rcu import SYNC_WAIT, Rcu

KERNEL = "7.3-flushfirst"
PROFILES = ("ppc64-radix", "ppc64-hash")
KIND = "interleaving"
GUARDS = ("single-tables",)


class SingleTableAsksNobody(Rcu):
    component = "rcu"

    async def synchronize_rcu(self) -> None:
        """Whoever is being asked is waited for, and nobody is asked."""
        request, bit = self.cpu_request, self.k.tlb.rcu_request
        for cpu in range(self.w.cpus):
            await self.m.wait(SYNC_WAIT, request, cpu, lambda cpu=cpu: not request.view[cpu] & bit)  # type: ignore[misc]
