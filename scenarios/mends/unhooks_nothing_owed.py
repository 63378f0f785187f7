"""zap_pte_range() unhooks a table at once only if no flush is owed; else it comes back for the
table once the flush is done and the PTL dropped, and looks at its entries anew (try_to_free_pte).

Costs a second look at the entries of tables that had dirty file pages in them, and nothing else.
"""

from __future__ import annotations

from sim.mm.memory import Zap
from sim.versions.v6_18.memory import Memory618

KERNEL = "6.18"


class UnhooksNothingOwed(Memory618):
    component = "memory"

    def unhooks_at_once(self, zap: Zap, emptied: bool) -> bool:
        """can_reclaim_pt && direct_reclaim && addr == end && !force_flush."""
        return emptied and not zap.force_flush
