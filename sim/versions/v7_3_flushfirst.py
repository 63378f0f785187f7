"""Linux 7.3 with the order of ``6.18-flushfirst``: without the finding of docs/findings.md. Search
a patch of yours on this one that is not about it.
"""

from __future__ import annotations

from sim.core.version import Version
from sim.versions.v6_18_flushfirst import FlushFirst
from sim.versions.v7_3 import VERSION as RELEASED

VERSION = Version(
    "7.3-flushfirst",
    "7.3, but emptied tables are unhooked after the flush that is owed: without the finding",
    (*RELEASED.components, FlushFirst),
)
