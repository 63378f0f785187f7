"""M03: the bit by which userfaultfd protects an entry does not keep entries out of one batch."""

from __future__ import annotations

from sim.core.pte import UFFD_WP
from sim.mm.memory import Memory
from stress.fault import Fault

NO_BIT = "entries have no bit for userfaultfd's write protection"
ARM64 = ("arm64-4k", "arm64-16k", "arm64-64k")


class BatchIgnoresUffdWp(Fault, Memory):
    id = "M03"
    component = "memory"
    scenario = "nonpresent"
    silent = {
        **dict.fromkeys(("riscv64", "s390x", "ppc64-radix", "ppc64-hash"), NO_BIT),
        **dict.fromkeys((f"{arm64} {kernel}" for arm64 in ARM64 for kernel in ("6.9", "6.9-perpage")), NO_BIT),
    }

    def pte_batches(self, folio: int, entry: int, expected: int, drop: int) -> bool:
        """It is treated as the dirty bit is."""
        return super().pte_batches(folio, entry, expected & ~UFFD_WP, drop | UFFD_WP)
