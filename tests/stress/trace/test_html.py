"""The page of an execution, and its picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from stress.case import Case
from stress.cli.main import main
from stress.patch.typed import Typed
from stress.trace.file import save
from stress.trace.html import html
from stress.trace.picture import ALONE, alone, picture, svg
from stress.trace.record import PatchRecord
from stress.trace.replay import replay
from tests.stress import pages
from tests.stress.trace.test_replay import find
from tests.stress.trace.test_report import lost_update
from tests.toy import TOYS

HOSTILE = "</pre></script><script>alert(1)</script>\x1b[31m"


async def test_the_page_of_a_failure() -> None:
    async with replay(await lost_update(), catalogue=TOYS) as replayed:
        page = pages.read(html(replayed, Typed("failures/28c6e1ac/trace")))
    for words in (
        "BUG: lost-update in toy_increment / toy_increment",
        "counter 0 is 2 after 3 increments",
        "a counter counts (tests/toy.py)",
        "zapstress replay --steps failures/28c6e1ac/trace",
        "cpu0 t0",
        "counter[0] 1 -> 2",
        "All 4 steps",
    ):
        assert words in page.text, words


@pytest.mark.parametrize("scenario", ["spin", "mailbox", "abba", "broken_setup", "forgotten"])
async def test_pages_of_all_kinds_of_failures(scenario: str) -> None:
    """However they end: links lead to steps that are there."""
    trace = await find(Case(scenario, (), "toy", faults=("T01",)), steps_max=400)
    async with replay(trace, catalogue=TOYS) as replayed:
        page = pages.read(html(replayed, Typed("t")))
    assert f"All {trace.steps} steps" in page.text


async def test_what_a_strangers_trace_says_is_text() -> None:
    trace = await lost_update()
    odd = replace(
        trace,
        ending=replace(trace.ending, message=HOSTILE, title=HOSTILE),
        patch=PatchRecord("0123456789abcdef", ((HOSTILE, HOSTILE),)),
        sources=HOSTILE,
    )
    async with replay(trace, catalogue=TOYS) as replayed:
        replayed.trace = odd
        page = pages.read(html(replayed, Typed(HOSTILE)))
    assert 1 == len(page.all("script")) and "alert(1)" in page.text and "\x1b" not in page.text


async def test_the_picture_has_an_arrow_for_each_read_of_anothers_write() -> None:
    async with replay(await lost_update(), catalogue=TOYS) as replayed:
        shown = picture(replayed)
        root = ElementTree.fromstring(alone(replayed))
    assert ("cpu0 t0", "cpu1 t1") == shown.actors
    assert [(1, 0), (2, 1), (3, 1), (4, 0)] == [(row.number, row.column) for row in shown.rows]
    assert [False, False, False, True] == [row.here for row in shown.rows]
    space = "{http://www.w3.org/2000/svg}"
    arrows = [path for path in root.iter(f"{space}path") if path.get("class") == "arrow"]
    assert len(arrows) == sum(len(row.sees) for row in shown.rows)
    assert len(shown.rows) == len(list(root.iter(f"{space}rect")))
    assert ALONE == root.findtext(f"{space}style")


async def test_arrows_cross_columns() -> None:
    trace = await find(Case("mailbox", (), "toy"), "clean")
    async with replay(trace, catalogue=TOYS) as replayed:
        shown = picture(replayed, whole=True)
        drawn = svg(shown, "t")
    by = {row.number: row.column for row in shown.rows}
    flows = [flow for row in shown.rows for flow in row.sees]
    assert flows and all(by[flow.writer] != by[flow.reader] and flow.writer < flow.reader for flow in flows)
    assert drawn.count('class="arrow"') == len(flows)


async def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(await find(Case("counters", (("rounds", 2),), "toy", faults=("T01",))), tmp_path / "trace")
    assert 0 == main(["report", str(tmp_path / "trace")], TOYS)
    pages.read(capsys.readouterr().out)
    assert 0 == main(["report", str(tmp_path / "trace"), "--format", "svg", "--output", str(tmp_path / "s")], TOYS)
    assert ElementTree.fromstring((tmp_path / "s").read_text()).tag.endswith("svg")
