"""M04: of a batch of entries that userfaultfd protects, the first alone leaves a marker."""

from __future__ import annotations

from sim.mm.memory import Memory
from stress.fault import Fault

NO_BIT = "entries have no bit for userfaultfd's write protection"
ARM64 = ("arm64-4k", "arm64-16k", "arm64-64k")


class UffdMarkerFirstOnly(Fault, Memory):
    id = "M04"
    component = "memory"
    scenario = "nonpresent"
    silent = {
        **dict.fromkeys(("riscv64", "s390x", "ppc64-radix", "ppc64-hash"), NO_BIT),
        **dict.fromkeys((f"{arm64} {kernel}" for arm64 in ARM64 for kernel in ("6.9", "6.9-perpage")), NO_BIT),
    }

    def marker_nr(self, nr: int) -> int:
        """The helper was not taught about batches."""
        return 1
