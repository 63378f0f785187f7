"""The comparison sees what it claims to see: each changed model differs from the kernel that runs
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pytest

from stress.catalogue import CATALOGUE
from stress.conform.draw import from_seed
from stress.programs.on_files import Sync
from stress.programs.operations import Dontneed, Exit, Fill, Fork, LoadWord, Map, StoreWord, Unmap
from stress.programs.program import Program
from stress.programs.space import File
from tests.conformance.alterations import ALTERATIONS
from tests.conformance.machine import first_difference, needs_the_kernel, rig

pytestmark = needs_the_kernel

SEEDS = 300
"""Programs from seeds that an alteration may take to show."""

LARGE = (File(True, 16, 0), File(False, 16, 4))

BATTERY = (
    Program(0, 0, 64, (), LARGE, (
        Map(0, 40, 4, -1, 0, 0), StoreWord(0, 40), Map(0, 0, 16, 1, 1, 0), Map(0, 18, 16, 1, 0, 0), LoadWord(0, 0),
        LoadWord(0, 18), StoreWord(0, 20), Fork(0),
        Dontneed(0, 2, 7), LoadWord(0, 3), Unmap(0, 24, 5), Dontneed(1, 0, 16), Unmap(0, 0, 12), Exit(0),
    )),
    Program(0, 0, 64, (), LARGE, (Map(0, 0, 16, 1, 1, 0), StoreWord(0, 0), Fork(0), LoadWord(1, 0), Unmap(1, 1, 14),
        Dontneed(0, 0, 16), Exit(0))),
    Program(0, 0, 64, (), LARGE, (Map(0, 40, 4, -1, 0, 0), StoreWord(0, 40), Map(0, 0, 16, 1, 1, 0), LoadWord(0, 0),
        Dontneed(0, 0, 2), Dontneed(0, 4, 2))),
    Program(0, 0, 64, (), LARGE, (Map(0, 0, 16, 1, 1, 0), Fill(0, 0, 16), Dontneed(0, 0, 16), StoreWord(0, 9))),
    Program(0, 0, 64, (), LARGE, (Map(0, 0, 16, 1, 1, 0), Fill(0, 0, 16), Sync(0, 1, 3, 2), StoreWord(0, 9),
        LoadWord(0, 3))),
    Program(0, 0, 1536, (), (), (Map(0, 0, 1100, -1, 0, 0), StoreWord(0, 5), StoreWord(0, 600), Dontneed(0, 0, 1024))),
)  # fmt: skip
"""Programs that unmap parts of large folios in batches, one that writes one out, and one that
empties page tables.
"""

VISIBLE = ("M02", "M06", "M14", "M18", "M25", "M30")
"""Planted faults that a sequential program on one CPU can show; docs/conformance.md says why
the others show in none.
"""


def programs() -> Iterator[Program]:
    """The battery, then programs from seeds."""
    return chain(BATTERY, map(from_seed, range(SEEDS)))


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_altered_model_differs(name: str) -> None:
    with rig(ALTERATIONS[name]) as it:
        assert first_difference(it, programs()) is not None


@pytest.mark.parametrize("name", VISIBLE)
def test_a_planted_fault_that_can_show_differs(name: str) -> None:
    with rig(CATALOGUE.fault_class(name)) as it:
        assert first_difference(it, programs()) is not None


def test_the_battery_itself_shows_nothing() -> None:
    with rig() as it:
        assert first_difference(it, iter(BATTERY)) is None
