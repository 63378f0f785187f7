"""The command that looks for violations on clean kernels finds one where there is one."""

from __future__ import annotations

from pathlib import Path

from stress.native.compilers import QUICK
from stress.native.kernels import KernelKey
from tests.scenarios.million import executed
from tests.stress.native.compiled import cache_in, needs_compiler

SCENARIOS = ("munmap_vs_access", "munmap_vs_writeback")


@needs_compiler
def test_a_kernel_that_is_not_clean_is_told_of(tmp_path: Path) -> None:
    """Natively, along what the strategy has learned; a clean one has no problem."""
    with cache_in(tmp_path):
        faulty = executed("faulty", KernelKey("x86-64", faults=("C03",)), 4000, SCENARIOS, QUICK)
        clean = executed("clean", KernelKey("x86-64"), 4000, SCENARIOS, QUICK)
    assert 4000 <= faulty.executions and 4000 <= clean.executions and faulty.cases == clean.cases
    assert [] == clean.problems
    assert faulty.problems
    assert all("munmap_vs_writeback" in line and "violation I27" in line for line in faulty.problems)
