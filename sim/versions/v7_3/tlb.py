"""Processors that walk tables which the kernel takes back (v7.3): on every architecture whose
tables MADV_DONTNEED reclaims.

A CPU may have an emptied table in its walk cache until the gather's flush. Its faults at such an
address are handled, in the table that is there now, and come again, as nothing in a fault drops a
walk cache but on x86-64.
"""

from __future__ import annotations

from dataclasses import replace

from sim.core.arena import Field
from sim.core.machine import site
from sim.hardware.tlb import Tlb

STALE_WALK = site("hardware_walk", "fault until the walk cache is flushed")


class Tlb73(Tlb):
    """As before otherwise."""

    def fields(self) -> list[Field]:
        return [replace(field, waitable=True) if field.name == "walk_cache" else field for field in super().fields()]

    async def fault_again(self, cpu: int, mm: int, addr: int) -> None:
        """Wait for the flush that takes the walk cache's table away, if the PMD names it no more:
        what a fault that comes again and again amounts to.
        """
        walk, row = self.walk_cache, self.walk_cell(cpu, mm, addr)
        stale = walk.view[row]
        if self.profile.fault_invalidates or not stale or stale == self.pmd.view[self.k.pgtable.pmd_index(mm, addr)]:
            return
        await self.m.wait(STALE_WALK, walk, row, lambda: walk.view[row] != stale)
