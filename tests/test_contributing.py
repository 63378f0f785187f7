"""CONTRIBUTING.md's promises: in a copy of the tree a new thing is one new file, is found by its
name, and runs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stress.errors import CLEAN, VIOLATED

ROOT = Path(__file__).resolve().parent.parent

SCENARIO = '''"""Two CPUs store to one page."""

from scenarios.munmap_vs_access import MunmapVsAccess as _Base


class TwoStores(_Base):
    async def munmap(self) -> None:
        await self.task(0).store(0)
'''

FAULT = '''"""Z01: one reference is put, however many are due."""

from sim.mm.swap import Swap
from stress.fault import Fault


class OneReference(Fault, Swap):
    id = "Z01"
    component = "swap"

    def refs_to_put(self, page: int, nr: int) -> int:
        return 1
'''

PROFILE = '''"""An x86-64 with another name."""

from dataclasses import replace

from sim.arch.x86_64 import PROFILES as _OTHERS

PROFILES = (replace(_OTHERS[0], name="toy", about="a toy"),)
'''

VERSION = '''"""6.9 with small batches."""

from sim.core.version import Version
from sim.mm.memory import Memory


class SmallBatches(Memory):
    def batch_limit(self, *given):
        return min(2, super().batch_limit(*given))


VERSION = Version("7.0", "small batches", (SmallBatches,))
'''

STRATEGY = '''"""The lowest slot goes next."""

from stress.strategies import Strategy


class Lowest(Strategy):
    name = "lowest"

    def start(self, seed: int, slots: int) -> None:
        self.free = 0

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        return enabled[0]
'''

CHECKER = '''"""No PTE is ever cleared."""

from sim.checks.base import Checker


class NoClears(Checker):
    name = "checks_no_clears"
    invariants = (("I99", "pte-cleared", "no PTE is cleared (the reader of CONTRIBUTING.md)"),)

    def bind(self) -> None:
        super().bind()
        inner = self.pte.watch

        def changed(i: int, old: int, new: int, holder: int) -> None:
            if inner is not None:
                inner(i, old, new, holder)
            if old and not new:
                self.violated("I99", f"pte {i} was cleared")

        self.pte.watch = changed
'''

ADDITIONS: dict[str, tuple[str, str, str, str, tuple[str, ...], int]] = {
    "scenario": ("scenarios/two_stores.py", SCENARIO, "scenarios", "two_stores", ("two_stores",), CLEAN),
    "fault": (
        "scenarios/faults/z01_one_reference.py", FAULT, "faults", "Z01",
        ("munmap_vs_access", "--param", "order=2", "--fault", "Z01"), VIOLATED,
    ),
    "profile": ("sim/arch/toy.py", PROFILE, "profiles", "toy", ("munmap_vs_access", "--profile", "toy"), CLEAN),
    "version": ("sim/versions/v7_0.py", VERSION, "kernels", "7.0", ("munmap_vs_access", "--kernel", "7.0"), CLEAN),
    "strategy": (
        "stress/strategies/lowest.py", STRATEGY, "strategies", "lowest", ("munmap_vs_access", "--strategy", "lowest"), CLEAN,
    ),
    "checker": ("sim/checks/no_clears.py", CHECKER, "checkers", "I99", ("munmap_vs_access",), VIOLATED),
}  # fmt: skip
"""The one new file and what is in it, what lists it under which name, and how a run ends."""


def zapstress(where: Path, *words: str) -> tuple[int, Any]:
    """Run a command in a copy of the tree; return its status and what it printed."""
    command = [sys.executable, "-m", "stress", *words, "--json"]
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("kind", ADDITIONS)
def test_one_new_file_is_enough(kind: str, tmp_path: Path) -> None:
    file, text, list_of, name, run, status = ADDITIONS[kind]
    for package in ("sim", "stress", "scenarios"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / file).write_text(text)
    assert name in json.dumps(zapstress(tmp_path, "list", list_of)[1])
    ended, data = zapstress(tmp_path, "run", *run, "--seed", "1")
    assert status == ended, data
