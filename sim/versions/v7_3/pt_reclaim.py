"""Freeing page tables that MADV_DONTNEED has emptied (mm/memory.c, v7.3, which has no pt_reclaim.c
any more): 6.18's steps under new names.
"""

from __future__ import annotations

from sim.core.machine import site
from sim.versions.v6_18.pt_reclaim import PtReclaim


class PtReclaim73(PtReclaim):
    """As in 6.18. The methods keep 6.18's names: they are what patches of either version override."""

    TRYLOCK = site("zap_empty_pte_table", "trylock pml")
    FAST_READ = site("zap_empty_pte_table", "read pmd")
    FAST_CLEAR = site("zap_empty_pte_table", "clear pmd")
    FAST_UNLOCK = site("zap_empty_pte_table", "unlock pml")
    LOCK_PML = site("zap_pte_table_if_empty", "lock pml")
    READ_PMD = site("zap_pte_table_if_empty", "read pmd")
    LOCK_PTL = site("zap_pte_table_if_empty", "lock ptl")
    CHECK = site("zap_pte_table_if_empty", "check pte empty")
    CLEAR_PMD = site("zap_pte_table_if_empty", "clear pmd")
    UNLOCK_PTL = site("zap_pte_table_if_empty", "unlock ptl")
    UNLOCK_PML = site("zap_pte_table_if_empty", "unlock pml")
    COUNT_DOWN = site("zap_pte_range", "uncount table")
