"""A native execution is the Python machine's: same steps, schedule, draws, verdict and arena."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData, TapeData
from stress.machine.driver import run_plain
from stress.native.build import cache_directory
from stress.native.kernels import STRATEGIES, KernelKey
from stress.native.runner import Library, NativeCase
from stress.native.translate import expressions
from stress.strategies.prefix import Prefix
from tests.stress.native.compiled import all_cases, cache_in, cases, first_difference, needs_compiler, quick

pytestmark = needs_compiler

KERNELS = (("x86-64", "6.9"), ("s390x", "6.12"), ("arm64-4k", "6.18"), ("riscv64", "7.3"))
"""Each version on a profile of its own; :mod:`tests.stress.native.everything` has all of them."""

SCENARIOS = ("munmap_vs_writeback", "partial_zap", "sharers_at_work", "storm")


EVERY_KERNEL = pytest.mark.parametrize("key", KERNELS, ids=" ".join)


@cache
def built(key: tuple[str, str]) -> Library:
    """Return a kernel, which is compiled when it is asked for first."""
    return quick(KernelKey(*key), SCENARIOS)


@EVERY_KERNEL
@given(data=st.data())
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_equal_in_every_step(key: tuple[str, str], data: st.DataObject) -> None:
    """Over scenarios, parameters, geometries, strategies and seeds."""
    geometry = data.draw(st.sampled_from(("small", "small", "small", "real")))
    scenario = data.draw(st.sampled_from(SCENARIOS if geometry == "small" else SCENARIOS[:1]))
    case = data.draw(st.sampled_from(all_cases(scenario, *key, geometry)))
    strategy, seed = data.draw(st.sampled_from(STRATEGIES)), data.draw(st.integers(0, 1 << 64))
    assert "" == run_plain(first_difference(built(key), case, strategy, range(seed, seed + 3)))


async def both_learn(library: Library, case: Case, name: str, seeds: range) -> list[dict[str, int]]:
    """Execute seeds both ways, natively all at once; return what each strategy has learned."""
    async with open_runner(case, "plain") as runner:
        native, strategies = NativeCase(library, runner), [CATALOGUE.strategy(name) for _ in range(2)]
        for seed in seeds:
            runner.run(strategies[0], seed, RandomData(seed))
        assert len(seeds) == native.run(strategies[1], seeds.start, len(seeds)).clean
        return [strategy.learned() for strategy in strategies]


@pytest.mark.parametrize("name", ["pct", "pos-contested", "surw", "surw-contested", "rff"])
def test_what_a_strategy_learns_natively_comes_back(name: str) -> None:
    """A lease is many executions in one call of the library; a fresh strategy goes on from there."""
    case = cases("munmap_vs_writeback", *KERNELS[0])[0]
    python, native = run_plain(both_learn(built(KERNELS[0]), case, name, range(20, 60)))
    assert python == native
    assert native


TAPE = st.lists(st.integers(0, 30), max_size=20)


async def both_follow(library: Library, case: Case, strategy: Prefix, tapes: dict[int, list[int]]) -> list[Any]:
    """Execute what is on tapes both ways; return verdict, log, schedule and draws of each."""
    async with open_runner(case, "plain") as runner:
        native = NativeCase(library, runner)
        outcome = runner.run(strategy, 1, TapeData(tapes))
        machine = runner.machine
        python = [outcome.verdict.kind == "clean", list(machine.log), list(machine.tape), outcome.tapes]
        native.give(tapes)
        ran = native.run(strategy, 1)
        return [python, [not ran.why, native.log(), native.turns(), native.tapes()]]


@EVERY_KERNEL
@given(data=st.data())
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
def test_tapes_are_followed_alike(key: tuple[str, str], data: st.DataObject) -> None:
    """Whatever is on them: actors that cannot run, runs without end, choices that there are not."""
    scenario = data.draw(st.sampled_from(SCENARIOS))
    case = data.draw(st.sampled_from(all_cases(scenario, *key)))
    runs = data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 15)), max_size=15))
    tapes = data.draw(st.dictionaries(st.integers(0, 5), TAPE, max_size=4))
    strategy = Prefix(runs, data.draw(st.booleans()))
    python, native = run_plain(both_follow(built(key), case, strategy, tapes))
    assert python == native


@pytest.mark.parametrize("fault", ["C02", "M14"])
def test_a_planted_fault_is_no_clean_execution(fault: str) -> None:
    """Where Python finds a violation the native core gives up, after the same steps."""
    found = quick(KernelKey("x86-64", "6.9", (fault,)), SCENARIOS[:2])
    for case in (cases(name, "x86-64", "6.9", faults=(fault,))[1] for name in SCENARIOS[:2]):
        assert "" == run_plain(first_difference(found, case, "random", range(60)))


PATCH = """
class Mine:
    component = "swap"
    limit = 2

    def refs_to_put(self, page, nr):
        if nr > self.limit:
            return {what}
        return super().refs_to_put(page, nr)
"""


def patched(tmp_path: Path, what: str) -> tuple[Case, Library]:
    """Return a case under a patch that returns ``what`` for large entries of a gather."""
    file = tmp_path / "mine.py"
    file.write_text(PATCH.replace("{what}", what))
    CATALOGUE.read_patches_anew()
    case = replace(cases("partial_zap", "x86-64", "6.9")[4], patch=(str(file),))
    return case, quick(KernelKey.of(case), ["partial_zap"])


def test_a_patch_is_compiled_and_its_overrides_are_counted(tmp_path: Path) -> None:
    """Sound or not, it does natively what it does in Python, and what its edit changes is its own
    file of C.
    """
    with cache_in(tmp_path):
        case, found = patched(tmp_path, "nr")
        assert ["swap.refs_to_put"] == found.manifest.overrides
        assert "" == run_plain(first_difference(found, case, "random", range(20)))
        objects = set(cache_directory().glob("*.o"))
        case, found = patched(tmp_path, "nr - 1")
        assert "" == run_plain(first_difference(found, case, "pct", range(20)))
        assert 1 == len(set(cache_directory().glob("*.o")) - objects)


def test_a_patch_outside_the_subset_runs_in_python(tmp_path: Path) -> None:
    """What reaches it is left out, with the reason."""
    with cache_in(tmp_path):
        case, found = patched(tmp_path, "{page: nr}[page]")
        assert "mine.py:8: refs_to_put: return {page: nr}[page]: a dictionary" in found.manifest.left_out[case.scenario]


def test_a_slip_of_the_translator_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A translator that confuses | with ^ makes kernels that differ, and the comparison says where."""
    slip = {**expressions.ARITHMETIC, ast.BitOr: (expressions.ARITHMETIC[ast.BitOr][0], "({} ^ {})")}
    monkeypatch.setattr(expressions, "ARITHMETIC", slip)
    with cache_in(tmp_path):
        found = quick(KernelKey("x86-64"), SCENARIOS[:1])
        differences = [
            run_plain(first_difference(found, case, "random", range(3)))
            for case in cases(SCENARIOS[0], "x86-64", "6.9")
        ]
    assert any("differs" in words or "says" in words for words in differences)
