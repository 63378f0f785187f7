"""N37: a CPU that attaches to an mm does not wait for those that are about to note a flush, as on
s390x before 4.14.
"""

from __future__ import annotations

from sim.hardware.tlbflush import TlbFlush
from stress.fault import Fault


class S390FlushFlagRace(Fault, TlbFlush):
    id = "N37"
    component = "tlbflush"
    scenario = "lazy_cpu"
    depth = 3
    silent = dict.fromkeys(
        ("x86-64", "arm64-4k", "arm64-16k", "arm64-64k", "ppc64-radix", "ppc64-hash", "riscv64"),
        "no flush is noted here, to be made up for later",
    )

    async def wait_for_notes(self, mm: int) -> None:
        """The note is looked at at once."""
