"""Components come from where they should: versions and checkers are found by walking, classes are
wrapped in order, unknown names are refused.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sim.checks.facade import Checks, found, replaced
from sim.checks.references import ReferenceChecks
from sim.compose import GENERIC, compose
from sim.core.errors import ComposeError
from sim.core.profile import SMALL, World
from sim.mm.memory import Memory
from sim.versions import VERSIONS
from sim.versions.v6_12.checks import CacheChecks612, ReferenceChecks612
from sim.versions.v6_18.checks import Checks618, OwnerChecks
from stress.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]

VERSION = """
from sim.core.version import Version
from sim.mm.memory import Memory

class MemoryNext(Memory):
    pass

VERSION = Version("6.20", "the next one", (MemoryNext,))
"""

CHECKER = """
from sim.checks.base import Checker

class LockChecks(Checker):
    name = "checks_locks"
    invariants = (("X1", "lock-odd", "a rule"),)
"""

ASK = """
from sim.checks.facade import Checks
from sim.compose import compose
from sim.core.profile import SMALL, World
from sim.versions import VERSIONS
from stress.catalogue import CATALOGUE
kernel = compose(CATALOGUE.profile("x86-64"), SMALL, "6.20", World())
print(list(VERSIONS), type(kernel.memory).__name__, [cls.name for cls in Checks.groups], CATALOGUE.checkers()["X1"])
"""


class Slow:
    """A patch of the memory component."""

    component = "memory"


class Slower:
    """Another."""

    component = "memory"


class Lost:
    """A patch of nothing that there is."""

    component = "memoir"


def test_versions_are_in_order() -> None:
    """Oldest first: 6.9 is the default; a variant comes after its version."""
    assert ["6.9", "6.9-perpage", "6.12", "6.18", "6.18-flushfirst", "7.3", "7.3-flushfirst"] == list(VERSIONS)


def test_a_variant_has_the_profile_of_its_version() -> None:
    for profile in map(CATALOGUE.profile, CATALOGUE.profiles()):
        assert profile.at("6.18") == profile.at("6.18-flushfirst")
        assert profile.at("6.9") == profile.at("6.9-perpage") == profile


def test_checkers_are_found_by_module() -> None:
    """The classes named ``checks_...`` of each module, and no others."""
    named = re.compile(r'^    name = "(checks_\w+)"', re.MULTILINE)
    files = sorted((ROOT / "sim" / "checks").glob("*.py"))
    assert [cls.name for cls in found()] == [name for file in files for name in named.findall(file.read_text())]
    assert found() == Checks.groups


def test_a_version_replaces_a_checker_by_name() -> None:
    """6.18 has its own in the place of two, and one more."""
    assert Checks618.groups == replaced(found(), ReferenceChecks612, CacheChecks612, OwnerChecks)
    assert ReferenceChecks not in Checks618.groups
    assert len(Checks618.groups) == len(Checks.groups) + 1
    assert Checks618.groups.index(ReferenceChecks612) == Checks.groups.index(ReferenceChecks)


def test_one_file_makes_a_version_or_a_checker(tmp_path: Path) -> None:
    """In a copy of the tree, a version and a checker are one new file each, and nothing is edited."""
    for package in ("sim", "stress", "scenarios"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "sim/versions/v6_20.py").write_text(VERSION)
    (tmp_path / "sim/checks/locks.py").write_text(CHECKER)
    command = [sys.executable, "-c", ASK]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "'6.18-flushfirst', '6.20'" in said and "] MemoryNext [" in said
    assert "'checks_locks'" in said
    assert said.endswith("lock-odd: a rule\n")


def test_parts_wrap_in_order() -> None:
    """The last part is the outermost, and the version's class is below them all."""
    kernel = compose(CATALOGUE.profile("x86-64"), SMALL, "6.9", World(), (Slow, Slower))
    bases = type(kernel.memory).__mro__
    assert bases.index(Slower) < bases.index(Slow) < bases.index(Memory)
    assert list(kernel.components) == [cls.name for cls in GENERIC]


def test_unknown_names_are_refused() -> None:
    """A version or a component that there is not, by name, with what there is."""
    profile = CATALOGUE.profile("x86-64")
    known = r"6\.9, 6\.9-perpage, 6\.12, 6\.18"
    with pytest.raises(ComposeError, match=r"unknown kernel version '0\.0': use one of " + known):
        compose(profile, SMALL, "0.0", World())
    with pytest.raises(ComposeError, match=r"Lost\.component is 'memoir': use one of mm_types, "):
        compose(profile, SMALL, "6.9", World(), (Lost,))
