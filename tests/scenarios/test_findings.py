"""What the search has found in kernels as they were released, and that it finds nothing once they
are mended (docs/findings.md, scenarios/mends/).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios._removal import PUNCH
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.outcome import Outcome
from stress.execution.runner import open_runner
from stress.execution.signature import signature_of
from stress.machine.chance import RandomData, TapeData
from stress.sources import ROOT
from stress.strategies.replay import Replay

FOLDER = ROOT / "scenarios" / "mends"

MENDS = sorted(str(file) for file in FOLDER.glob("[!_]*.py"))
"""Each mends 6.18 and 7.3."""

SEEDS_MAX = 100
"""Seeds within which the kernel as it was released must show what was found in it."""

CLEAN_SEEDS = 600
"""Seeds of which none may show it once it is mended: unmended, some hundred do."""

SHOWN = {
    "a store is lost": ("dontneed_vs_writeback", (("order", 0), ("quiet", 0), ("whole", 1)), "I27", "cfbec4dc"),
    "a mapped page leaves the cache": ("dontneed_vs_removal", (("how", PUNCH),), "O30", "1f47c3e3"),
}
"""What follows from the finding -> where it shows, the rule that is broken, and the signature."""


RELEASED = (("x86-64", "6.18"), ("x86-64", "7.3"), ("arm64-4k", "7.3"), ("riscv64", "7.3"))
"""Where it is: the profiles, with the versions, that reclaim tables and delay rmap removals."""


def case_of(what: str, profile: str, kernel: str, *patch: str) -> Case:
    """Return the smallest case that shows what follows."""
    scenario, params, _, _ = SHOWN[what]
    return Case(scenario, params, profile, kernel=kernel, patch=patch)


async def search(case: Case, seeds: int) -> Outcome | None:
    """Return the first outcome that is not clean."""
    strategy = CATALOGUE.strategy("pct")
    async with open_runner(case) as runner:
        for seed in range(seeds):
            outcome = runner.run(strategy, seed, RandomData(seed))
            if outcome.verdict.kind != "clean":
                return outcome
    return None


@pytest.mark.parametrize(("profile", "kernel"), RELEASED)
@pytest.mark.parametrize("what", SHOWN)
async def test_a_rule_is_broken_where_a_table_is_reclaimed(what: str, profile: str, kernel: str) -> None:
    """Unhooked before the flush that delayed rmap removals wait for, the table's lock is not the
    one that a walk takes.
    """
    outcome = await search(case_of(what, profile, kernel), SEEDS_MAX)
    assert outcome is not None and outcome.verdict.violation is not None
    assert SHOWN[what][2] == outcome.verdict.violation.checker
    assert profile != "x86-64" or SHOWN[what][3] == signature_of(outcome)


@pytest.mark.parametrize(
    ("profile", "kernel"),
    [
        ("x86-64", "6.9"),
        ("x86-64", "6.12"),
        ("x86-64", "6.18-flushfirst"),
        ("x86-64", "7.3-flushfirst"),
        ("arm64-4k", "7.3-flushfirst"),
        ("s390x", "7.3"),
    ],
)
@pytest.mark.parametrize("what", SHOWN)
async def test_what_does_not_unhook_first_is_clean(what: str, profile: str, kernel: str) -> None:
    """Nor where no rmap removal is delayed."""
    assert await search(case_of(what, profile, kernel), CLEAN_SEEDS) is None


@pytest.mark.parametrize("mend", MENDS, ids=lambda path: Path(path).stem)
@pytest.mark.parametrize(("profile", "kernel"), (("x86-64", "6.18"), ("arm64-4k", "7.3")))
@pytest.mark.parametrize("what", SHOWN)
async def test_a_mend_is_clean_where_the_kernel_was_not(what: str, profile: str, kernel: str, mend: str) -> None:
    """By the same search; and by the very choices that broke the kernel as it was released."""
    found = await search(case_of(what, profile, kernel), SEEDS_MAX)
    assert found is not None
    schedule, tapes = found.schedule(), {slot: list(tape) for slot, tape in found.tapes.items()}
    async with open_runner(case_of(what, profile, kernel, mend)) as runner:
        again = runner.run(Replay(list(schedule), tolerant=True), 0, TapeData(tapes))
        assert "clean" == again.verdict.kind
    assert await search(case_of(what, profile, kernel, mend), CLEAN_SEEDS) is None


def test_both_mends_are_told_of() -> None:
    told = (ROOT / "docs" / "findings.md").read_text()
    assert 2 == len(MENDS)
    assert [] == [mend for mend in MENDS if f"scenarios/mends/{Path(mend).name}" not in told]
