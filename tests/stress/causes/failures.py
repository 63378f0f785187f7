"""Failures of planted faults, as traces."""

from __future__ import annotations

from functools import cache

from stress.execution.runner import open_runner
from stress.execution.signature import signature_of
from stress.machine.chance import RandomData
from stress.machine.driver import run_plain
from stress.trace.record import Trace, capture
from stress.trace.replay import replay, trusted
from tests.scenarios.test_faults import EXECUTIONS_MAX, ROUND, WHERE, cases, portfolio


async def first_failure(fault: str) -> Trace:
    """Return the trace of the first failure that the checker of a fault's row finds."""
    row, strategies = WHERE[fault], portfolio()
    for first in range(0, EXECUTIONS_MAX, ROUND):
        for case in cases(fault, row.profile, "6.9"):
            strategy = next(strategies)
            async with open_runner(case, "plain") as runner:
                for seed in range(first, first + ROUND):
                    outcome = runner.run(strategy, seed, RandomData(seed))
                    violation = outcome.verdict.violation
                    if violation is not None and violation.checker == row.checker:
                        return capture(outcome, strategy.name)
    raise AssertionError(f"{fault} was not found")


@cache
def failure(fault: str) -> Trace:
    """Return that trace; it is looked for once."""
    return run_plain(first_failure(fault))


async def signature_in(trace: Trace) -> str:
    """Return the signature with which the schedule and the data of a trace end."""
    async with replay(trace, trusted(trace.case, driver="plain")) as again:
        return signature_of(again.outcome)
