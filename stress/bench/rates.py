"""Rates of lockstep, as a campaign makes executions."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

from stress.machine.chance import RandomData

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.execution.runner import Runner

Clock = Callable[[], float]
"""Returns a time in seconds."""

STRATEGIES = ("random", "pct")
"""What is measured."""

ROUNDS = 3
"""Each rate is the median of so many measurements."""


def repeat(make: Callable[[int], int], seconds: float, clock: Clock) -> tuple[float, float]:
    """Make executions for ``seconds``; return (executions, steps) per second.

    ``make`` makes the execution of a seed and returns its steps.
    """
    executions = steps = 0
    began = now = clock()
    while now - began < seconds:
        steps += make(executions)
        executions += 1
        now = clock()
    return executions / (now - began), steps / (now - began)


def rate(
    runner: Runner, strategy: str, seconds: float, catalogue: Catalogue, clock: Clock = perf_counter
) -> tuple[float, float]:
    """Return (executions, steps) per second: restore, execution, step-time checks and audit, as a
    campaign makes them.
    """
    chooser = catalogue.strategy(strategy)
    return repeat(lambda seed: runner.run(chooser, seed, RandomData(seed)).steps, seconds, clock)


def unaudited_rate(
    runner: Runner, strategy: str, seconds: float, catalogue: Catalogue, clock: Clock = perf_counter
) -> tuple[float, float]:
    """Return (executions, steps) per second of executions without their final audit: the ledger and
    step-time checks are on.
    """
    chooser = catalogue.strategy(strategy)
    return repeat(lambda seed: runner.step(chooser, seed, RandomData(seed)), seconds, clock)
