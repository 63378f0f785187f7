"""Which methods of the model, and which step sites, a case reaches, and whether it does anything
else with a patch than without: found by a few executions (*probes*), always the same.

A method is named ``component.method``, as overrides are. What the setup reaches is kept apart: a
setup calls mmap, fault and fork in nearly every case, and no two actors run in it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, NamedTuple

from sim.core.machine import SITES
from sim.core.step import site_of
from stress.case import Case
from stress.catalogue import Catalogue
from stress.execution.runner import Runner, open_runner
from stress.machine.chance import RandomData
from stress.strategies.pct import Pct
from stress.strategies.sequential import Sequential

PCT_SEEDS = (1, 2)
"""Seeds of the probes under PCT, beside the sequential one of seed 0."""

PROBE_STEPS_MAX = 4096
"""Steps of a case's probes: a large world has one probe, and a small one has all."""

VIOLATION = "violation"


class Reach(NamedTuple):
    """What a case reaches."""

    methods: frozenset[str]
    """Reached by executions."""
    setup: frozenset[str]
    """Methods that only the setup reaches."""
    sites: frozenset[str]
    """Step sites that executions reach."""
    probes: tuple[str, ...] = ()
    """What its probes did, as :func:`probes` has it."""

    @classmethod
    def of(cls, methods: Iterable[str], setup: Iterable[str], sites: Iterable[str], probes: Iterable[str]) -> Reach:
        """Return what is reached, from any lists of it."""
        return cls(frozenset(methods), frozenset(setup), frozenset(sites), tuple(probes))

    def lists(self) -> dict[str, list[str]]:
        """Return it as lists: the sets sorted, the probes in their order."""
        sets = {"methods": self.methods, "setup": self.setup, "sites": self.sites}
        return {name: sorted(names) for name, names in sets.items()} | {"probes": list(self.probes)}


NOTHING = Reach(frozenset(), frozenset(), frozenset())
"""Of a case that was not measured."""


class Calls:
    """The code objects that were called while :meth:`watched`."""

    def __init__(self) -> None:
        self.codes: set[CodeType] = set()

    def _called(self, frame: FrameType, event: str, _: Any) -> None:
        """Note a call; returning None, ask not to be told of the lines of the frame."""
        self.codes.add(frame.f_code)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note the calls of this thread meanwhile."""
        before = sys.gettrace()
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(before)


def probes(runner: Runner, sites: set[int] | None = None) -> list[str]:
    """Execute a case once sequentially and then under PCT; return what each execution did: its
    verdict's kind, and the digest of its steps. After PROBE_STEPS_MAX steps no other is begun.
    ``sites`` takes the numbers of the sites that were visited.
    """
    found: list[str] = []
    pct, steps = Pct(), 0
    for strategy, seed in ((Sequential(), 0), *((pct, seed) for seed in PCT_SEEDS)):
        outcome = runner.run(strategy, seed, RandomData(seed))
        found.append(f"{outcome.verdict.kind} {outcome.digest()}")
        if sites is not None:
            sites.update(map(site_of, runner.machine.log[::2]))
        steps += outcome.steps
        if steps > PROBE_STEPS_MAX:
            break
    return found


def violates(found: Iterable[str]) -> bool:
    """Return whether one of these probes broke a rule."""
    return any(probe.startswith(VIOLATION) for probe in found)


async def measure(case: Case, catalogue: Catalogue) -> Reach:
    """Return what a case reaches. Raises what opening or executing it raises."""
    setup, calls, sites = Calls(), Calls(), set[int]()
    with setup.watched():
        opening = open_runner(case, catalogue=catalogue)
        runner = await opening.__aenter__()
    try:
        with calls.watched():
            found = probes(runner, sites)
        names = method_names(runner.kernel)
    finally:
        await opening.__aexit__(None, None, None)
    methods = frozenset(name for code in calls.codes for name in names.get(code, ()))
    before = frozenset(name for code in setup.codes for name in names.get(code, ()))
    return Reach(methods, before - methods, frozenset(SITES[number].name for number in sites), tuple(found))


def method_names(kernel: Any) -> dict[CodeType, list[str]]:
    """Return what the methods of a kernel's components are called, by their code.

    Of a method that is overridden, each body in the order of resolution has the same name.
    """
    found: dict[CodeType, list[str]] = {}
    for component, part in getattr(kernel, "components", {}).items():
        for cls in type(part).__mro__:
            for name, value in vars(cls).items():
                code = getattr(value, "__code__", None)
                if code is not None:
                    found.setdefault(code, []).append(f"{component}.{name}")
    return found
