"""Compiled kernels for tests: the quick way, and in a cache of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import open_runner
from stress.native.comparison import both_ways
from stress.native.compilers import QUICK, compiler
from stress.native.kernels import KernelKey, library
from stress.native.runner import Library, NativeCase
from stress.patch.scenario.staging import SPECULATION

needs_compiler = pytest.mark.skipif(not compiler(QUICK), reason="no C compiler on this machine")


@contextmanager
def cache_in(directory: Path) -> Iterator[None]:
    """Keep what is compiled under ``directory``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(directory))
        yield


def quick(key: KernelKey, scenarios: Sequence[str]) -> Library:
    """Return a kernel, compiled the quick way."""
    return library(key, scenarios, CATALOGUE, QUICK)


def cases(
    scenario: str, profile: str, kernel: str, geometry: str = "small", faults: tuple[str, ...] = ()
) -> list[Case]:
    """Return the cases of a scenario whose CPUs do not speculate, one for each parameter set."""
    return [
        case for case in all_cases(scenario, profile, kernel, geometry, faults) if SPECULATION not in dict(case.params)
    ]


def all_cases(
    scenario: str, profile: str, kernel: str, geometry: str = "small", faults: tuple[str, ...] = ()
) -> list[Case]:
    """Return the cases of a scenario that a search takes, one for each parameter set."""
    sets = CATALOGUE.parameters(scenario, CATALOGUE.profile(profile).at(kernel), geometry)
    return [Case(scenario, tuple(sorted(params.items())), profile, geometry, kernel, faults) for params in sets]


async def first_difference(library: Library, case: Case, strategy: str, seeds: range) -> str:
    """Run seeds of a case both ways; return the first difference in words, or ""."""
    return "".join(await differences(library, case, (strategy,), seeds))


async def differences(library: Library, case: Case, strategies: Sequence[str], seeds: range) -> list[str]:
    """Run seeds of a case both ways under each strategy; return its first difference in words, if
    there is one.
    """
    async with open_runner(case, "plain") as runner:
        if runner.failed is not None:
            return []
        native = NativeCase(library, runner)
        return [words for strategy in strategies if (words := _difference(native, strategy, seeds))]


def _difference(native: NativeCase, strategy: str, seeds: range) -> str:
    pair = (CATALOGUE.strategy(strategy), CATALOGUE.strategy(strategy))
    for seed in seeds:
        found = both_ways(native, pair, seed)
        if found:
            return f"{native.runner.case}, {strategy}, seed {seed}: {found}"
    return ""
