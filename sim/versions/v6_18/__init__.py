"""Linux 6.18: what changed since 6.12 in the parts that are modelled, a file for each kernel file.

Read in 6.18.15. CONFIG_MM_ID and CONFIG_PAGE_MAPCOUNT are on (a distribution's choice);
CONFIG_NO_PAGE_MAPCOUNT, which keeps no mapcount per page, is another kernel.

- ``memory``, ``madvise``, ``mmu_gather``, ``pt_reclaim``: zapping a table to its end, one gather
  for a whole madvise() call, tables freed by RCU, empty tables reclaimed;
- ``page_fault``, ``filemap``: reuse of large anonymous folios, large file folios mapped whole;
- ``rmap``: mapcounts per mm;
- ``page_vma_mapped``: a walk looks at the PMD again under the PTL;
- ``mmap_lock``: the VMA's lock is a reference count;
- ``swap``: no LRU batch is drained before a zap;
- ``checks``, ``audit``: the invariants of what is new.

``munmap`` unlinks files in batches, as 6.12 does.
"""

from __future__ import annotations

from sim.core.version import Version
from sim.versions.v6_12.huge_memory import HugeMemory612
from sim.versions.v6_12.mmap import Mmap612
from sim.versions.v6_18.audit import Audit618
from sim.versions.v6_18.checks import Checks618
from sim.versions.v6_18.filemap import Filemap618
from sim.versions.v6_18.madvise import Madvise618
from sim.versions.v6_18.memory import Memory618
from sim.versions.v6_18.mmap_lock import MmapLock618
from sim.versions.v6_18.mmu_gather import MmuGather618
from sim.versions.v6_18.page_fault import PageFault618
from sim.versions.v6_18.page_vma_mapped import PageVmaMapped618
from sim.versions.v6_18.pt_reclaim import PtReclaim
from sim.versions.v6_18.rmap import Rmap618
from sim.versions.v6_18.swap import Swap618

VERSION = Version(
    "6.18",
    "Linux 6.18: mapcounts per mm, reuse of large folios, batches of swap entries, empty tables reclaimed",
    (
        Swap618, HugeMemory612, PageVmaMapped618, Rmap618, MmuGather618, Memory618, PtReclaim, PageFault618, Filemap618, Madvise618,
        Mmap612, MmapLock618, Checks618, Audit618,
    ),
    revision=2,
    revised="6.18 unhooks an emptied page table before it flushes, as released; what it was is 6.18-flushfirst",
)  # fmt: skip
