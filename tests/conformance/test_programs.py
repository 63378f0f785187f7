"""Programs: drawn, written, read, shrunk, listed; observations compared. No kernel is needed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.conform.differences import broken, differences
from stress.conform.draw import from_seed, program, race_from_seed
from stress.conform.linux.folio_sizes import Sizes
from stress.conform.listing import listing
from stress.conform.observation import FrameNames, Observation, Page, Process, Vma
from stress.conform.session import small_enough
from stress.conform.shrink import candidates, shrink
from stress.errors import UsageError
from stress.programs.file import loads
from stress.programs.on_files import Direct, Punch, Remove, Sync, Truncate
from stress.programs.operations import OPERATIONS, Dontneed, Fill, Fork, Map, StoreWord
from stress.programs.program import Program
from stress.programs.space import File, Region, Space

FILES = (File(True, 16, 0), File(False, 16, 2, True))
WHOLE = Program(7, 0, 16, (), FILES, (Map(0, 2, 3, 0, 1, 5), Sync(0, 1, 0, 2)))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data(), orders=st.sampled_from([(), (2,), (2, 4), (9,)]))
def test_whoever_draws_it_a_program_is_allowed(data: st.DataObject, orders: tuple[int, ...]) -> None:
    """Hypothesis drives the generator that seeds drive: every operation is allowed where it stands,
    and stays in the window.
    """
    drawn = program(0, lambda n: data.draw(st.integers(0, n - 1)), orders, FILES)
    space = drawn.space()
    for operation in drawn.operations:
        assert operation.allowed(space)
        operation.effect(space)
        for regions in space.regions.values():
            assert all(drawn.first <= r.start < r.end <= drawn.first + drawn.pages for r in regions)
            assert all(a.end <= b.start for a, b in pairwise(regions))


def test_a_seed_is_a_program() -> None:
    assert from_seed(5) == from_seed(5) != from_seed(6)
    assert race_from_seed(5) == race_from_seed(5) != race_from_seed(6)


def test_every_operation_is_drawn() -> None:
    drawn = {operation.name for seed in range(200) for operation in from_seed(seed).operations}
    assert drawn == set(OPERATIONS)


@pytest.mark.parametrize("seed", range(10))
def test_programs_survive_their_file(seed: int) -> None:
    for it in (from_seed(seed, Sizes((2, 4), (4,))), race_from_seed(seed)):
        assert it == loads(it.dumps())


ONE = from_seed(1).dumps()


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "[" * 200000, '{"conform": 99}', '{"conform": "\\ud800"}', ONE.replace("mmap", "mmop"),
        ONE[:-3],
        *(ONE.replace('"seed": 1', f'"seed": {other}') for other in ("1e999", '"1"', "true", "1.5")),
        WHOLE.dumps().replace('"memfd": true', '"memfd": "no"'),
        WHOLE.dumps().replace('"operations": [', '"operations": {}, "x": ['),
    ],
)  # fmt: skip
def test_what_is_no_program_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        loads(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(WHOLE, pages=0), replace(WHOLE, pages=1 << 40), replace(WHOLE, first=-1), replace(WHOLE, orders=(40,)),
        replace(WHOLE, files=(File(True, 1 << 30, 0), FILES[1])),
        replace(WHOLE, files=(File(True, 16, 12), FILES[1])), replace(WHOLE, files=()),
        replace(WHOLE, orders=(4, 2)), replace(WHOLE, files=(File(True, 512, 9), FILES[1])),
        replace(WHOLE, files=(File(True, 16, 0, True), FILES[1])),
        replace(WHOLE, files=(File(True, 16, 2), File(True, 16, 3))), replace(WHOLE, files=(FILES[0],) * 5),
        *(replace(WHOLE, operations=(one,)) for one in (
            Sync(0, -1, 0, 1), Sync(0, 1, 0, 17), Sync(0, 1, -1, 1), Sync(0, 2, 0, 1), Map(0, 2, 3, -2, 0, 0),
            Map(0, 2, 3, 0, 1, 14), StoreWord(0, 16),
            Map(0, 2, 3, 0, 7, 5), Map(0, 2, 3, -1, 0, -5), StoreWord(0, -1), Fill(0, 0, 65), Dontneed(0, 8, 9),
            Dontneed(0, 8, 0), Fork(-1), Fork(6), Truncate(0, 2, 0, 0), Truncate(0, 0, 16, 1), Truncate(0, 0, 1, 2),
            Truncate(0, 1, 2, 0), Truncate(0, 1, 4, 1), Punch(0, 1, 2, 4), Punch(0, 1, 4, 2), Punch(0, 2, 0, 1),
            Direct(0, 1, 0, 7), Remove(0, 8, 9),
        )),
    ],
)  # fmt: skip
def test_what_no_runner_is_made_for_is_refused(wrong: Program) -> None:
    assert WHOLE == loads(WHOLE.dumps())
    with pytest.raises(UsageError, match="a program that cannot be run: "):
        loads(wrong.dumps())


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (replace(WHOLE, pages=0), "the window has from 1 to 4096 pages, not 0"),
        (replace(WHOLE, orders=(4, 2)), "orders are from 1 to 9, ascending"),
        (replace(WHOLE, files=(File(True, 17, 2), FILES[1])), "file 0: its 17 pages are no whole folios of 4"),
        (
            replace(WHOLE, operations=(StoreWord(0, 16),)),
            "operation 0, store: pages 16 to 16 lie outside of the window",
        ),
        (replace(WHOLE, operations=(Sync(0, 1, 0, 17),)), "operation 0, sync: pages 0 to 16 lie outside of file 1"),
        (replace(WHOLE, operations=(Truncate(0, 0, 16, 1),)), "operation 0, truncate: file 0 has from 0 to 16 pages"),
        (replace(WHOLE, operations=(Truncate(0, 1, 4, 1),)), "file 1 ends with a whole folio of 4 pages"),
        (replace(WHOLE, operations=(Punch(0, 1, 2, 4),)), "a hole in file 1 has whole folios of 4 pages"),
        (replace(WHOLE, operations=(Direct(0, 1, 0, 7),)), "a direct write has at most 6 pages"),
        (replace(WHOLE, operations=(Fork(6),)), "operation 0, fork: threads are numbered from 0 to 5, and not 6"),
        (replace(WHOLE, race=(StoreWord(0, 0),), operations=()), "a race begins with threads 0 to 1 alive"),
    ],
)
def test_a_program_is_told_which_rule_it_breaks(wrong: Program, rule: str) -> None:
    with pytest.raises(UsageError, match=rule):
        loads(wrong.dumps())


def test_shrinking_finds_the_smallest() -> None:
    """A program is wanted in which a page of a forked process is dropped: three operations are
    enough, with the least arguments.
    """

    def fails(candidate: Program) -> bool:
        space, forked = candidate.space(), False
        for operation in candidate.operations:
            if not operation.allowed(space):
                continue
            if forked and isinstance(operation, Dontneed) and space.at(operation.who, operation.start):
                return True
            forked |= isinstance(operation, Fork)
            operation.effect(space)
        return False

    start = next(it for it in map(from_seed, range(500)) if fails(it))
    smallest, done = shrink(start, fails)
    first = smallest.first
    assert done and not shrink(start, fails, 0.0)[1] and (smallest.first, smallest.pages, smallest.orders) == (0, 1, ())
    assert smallest.operations[0].plain()[:3] == ["mmap", 0, first]
    assert [operation.name for operation in smallest.operations] == ["mmap", "fork", "dontneed"]
    assert smallest.operations[2] == Dontneed(0, first, 1) and smallest.files == ()
    assert not any(fails(candidate) for candidate in candidates(smallest))


def test_programs_use_the_sizes_that_are_on() -> None:
    """Shared memory has large folios of the order that is on, now and then, in a file that holds
    one.
    """
    shared = {file for seed in range(60) for file in from_seed(seed, Sizes((2,), (6,))).files if file.memfd}
    assert shared == {File(True, 16, 0), File(True, 64, 6)}
    assert str(Sizes((2,), (6,))) == "4+16+s256" and small_enough((1, 8, 9)) == (1, 8)


def test_shrinking_makes_the_world_small() -> None:
    """Window, files and folios go down to what the operations need, and ranges are cut at either
    end.
    """

    def fails(candidate: Program) -> bool:
        return any(
            isinstance(operation, Dontneed) and operation.start <= 21 < operation.start + operation.nr
            for operation in candidate.operations
        )

    start = Program(
        3,
        0,
        64,
        (2, 3),
        (*FILES, File(False, 16, 4, True)),
        (Map(0, 4, 20, 1, 1, 0), Dontneed(0, 8, 30), Sync(0, 2, 0, 4)),
    )
    assert shrink(start, fails) == (Program(3, 0, 22, (), (), (Dontneed(0, 21, 1),)), True)


def test_files_that_nothing_names_go_first() -> None:
    start = Program(3, 0, 16, (), (*FILES, File(False, 16, 4, True)), (Map(0, 4, 3, 2, 1, 0),))
    small, done = shrink(
        start, lambda candidate: any(getattr(operation, "file", -1) >= 0 for operation in candidate.operations)
    )
    assert done and small == Program(3, 0, 1, (), (File(False, 1, 0),), (Map(0, 0, 1, 0, 0, 0),))


def test_a_listing_can_be_read() -> None:
    it = Program(7, 0, 16, (4,), (File(True, 16, 0),), (Map(0, 2, 3, 0, 1, 5), Fork(0), Fill(1, 2, 2)))
    lines = listing(it).splitlines()
    assert "T0: map(2, 3, MAP_SHARED, file0, 5);" in lines
    assert "T0: fork();  /* makes T1 */" in lines
    assert "T1: for (i = 0; i < 2; i++) *page(2 + i) = 12288 + i;" in lines
    assert any("64 kB" in line for line in lines)


def test_an_unmapping_splits() -> None:
    space = Space(0, 16, ())
    space.map(0, Region(2, 10, 0, True, 3))
    space.unmap(0, 4, 6)
    assert space.regions[0] == [Region(2, 4, 0, True, 3), Region(6, 10, 0, True, 7)]
    assert space.mapped(0, 0, 16) == 6


def test_what_cannot_be_run_is_skipped() -> None:
    space = Space(0, 16, ())
    assert not StoreWord(1, 3).allowed(space) and StoreWord(0, 3).allowed(space)
    assert not Fill(0, 3, 1).allowed(space) and not Map(0, 0, 4, -1, 1, 0).allowed(space)


# -- comparing -------------------------------------------------------------------------------------------------------

PAGE = Page(1, 1, True, True, True, 0, 0, False, 7)
VMA = Vma(0, 4, False, -1, 0, 1, 4, 0, 0, 0, 1, 1)
PROCESS = Process({0: PAGE}, (VMA,), (1, 0, 0), 1)


def seen(process: Process, returned: int = 0) -> Observation:
    return Observation(returned, {0: process})


@pytest.mark.parametrize("field", Page._fields)
def test_every_field_of_a_page_counts(field: str) -> None:
    other = PAGE._replace(
        **{field: not getattr(PAGE, field) if isinstance(getattr(PAGE, field), bool) else getattr(PAGE, field) + 1}
    )
    assert [f"page.{field}"] == [d.what for d in differences(seen(PROCESS), seen(PROCESS._replace(pages={0: other})))]


@pytest.mark.parametrize("field", Vma._fields)
def test_every_field_of_a_mapping_counts(field: str) -> None:
    other = VMA._replace(**{field: getattr(VMA, field) + 1})
    found = differences(seen(PROCESS), seen(PROCESS._replace(vmas=(other,))))
    assert ["vmas" if Vma._fields.index(field) < 5 else f"vma.{field}"] == [d.what for d in found]


def test_everything_else_counts() -> None:
    others = {
        "present": seen(PROCESS._replace(pages={1: PAGE})), "rss": seen(PROCESS._replace(rss=(0, 1, 0))),
        "tables": seen(PROCESS._replace(tables=2)),
        "result": seen(PROCESS, -1), "processes": Observation(0, {}),
    }  # fmt: skip
    for what, other in others.items():
        assert [what] == [d.what for d in differences(seen(PROCESS), other)]
    assert not differences(seen(PROCESS), seen(PROCESS))


def test_a_frame_keeps_its_name_only_while_it_is_seen() -> None:
    frames = FrameNames(0)
    for seen_now, names in (([5, 6], [1, 2]), ([6, 7], [2, 3]), ([5, 7], [4, 3]), ([0], [0])):
        frames.begin()
        assert names == [frames.name(frame, FrameNames.FILE) for frame in seen_now]


def test_a_frame_that_is_given_again_elsewhere_is_another() -> None:
    """A page was copied, its old frame was free, and the next page got it, all in one operation:
    either side may or may not do so.
    """
    frames = FrameNames(0)
    for seen_now, names in (
        ({24: 5}, [1]),
        ({24: 6, 25: 5}, [2, 3]),
        ({24: 6, 25: 5}, [2, 3]),
        ({24: 5, 25: 5}, [4, 4]),
    ):
        frames.begin()
        assert names == [frames.name(frame, place) for place, frame in seen_now.items()]


@pytest.mark.parametrize(
    ("page", "rss"),
    [(PAGE._replace(mapcount=2), 1), (PAGE._replace(once=False), 1), (PAGE, 2), (PAGE._replace(anon=False), 1)],
)
def test_a_state_can_be_broken_by_itself(page: Page, rss: int) -> None:
    assert not broken({0: PROCESS})
    assert broken({0: PROCESS._replace(pages={0: page}, rss=(rss, 0, 0))})
