"""A zap that has passed empty entries goes on with the right entry at the wrong address.

do_zap_pte_range() (mm/memory.c, 6.18) moves pte and addr on together, by what
zap_none_pte_range()'s loop has counted, before it zaps what follows.
"""

from __future__ import annotations

from sim.versions.v6_18.memory import Memory618

KERNEL = "6.18-flushfirst"
KIND = "sequence"


class ZapForgetsEmptyRun(Memory618):
    component = "memory"

    def behind_run(self, addr: int, nr: int) -> int:
        """The address stays at the beginning of the run."""
        return addr
