"""Which executions of a worker are measured, and what their classes are.

A measured execution is one like any other, but for its strategy, which is drawn. Naming its class
takes several times as long as the execution: so natively a share of the time goes into that, and in
Python one execution in so many is measured, that what comes does not depend on the clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stress.execution.runner import Runner
from stress.machine.chance import RandomData
from stress.workers.clock import EXECUTING, MEASURING, REPORTING, Clock
from stress.workers.measure.blocks import Blocks, Memory
from stress.workers.measure.shown import Shown, in_python
from stress.workers.open_cases import Strategies

if TYPE_CHECKING:
    from stress.case import Case
    from stress.strategies import Strategy
    from stress.workers.messages import LeaseOrder
    from stress.workers.tally import Tally

SHARE = 0.05
"""Of the time of native leases, the part that goes into naming classes."""

EVERY, FROM = 16, 32
"""In Python one execution in so many is measured, once a case has had so many."""


class Sampler:
    """What a worker has measured, case by case; ``strategies`` are the worker's."""

    def __init__(self, strategies: Strategies) -> None:
        self.strategies = strategies
        self.memory = Memory()
        self.cases: dict[Case, Blocks] = {}
        self.executed: dict[Case, int] = {}
        """Executions that Python has made of each case, by which it measures."""

    def blocks(self, case: Case) -> Blocks:
        """Return what was measured of a case."""
        if case not in self.cases:
            self.cases[case] = Blocks(self.memory)
        return self.cases[case]

    def wants(self, order: LeaseOrder) -> bool:
        """Return whether executions of this lease are measured, if Python makes them."""
        return bool(order.shares) and self.executed.get(order.case, 0) >= FROM

    def is_next(self, order: LeaseOrder) -> bool:
        """Count an execution that Python is about to make; return whether it is to be measured."""
        made = self.executed[order.case] = self.executed.get(order.case, 0) + 1
        return made % EVERY == 0

    def strategy(self, order: LeaseOrder, seed: int) -> Strategy:
        """Return the strategy of a measured execution, knowing what it knew when the block began."""
        block = self.blocks(order.case).begin(order.shares, lambda name: self.strategies.learned_of(order, name))
        name = block.draw(seed)
        found = self.strategies.new(name, order.options)
        if block.learned[name]:
            found.recall(block.learned[name])
        return found

    def measure(self, order: LeaseOrder, runners: tuple[Runner, Runner], seed: int, tally: Tally, clock: Clock) -> None:
        """Execute a seed in Python under a strategy that is drawn, name its class, and count both.
        The second of ``runners`` has the case on a machine that notes footprints.
        """
        runner, noted = runners
        strategy = self.strategy(order, seed)
        clock.to(EXECUTING)
        outcome = runner.run(strategy, seed, RandomData(seed))
        clock.to(REPORTING)
        tally.add(outcome, seed, strategy=strategy.name)
        clock.to(MEASURING)
        tally.add_measured(self.add(order, in_python(outcome, noted)), self.blocks(order.case).newest())
        clock.to(REPORTING)

    def add(self, order: LeaseOrder, found: Shown) -> Shown:
        """Count the class that an execution has shown; return what it has shown."""
        self.blocks(order.case).add(found.name)
        return found
