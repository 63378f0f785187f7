"""Each invariant is shown to fire by a mutation written from docs/invariants.md, under every
version that has it.
"""

from __future__ import annotations

import pytest

from sim.checks.audit import Audit
from sim.checks.facade import Checks
from sim.core.component import Component
from sim.versions import VERSIONS
from stress.machine.chance import RandomData
from tests.sim.mutations import MUTATIONS, MUTATIONS_618, Mutation
from tests.sim.programs import open_program, strategies

EXECUTIONS_MAX = 400
"""Executions in which a mutation must make its invariant fire."""


def declared(version: str) -> set[str]:
    """Return the ids of every invariant that the checkers of ``version`` judge, the ledger's among
    them.
    """
    checks, audit = (provided(version, cls) for cls in (Checks, Audit))
    assert issubclass(checks, Checks)
    classes = {base for cls in (*checks.groups, checks, audit) for base in cls.__mro__}
    return {row[0] for cls in classes for row in vars(cls).get("invariants", ())} | {"I3"}


def provided(version: str, generic: type[Component]) -> type[Component]:
    """Return the class that ``version`` has for a component."""
    return next((cls for cls in VERSIONS[version].components if cls.name == generic.name), generic)


def test_every_invariant_has_a_mutation() -> None:
    assert declared("6.9") == set(MUTATIONS)
    assert declared("6.18") == {*MUTATIONS, *MUTATIONS_618}


async def fires(invariant: str, how: Mutation, kernel: str) -> bool:
    """Return whether the mutation makes the invariant fire."""
    program, mutations = how
    async with open_program(program, "x86-64", mutations, kernel) as runner:
        portfolio = strategies()
        for seed in range(EXECUTIONS_MAX):
            violation = runner.run(portfolio[seed % 3], seed, RandomData(seed)).verdict.violation
            if violation is not None and violation.checker == invariant:
                return True
    return False


@pytest.mark.parametrize("invariant", sorted(MUTATIONS))
async def test_invariant_fires(invariant: str) -> None:
    """The mutation is found, and by the invariant that it breaks."""
    assert await fires(invariant, MUTATIONS[invariant], "6.9")


@pytest.mark.parametrize("invariant", sorted({*MUTATIONS, *MUTATIONS_618}))
async def test_invariant_fires_in_6_18(invariant: str) -> None:
    """The same in 6.18; there some mutations are another's business."""
    assert await fires(invariant, (MUTATIONS | MUTATIONS_618)[invariant], "6.18")
