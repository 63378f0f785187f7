"""What the tests of the machine share: toys run under every driver, and what equal executions have
in common.
"""

from __future__ import annotations

from typing import Any

from stress.case import Case
from stress.execution.runner import Runner, open_runner
from stress.machine.chance import RandomData
from tests.toy import (
    TOYS,
    ToyCatalogue,
    ToyScenario,
)

DRIVERS = ("fast", "reference")
STRATEGIES = ("random", "pct", "round-robin", "sequential")
STEPS_MAX = 120

Facts = tuple[Any, ...]


def facts(outcome: Any) -> Facts:
    """Return what two equal executions have in common."""
    return (
        outcome.verdict.kind,
        outcome.verdict.reason,
        outcome.schedule(),
        outcome.tapes,
        outcome.digest(),
        outcome.step_checks(),
        outcome.model_hash(),
    )


def toys(**extra: type[ToyScenario]) -> ToyCatalogue:
    """Return the toys with some more scenarios."""
    return ToyCatalogue(extra)


async def executions(scenario: str, driver: str, seeds: range = range(6), faults: tuple[str, ...] = ()) -> list[Facts]:
    """Return the facts of executions under every strategy."""
    found = []
    async with open_runner(Case(scenario, (), "toy", faults=faults), driver, STEPS_MAX, TOYS) as runner:
        for name in STRATEGIES:
            strategy = TOYS.strategy(name)
            for seed in seeds:
                found.append(facts(await runner.execute(strategy, seed, RandomData(seed))))
    return found


async def verdict(
    scenario: str, strategy: str = "round-robin", catalogue: ToyCatalogue = TOYS, driver: str = "fast"
) -> tuple[Any, Runner]:
    """Return the verdict of one execution, and the runner, which is closed."""
    async with open_runner(Case(scenario, (), "toy"), driver, STEPS_MAX, catalogue) as runner:
        return (await runner.execute(catalogue.strategy(strategy), 1, RandomData(1))).verdict, runner
