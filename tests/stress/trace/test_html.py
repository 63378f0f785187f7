"""The page of an execution, and its picture."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import trio

from stress.case import Case
from stress.cli.main import main
from stress.patch.typed import Typed
from stress.trace.file import encode, save
from stress.trace.html import SOURCE_KIB_MAX, html
from stress.trace.html import alone as alone_words
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


async def mailed() -> tuple[bytes, str]:
    """Return the bytes of a trace, and the text of the page that has them in it."""
    trace = await find(Case("counters", (("rounds", 2),), "toy", faults=("T01",)))
    source = encode(trace)
    async with replay(trace, catalogue=TOYS) as replayed:
        assert "With this page alone" not in pages.read(html(replayed, Typed("t"))).text
        page = pages.read(html(replayed, Typed("failures/28c6e1ac/trace"), source=source))
    assert "" == alone_words(trace, bytes(SOURCE_KIB_MAX * 1024 + 1))
    assert "With this page alone" in page.text and "In any folder:" in page.text
    return source, "".join(page.words)


def test_a_page_alone_replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was mailed a page has no results directory: the trace is in it."""
    monkeypatch.chdir(tmp_path)
    source, text = trio.run(mailed)
    command = "replay --steps 28c6e1ac.trace"
    begins, ends = text.index("base64 -d"), text.rindex(f"zapstress {command}")
    subprocess.run(["bash", "-c", text[begins:ends]], check=True)
    assert [source] == [file.read_bytes() for file in tmp_path.iterdir()]
    assert 1 == main(command.split(), TOYS)


async def test_what_a_page_alone_has_of_a_stranger_is_no_command() -> None:
    trace = await lost_update()
    odd = replace(trace, ending=replace(trace.ending, signature="x;touch y"))
    assert "base64 -d > 'x;touch y.trace' << END" in alone_words(odd, b"source")
    patched = replace(trace, case=replace(trace.case, patch=("some/where/mine.py:A",)))
    assert alone_words(patched, b"source").endswith(".trace --patch mine.py:A")


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
