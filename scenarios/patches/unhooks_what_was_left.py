"""An emptied table is unhooked also if entries were passed over.

zap_pte_range() (mm/memory.c, 6.18) gives that up once any_skipped is set: a marker of userfaultfd
that a zap leaves behind is an entry, and is lost with the table.
"""

from __future__ import annotations

from sim.mm.memory import Zap
from sim.versions.v6_18.memory import Memory618

KERNEL = "6.18-flushfirst"
PROFILES = ("x86-64",)
KIND = "sequence"
GUARDS = ("tables-unhooked",)


class UnhooksWhatWasLeft(Memory618):
    component = "memory"

    def unhooks_at_once(self, zap: Zap, emptied: bool) -> bool:
        """Whether the walk came to the end is what counts."""
        return zap.details is not None and zap.details.reclaim_pt and not zap.stopped
