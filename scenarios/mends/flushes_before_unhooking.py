"""zap_pte_range() makes the flush that it owes, and removes the delayed rmaps, before it unhooks
the table that it has emptied.

Whoever finds no table then finds nothing that is owed either. The PML is tried after the flush,
still under the PTL. The version `6.18-flushfirst` is this mend.
"""

from __future__ import annotations

from sim.versions.v6_18.memory import Memory618
from sim.versions.v6_18_flushfirst import FlushFirst

KERNEL = "6.18"


class FlushesBeforeUnhooking(Memory618):
    component = "memory"
    leave_table = FlushFirst.leave_table
