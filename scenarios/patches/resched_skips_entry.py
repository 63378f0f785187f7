"""A zap that breaks off for a reschedule goes on behind the entry that it has not zapped.

zap_pte_range() (mm/memory.c, 6.9) tests need_resched() in the body of a loop whose address is
advanced by the loop's own step; a break must leave the address where it is.
"""

from __future__ import annotations

from sim.mm.memory import Memory

KERNEL = "6.9"
KIND = "sequence"


class ReschedSkipsEntry(Memory):
    component = "memory"

    def stopped_at(self, addr: int) -> int:
        """The address is advanced before the test."""
        return addr + 1
