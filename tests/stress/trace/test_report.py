"""The failure page and the step listing."""

from __future__ import annotations

import pytest

from sim.core import pte
from sim.core.machine import SiteInfo
from sim.core.step import LOAD_THROUGH_TLB, READ, RMW, WRITE
from stress.case import Case
from stress.execution.runner import open_runner
from stress.execution.steps import Step, entry_words, steps
from stress.machine.chance import TapeData
from stress.patch.typed import Typed
from stress.strategies.replay import Replay
from stress.trace.record import Trace, capture
from stress.trace.replay import replay
from stress.trace.report import (
    PAGE_COLUMNS,
    TAIL_STEPS_MAX,
    TOUCHING_STEPS_MAX,
    headline,
    listing,
    page,
    selection,
    step_data,
)
from tests.stress.trace.test_replay import find
from tests.toy import TOYS

PAGE = """\
BUG: lost-update in toy_increment / toy_increment
  signature 28c6e1ac   checker T1   scenario counters   profile toy   kernel 6.9
  rounds 0   faults T01
  seed 0x7, strategy by hand; 4 steps, 2 switches

       cpu0 t0                                             cpu1 t1
    1  read counter: counter[0] = 1
    2                                                      read counter: counter[0] = 1
    3                                                      write counter: counter[0] 1 -> 2
    4  write counter: counter[0] = 2
       ^ here

  what    counter 0 is 2 after 3 increments
  state   counter[0] = 2
  rule    a counter counts (tests/toy.py)
  replay  zapstress replay failures/28c6e1ac/trace
"""


async def lost_update() -> Trace:
    """Return the trace of the smallest lost update."""
    async with open_runner(Case("counters", (("rounds", 0),), "toy", faults=("T01",)), catalogue=TOYS) as runner:
        return capture(runner.run(Replay([(0, 1), (1, 2), (0, 1)]), 7, TapeData({})), "by hand")


async def test_page() -> None:
    """The page, to the letter."""
    async with replay(await lost_update(), catalogue=TOYS) as replayed:
        assert page(replayed, Typed("failures/28c6e1ac/trace")) == PAGE


async def test_page_fits_a_screen() -> None:
    """However long the execution."""
    for scenario in ("spin", "mailbox", "abba", "broken_setup", "forgotten"):
        trace = await find(Case(scenario, (), "toy", faults=("T01",)), steps_max=400)
        async with replay(trace, catalogue=TOYS) as replayed:
            lines = page(replayed, Typed("t")).splitlines()
        assert len(lines) <= TAIL_STEPS_MAX + TOUCHING_STEPS_MAX + 20
        assert max(map(len, lines)) <= PAGE_COLUMNS + 10


@pytest.mark.parametrize("columns", [40, 60, 80])
async def test_steps_and_reasons_fit_a_narrow_terminal(columns: int) -> None:
    """They are laid out for it, so that no line of them is folded, which would tear the columns."""
    for scenario in ("spin", "mailbox", "abba", "counters"):
        trace = await find(Case(scenario, (), "toy", faults=("T01",)), steps_max=400)
        async with replay(trace, catalogue=TOYS) as replayed:
            _, made, *why = page(replayed, Typed("t"), columns).split("\n\n")
        assert columns >= max(len(line) for line in "\n".join([made, *why]).splitlines())


async def test_elided_steps_are_counted() -> None:
    """A gap says how many steps it hides."""
    trace = await find(Case("spin", (), "toy"), steps_max=400)
    async with replay(trace, catalogue=TOYS) as replayed:
        assert f"  ...  ({trace.steps - TAIL_STEPS_MAX - TOUCHING_STEPS_MAX} steps)" in page(replayed, Typed("t"))


def step(
    number: int,
    column: str = "x",
    index: int = 0,
    kind: int = READ,
    value: int = 0,
    old: int = 0,
    new: int = 0,
    label: str = "look",
    tlb: str = "",
) -> Step:
    """Return a step."""
    return Step(number, number, 0, "cpu0 t", SiteInfo("f", label), kind, column, index, value, old, new, tlb)


class Somewhere:
    """Stands for a violation at y[3]."""

    locations = [("y", 3, 0)]
    accused, victim = 200, 155


def test_selection_keeps_what_touches_the_violation() -> None:
    """The last steps, and before them the latest that are on its locations, the victim's step among
    them.
    """
    made = [step(n, "y" if n % 10 == 0 else "x", 3) for n in range(1, 201)]
    shown = selection(made, Somewhere())  # type: ignore[arg-type]
    assert [s.number for s in shown[: -TAIL_STEPS_MAX or None]] == [110, 120, 130, 140, 150, 155, 160, 170]
    assert shown[-TAIL_STEPS_MAX:] == made[-TAIL_STEPS_MAX:]
    assert selection(made[:5], Somewhere()) == made[:5]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (0, "none"),
        (pte.make_pte(3, pte.WRITE | pte.DIRTY), "pfn 3 WD"),
        (pte.make_pte(4, 0), "pfn 4"),
        (pte.make_pte(5, pte.YOUNG | pte.CONT | pte.SPECIAL | pte.UFFD_WP), "pfn 5 AUCS"),
        (pte.make_entry(pte.KIND_SWAP, 2), "swap slot 2"),
        (pte.make_entry(pte.KIND_MIGRATION, 9, pte.UFFD_WP), "migration of pfn 9 U"),
        (pte.make_entry(pte.KIND_MARKER, 0), "marker 0"),
    ],
)
def test_entries_in_words(entry: int, words: str) -> None:
    """Page table entries as an engineer would say them."""
    assert entry_words(entry) == words


def test_effects() -> None:
    """What a step found or did."""
    assert step(1, "pte", 5, READ, 0, 0, pte.make_pte(3, 0)).effect() == "pte[5] = pfn 3"
    assert step(1, "pte", 5, RMW, 0, pte.make_pte(3, pte.WRITE), 0).effect() == "pte[5] pfn 3 W -> none"
    assert step(1, "page_ref", 3, WRITE, 1, 2, 1).effect() == "page_ref[3] 2 -> 1"
    assert step(1, "ptl", 0, RMW, 1, 0, 1, "lock ptl").effect() == "ptl[0]"
    through = step(1, "page_content", 3, LOAD_THROUGH_TLB, 9 << 52 | 5 << 24 | 17, tlb="tlb_span")
    assert through.effect() == "pfn 3 version 17 through tlb_span[5]"
    assert through.touches("page_content", 3)
    assert through.touches("tlb_span", 5)
    assert not through.touches("tlb_span", 3)


async def test_listing() -> None:
    """Every step on a line of its own, and as plain data."""
    async with replay(await lost_update(), catalogue=TOYS) as replayed:
        lines = list(listing(replayed))
        data = step_data(replayed)
    assert len(lines) == len(data) == 4
    assert lines[2].split() == ["3", "cpu1", "t1", "toy_increment:", "write", "counter", "counter[0]", "1", "->", "2"]
    assert data[2] == {
        "step": 3,
        "actor": "cpu1 t1",
        "function": "toy_increment",
        "label": "write counter",
        "location": "counter[0]",
        "value": 2,
        "text": "counter[0] 1 -> 2",
    }


async def test_recorder_knows_before_and_after() -> None:
    """For every kind of step: what the cell held before is what the step before left there."""
    async with open_runner(Case("mailbox", (), "toy"), catalogue=TOYS, record=True) as runner:
        for seed in range(10):
            from stress.machine.chance import RandomData

            runner.run(TOYS.strategy("random"), seed, RandomData(seed))
            last: dict[str, int] = {}
            for made in steps(runner.outcome(0).finished):
                assert made.old == last.get(made.place, made.old)
                last[made.place] = made.new
            for place, value in last.items():
                name, _, index = place[:-1].partition("[")
                assert runner.arena[name][int(index)] == value


async def test_headline_of_other_endings() -> None:
    """An execution without a violation has a title too."""
    trace = await find(Case("endless", (), "toy"), "inconclusive", 40)
    assert headline(trace) == "inconclusive: the budget of 40 steps ran out"
