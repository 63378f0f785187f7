"""Linux 6.12: what changed since 6.9 in the parts that are modelled, a file for each kernel file.

Read in 6.12.95 and 6.12.118; where the two differ this is 6.12.118.

- ``memory``: swap entries in batches;
- ``page_fault``, ``filemap``: large folios of shared memory mapped whole, fault-around and i_size;
- ``rmap``, ``huge_memory``: a total mapcount, PG_partially_mapped;
- ``mmap_lock``: faults without an anon_vma under the VMA's lock;
- ``mmap``: VMAs unlinked from their file in batches;
- ``checks``, ``audit``: the invariants of what is new.
"""

from __future__ import annotations

from sim.core.version import Version
from sim.versions.v6_12.audit import Audit612
from sim.versions.v6_12.checks import Checks612
from sim.versions.v6_12.filemap import Filemap612
from sim.versions.v6_12.huge_memory import HugeMemory612
from sim.versions.v6_12.memory import Memory612
from sim.versions.v6_12.mmap import Mmap612
from sim.versions.v6_12.mmap_lock import MmapLock612
from sim.versions.v6_12.page_fault import PageFault612
from sim.versions.v6_12.rmap import Rmap612

VERSION = Version(
    "6.12",
    "Linux 6.12: a total mapcount, partially mapped folios, batches of swap entries",
    (HugeMemory612, Rmap612, Memory612, PageFault612, Filemap612, Mmap612, MmapLock612, Checks612, Audit612),
)
