"""Linux 7.3: what changed since 6.18 in the parts that are modelled, a file for each kernel file.

Read in 7.3.4. Page tables that MADV_DONTNEED has emptied are reclaimed on x86-64, arm64, riscv64
and s390x, in the order of 6.18, and so with its finding.

- ``pt_reclaim``: new names of the functions that free tables;
- ``page_fault``: RSS after the PTEs, less draining before a page is reused;
- ``rmap``: ageing in batches, under the folio's lock;
- ``swap``: dead folios freed by LRU drains;
- ``mmu_gather``: single tables wait for a grace period;
- ``fork``: a child that cannot be finished is taken down at once;
- ``tlb``: walk caches of tables that were taken back.
"""

from __future__ import annotations

from sim.core.version import Version
from sim.versions.v6_18 import VERSION as V6_18
from sim.versions.v7_3.fork import Fork73
from sim.versions.v7_3.mmu_gather import MmuGather73
from sim.versions.v7_3.page_fault import PageFault73
from sim.versions.v7_3.pt_reclaim import PtReclaim73
from sim.versions.v7_3.rmap import Rmap73
from sim.versions.v7_3.swap import Swap73
from sim.versions.v7_3.tlb import Tlb73

VERSION = Version(
    "7.3",
    "Linux 7.3: empty tables reclaimed on most architectures, ageing in batches, local flushes on arm64",
    (*V6_18.components, Swap73, Rmap73, MmuGather73, PageFault73, Fork73, Tlb73, PtReclaim73),
)
