"""What conformance found, each as a program in the model alone with what the kernel did, and as a
program against the kernel that runs here.
"""

from __future__ import annotations

from typing import Any

import pytest

from sim.compose import compose
from sim.core.profile import REAL
from stress.catalogue import CATALOGUE
from stress.conform.model.run import ModelWorld
from stress.conform.observation import FILE_TOKEN, token_of
from stress.programs.on_files import Direct, Punch, Remove, Sync, Truncate
from stress.programs.operations import LoadWord, Map, StoreWord
from stress.programs.program import Program
from stress.programs.space import File
from tests.conformance.machine import needs_the_kernel, rig

SHARED, SMALL, LARGE = File(True, 16, 0), File(False, 32, 0), File(False, 32, 4)
CLEAN = File(False, 4, 0, True)

FOUND: dict[str, tuple[str, Program, Any, Any]] = {
    "a read maps the zero page": (
        "6.9",
        Program(0, 0, 16, (), (), (Map(0, 0, 4, -1, 0, 0), LoadWord(0, 1))),
        lambda p: (sorted(p.pages), p.pages[1].frame, p.rss),
        ([1], 0, (0, 0, 0)),
    ),
    "shared memory has a counter": (
        "6.9",
        Program(0, 0, 16, (), (SHARED,), (Map(0, 0, 4, 0, 1, 0), StoreWord(0, 1))),
        lambda p: p.rss,
        (0, 0, 1),
    ),
    "a window reaches as far from the start of a mapping": (
        "6.9",
        Program(0, 0, 64, (), (SMALL,), (Map(0, 10, 30, 0, 0, 0), LoadWord(0, 12))),
        lambda p: sorted(p.pages),
        [*range(10, 26)],
    ),
    "no table, and the last folio": (
        "6.18",
        Program(0, 0, 64, (), (LARGE,), (Map(0, 0, 2, 0, 0, 20), LoadWord(0, 0))),
        lambda p: sorted(p.pages),
        [0],
    ),
    "the last folio is not mapped whole": (
        "6.18",
        Program(0, 0, 64, (), (LARGE,), (Map(0, 0, 24, 0, 0, 8), LoadWord(0, 0))),
        lambda p: sorted(p.pages),
        [*range(16)],
    ),
    "a store maps a large folio whole": (
        "6.18",
        Program(0, 0, 64, (), (LARGE,), (Map(0, 0, 16, 0, 1, 0), StoreWord(0, 3))),
        lambda p: sorted(p.pages),
        [*range(16)],
    ),
    "a bus error makes no page table": (
        "6.9",
        Program(0, 0, 16, (), (SMALL,), (Map(0, 0, 2, 0, 1, 0), Truncate(0, 0, 1, 0), StoreWord(0, 1))),
        lambda p: (sorted(p.pages), p.tables),
        ([], 0),
    ),
    "a read behind the end makes no page table": (
        "6.18",
        Program(0, 0, 16, (), (SMALL,), (Map(0, 0, 2, 0, 1, 8), Truncate(0, 0, 8, 0), LoadWord(0, 1))),
        lambda p: (sorted(p.pages), p.tables),
        ([], 0),
    ),
    "a half page is dirty": (
        "6.18",
        Program(0, 0, 16, (), (CLEAN,), (Map(0, 0, 2, 0, 0, 0), Truncate(0, 0, 0, 1), LoadWord(0, 0))),
        lambda p: (sorted(p.pages), p.pages[0].dirty, p.pages[0].content),
        ([0], True, FILE_TOKEN),
    ),
    "a hole reads as zeroes": (
        "6.18",
        Program(0, 0, 16, (), (CLEAN,), (Map(0, 0, 4, 0, 1, 0), Punch(0, 0, 1, 2), LoadWord(0, 1), LoadWord(0, 0))),
        lambda p: {addr: page.content for addr, page in p.pages.items()},
        {0: FILE_TOKEN, 1: 0, 3: FILE_TOKEN + 3},
    ),
    "private copies go with truncation, and stay over a hole": (
        "6.18",
        Program(
            0,
            0,
            16,
            (),
            (CLEAN,),
            (Map(0, 0, 4, 0, 0, 0), StoreWord(0, 1), StoreWord(0, 3), Punch(0, 0, 0, 4), Truncate(0, 0, 3, 0)),
        ),
        lambda p: sorted(p.pages),
        [1],
    ),
    "MADV_REMOVE ends with the first mapping that is not shared": (
        "6.18",
        Program(
            0, 0, 16, (), (SHARED,), (Map(0, 0, 2, 0, 1, 0), StoreWord(0, 1), Map(0, 4, 2, 0, 0, 4), Remove(0, 0, 6))
        ),
        lambda p: sorted(p.pages),
        [],
    ),
    "a direct write leaves nothing in the cache": (
        "6.18",
        Program(0, 0, 16, (), (SMALL,), (Map(0, 0, 4, 0, 1, 0), StoreWord(0, 1), Direct(0, 0, 0, 4), LoadWord(0, 1))),
        lambda p: ({addr: page.content for addr, page in p.pages.items()}, p.pages[1].dirty),
        ({1: token_of(1)}, False),
    ),
    "a page read in is faulted once more, and its neighbours come with it": (
        "6.18",
        Program(0, 0, 3, (), (File(False, 16, 0),), (Map(0, 0, 3, 0, 0, 13), Punch(0, 0, 1, 14), LoadWord(0, 0))),
        lambda p: sorted(p.pages),
        [0, 2],
    ),
    "write-out finds a small folio where a large one was": (
        "6.18",
        Program(
            0,
            0,
            1,
            (),
            (File(False, 8, 2),),
            (Map(0, 0, 1, 0, 1, 5), Direct(0, 0, 2, 6), StoreWord(0, 0), Sync(0, 0, 4, 4)),
        ),
        lambda p: (sorted(p.pages), p.pages[0].dirty),
        ([0], False),
    ),
}
"""Name -> (version, program, what is looked at, what the kernel showed)."""


@pytest.mark.parametrize("name", FOUND)
def test_the_model_does_as_the_kernel_did(name: str) -> None:
    version, program, look, expected = FOUND[name]
    world = ModelWorld(
        CATALOGUE.profile("x86-64"), lambda profile, size: compose(profile, REAL, version, size), program
    )
    try:
        run = world.run()
        for number, operation in enumerate(program.operations):
            run.execute(number, operation)
        assert expected == look(run.observe()[0])
        world.kernel.audit(drained=False)
    finally:
        world.close()


@needs_the_kernel
def test_the_kernel_that_runs_here_does_so_too() -> None:
    with rig() as it:
        assert [None] * len(FOUND) == [it.check(program) for _, program, _, _ in FOUND.values()]
