"""Each invariant is shown to fire by a mutation written from docs/invariants.md, under every
version that has it.
"""

from __future__ import annotations

import pytest

from sim.checks.audit import Audit
from sim.checks.facade import Checks
from sim.core.component import Component
from sim.core.machine import site_info
from sim.versions import VERSIONS
from stress.machine.chance import RandomData
from tests.sim.mutations import IN, Mutation
from tests.sim.programs import open_program, strategies

EXECUTIONS = 60
"""Executions of a mutation whose findings are all looked at."""

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
    assert [] == [version for version in IN if declared(version) != set(IN[version])]


async def named(invariant: str, how: Mutation, kernel: str) -> set[tuple[str, str]]:
    """Return the (accused, victim) pairs of the invariant's violations in EXECUTIONS executions; in
    more, until the mutation's own pair is among them.
    """
    found: set[tuple[str, str]] = set()
    async with open_program(how.program, how.profile, (how.part,), kernel) as runner:
        portfolio = strategies()
        for seed in range(EXECUTIONS_MAX):
            violation = runner.run(portfolio[seed % 3], seed, RandomData(seed)).verdict.violation
            if violation is not None and violation.checker == invariant:
                found.add((site_info(violation.accused).name, site_info(violation.victim).name))
            if seed >= EXECUTIONS and (how.accused, how.victim) in found:
                break
    return found


@pytest.mark.parametrize(("kernel", "invariant"), [(kernel, name) for kernel in IN for name in sorted(IN[kernel])])
async def test_invariant_fires(kernel: str, invariant: str) -> None:
    """The mutation is found, by the invariant that it breaks, and both sites are the right ones: a
    signature is made of these three.
    """
    how = IN[kernel][invariant]
    found = await named(invariant, how, kernel)
    assert (how.accused, how.victim) in found
    assert set() == found - {(how.accused, how.victim), *how.besides}
