"""The audit as loops, which the native core compiles, against the audit with numpy: on corrupted
arenas either both object or neither.
"""

from __future__ import annotations

import random

import pytest

from sim.checks.audit import Audit
from sim.core.arena import MACHINE
from sim.core.machine import Violation
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import Runner, open_runner
from stress.machine.chance import RandomData
from stress.machine.protocols import Verdict

CORRUPTIONS = 800
DELTAS = (1, -1, 2, 8, 1 << 12)
DELTA_MAX = 8
"""Counts of batches below this are not judged when they are corrupted: a negative one means
nothing.
"""
CASES = [
    Case("storm", (("length", 8), ("order", 2), ("phase", 1)), "x86-64"),
    Case("storm", (("length", 8), ("order", 3), ("phase", 2)), "arm64-4k", kernel="6.18"),
    Case("nonpresent", tuple(sorted(CATALOGUE.scenario_class("nonpresent").parameters(CATALOGUE.profile("x86-64"), "small")[0].items())), "x86-64"),
]  # fmt: skip


def objection(runner: Runner, audit: Audit, loops: bool) -> str:
    """Return the id of the invariant that is judged violated, "" if none is, "odd" if the arena is
    beyond judging.
    """
    runner.machine.abandoning, runner.machine.verdict = False, Verdict()
    try:
        audit.recount() if loops else audit.run(drained=True)
    except Violation as violation:
        return violation.checker
    except (IndexError, ValueError):
        return "odd"
    finally:
        runner.machine.abandoning = False
    return ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.scenario} on {case.profile}")
async def test_loops_and_numpy_agree(case: Case) -> None:
    async with open_runner(case) as runner:
        audit = runner.kernel.components["audits"]
        assert runner.run(CATALOGUE.strategy("random"), 3, RandomData(3)).verdict.kind == "clean"
        assert "" == objection(runner, audit, loops=True)
        judged = [c for c in runner.arena.columns.values() if c.klass != MACHINE or c.name == "ledger"]
        judged = [c for c in judged if c.count]
        draw, seen = random.Random(5), set[str]()
        for _ in range(CORRUPTIONS):
            column = draw.choice(judged)
            i = draw.randrange(column.count)
            before = column.view[i]
            column.view[i] = before + draw.choice(DELTAS)
            one, other = objection(runner, audit, loops=False), objection(runner, audit, loops=True)
            changed = f"{column.name}[{i}] {before} -> {column.view[i]}"
            column.view[i] = before
            if "odd" not in (one, other) and not (column.name.endswith("_nr") and before < DELTA_MAX):
                assert bool(one) == bool(other), f"{changed}: numpy says {one or 'clean'}, the loops {other or 'clean'}"
                seen.add(one)
        assert len(seen) > 6, seen
