"""False alarms that the scenarios once raised on the clean kernel; each is kept with the executions
that raised it.
"""

from __future__ import annotations

import pytest

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData

FALSE_ALARMS = {
    "I39 took the rest of a block, which contpte_convert clears and writes again, for part of the zap":
        ("dontneed_vs_dontneed", {"order": 2, "overlap": 1}, "arm64-4k"),
    "I39 took what a fault, with no gather open, had unfolded for part of a later zap":
        ("munmap_vs_writeback", {"order": 3, "dirty": 1, "quiet": 0}, "arm64-64k"),
    "I26 took a store through a contiguous block's entry for uncovered while another page's dirty bit was in the zapper's hand":
        ("munmap_vs_writeback", {"order": 3, "dirty": 2, "quiet": 1}, "arm64-4k"),
    "I21 on s390x took the TLB entries of a dead mm for usable":
        ("fork_vs_munmap", {"order": 0, "half": 0}, "s390x"),
    "I21 found a CPU that the snoop filter had forgotten: its hardware left it while its thread was in a miss":
        ("many_gathers", {"apart": 0}, "arm64-16k"),
    "I21 on s390x took a CPU inside its own zap for one in user mode when another process put the last reference":
        ("teardown_of_sharers", {"order": 0, "dirty": 0}, "s390x"),
}  # fmt: skip


@pytest.mark.parametrize("what", FALSE_ALARMS)
async def test_no_false_alarm(what: str) -> None:
    """Clean, under the seeds that found it."""
    scenario, params, profile = FALSE_ALARMS[what]
    async with open_runner(Case(scenario, tuple(sorted(params.items())), profile)) as runner:
        for name in ("random", "pct"):
            strategy = CATALOGUE.strategy(name)
            verdicts = [runner.run(strategy, seed, RandomData(seed)).verdict for seed in range(40)]
            assert [] == [verdict.reason for verdict in verdicts if verdict.kind != "clean"]
