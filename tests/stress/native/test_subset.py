"""What lies outside the subset is refused in one sentence, with file and line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.core.arena import Arena
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import composed
from stress.fault import kernels_of, silent_on
from stress.machine.lockstep import Lockstep
from stress.native.kernels import KernelKey, translate
from stress.native.translate.function import Function
from stress.native.translate.subset import RULES, Unsupported
from stress.native.translate.unit import Unit
from stress.native.translate.values import Static, Word

ROOT = Path(__file__).resolve().parents[3]


def a_dictionary(n: int) -> int:
    return {1: 2}.get(n, 0)


def a_try(n: int) -> int:
    try:
        return n
    finally:
        pass


def a_division(n: int) -> float:
    return n / 2


def two_kinds(n: int) -> Any:
    if n:
        return [n]
    return n


def rebound(n: int) -> int:
    what: object = a_try
    if n:
        what = two_kinds
    return 0 if what else 1


def unknown(n: int) -> int:
    return n.real_part  # type: ignore[attr-defined, no-any-return]


def wide(n: int) -> int:
    found = [(n, n)]
    found.append((n, n, n))  # type: ignore[arg-type]
    return len(found)


OUTSIDE: dict[Callable[[int], Any], str] = {
    a_dictionary: "dictionary",
    a_try: "statement",
    a_division: "expression",
    two_kinds: "returns",
    rebound: "rebound",
    unknown: "not an integer",
    wide: "list width",
}


@pytest.fixture(scope="module")
def unit() -> Any:
    _, kernel = composed(Case("partial_zap", (("file", 0), ("order", 0), ("shape", 0)), "x86-64"), CATALOGUE)
    arena = Arena.create(kernel.layout)
    machine = Lockstep(arena, kernel.slots, 1)
    kernel.bind(arena, machine)
    yield Unit(kernel, machine, Function)
    arena.close()


@pytest.mark.parametrize("function", OUTSIDE, ids=lambda f: f.__name__)
def test_one_sentence_with_file_and_line(unit: Unit, function: Callable[[int], Any]) -> None:
    with pytest.raises(Unsupported) as raised:
        unit.function(Static(function), [Word("n")], False)
        unit.function(Static(function), [Word("n")], False)[0].text()
    assert OUTSIDE[function] == raised.value.rule
    assert re.match(
        rf"test_subset\.py:\d+: {function.__name__}: .*: {re.escape(RULES[raised.value.rule])}", str(raised.value)
    )


def test_the_rules_are_documented() -> None:
    """docs/native.md has a row for each, word for word, and no others."""
    text = (ROOT / "docs" / "native.md").read_text().partition("| rule | what is wrong |\n| --- | --- |\n")[2]
    assert dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)) == RULES


@pytest.mark.parametrize(
    ("profile", "kernel"),
    [
        ("x86-64", "6.18"),
        ("arm64-4k", "6.12"),
        ("arm64-4k", "7.3"),
        ("s390x", "6.9"),
        *(
            pytest.param(profile, kernel, marks=pytest.mark.slow)
            for profile in CATALOGUE.profiles()
            for kernel in CATALOGUE.kernels()
        ),
    ],
)
def test_every_kernel_is_in_the_subset(profile: str, kernel: str) -> None:
    """Every scenario with every parameter set, so that nobody leaves the subset unawares."""
    assert {} == translate(KernelKey(profile, kernel), list(CATALOGUE.scenarios()), CATALOGUE).left_out


VERSIONS = ("6.9", "6.12", "7.3")
"""In which a fault that is for every version is looked at; the others are between them."""


def shown_on(fault: str) -> list[tuple[str, str]]:
    """Return the versions that a fault is for, each with a profile on which it can show there."""
    planted = CATALOGUE.fault_class(fault)
    found = []
    for kernel in kernels_of(planted) or VERSIONS:
        can = [profile for profile in CATALOGUE.profiles() if not silent_on(planted, profile, kernel)]
        found += [(can[0], kernel)] if can else []
    return found


@pytest.mark.slow
@pytest.mark.parametrize("fault", CATALOGUE.faults())
def test_every_fault_is_in_the_subset(fault: str) -> None:
    """In each version that it is for, in the scenario that shows it."""
    scenario, places = CATALOGUE.fault_class(fault).scenario, shown_on(fault)
    assert places
    for profile, kernel in places:
        assert {} == translate(KernelKey(profile, kernel, (fault,)), [scenario], CATALOGUE).left_out, kernel
