"""States of an execution as text, and where its steps were made: of C02, as its page shows them."""

from __future__ import annotations

import importlib
import pkgutil
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import sim
from sim.core.machine import SITES
from sim.mm import rmap
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.patch.typed import Typed
from stress.trace.explanation import Explanation, Moment, Ordering
from stress.trace.html import html
from stress.trace.markdown import markdown
from stress.trace.picture import picture
from stress.trace.record import Trace, capture
from stress.trace.replay import replay
from stress.trace.shell.film import Camera, Film, film_of
from stress.trace.shell.kernel_files import ELSEWHERE, kernel_file
from stress.trace.shell.origins import origins
from stress.trace.shell.overview import AROUND, LINES_MAX, changes, difference, entries
from tests.stress import pages

MAPCOUNT = "folio_remove_rmap_ptes: mapcount -1"


async def violating() -> Trace:
    """Return the trace of an execution in which C02 shows."""
    case = Case("munmap_vs_writeback", (("dirty", 1), ("order", 0), ("quiet", 0)), "arm64-4k", faults=("C02",))
    async with open_runner(case) as runner:
        for seed in range(500):
            outcome = runner.run(CATALOGUE.strategy("pct"), seed, RandomData(seed))
            if outcome.verdict.violation:
                return capture(outcome, "pct")
    pytest.fail("C02 was not found")


async def seen() -> tuple[Film, str, int]:
    """Return the film of such an execution, its page, and the step that lowers the mapcount."""
    camera = Camera()
    async with replay(await violating(), look=camera.look) as replayed:
        film = film_of(replayed, camera, CATALOGUE)
        at = next(step.number for step in film.made if step.site.name == MAPCOUNT)
        first, last = Moment(at, "cpu0 munmap", "f", "mapcount -1", "x"), Moment(999, "hw1", "g", "drop TLB entry", "y")
        chances = tuple(step / film.last for step in range(film.last + 1))
        why = Explanation("It lowers the mapcount first.", (Ordering(first, last, "clean", ()),), chances, 200, ())
        return film, html(replayed, Typed("t"), why, film=film), at


async def test_a_step_is_shown_with_the_state_around_it() -> None:
    film, _, at = await seen()
    (number, text), (following, _) = changes(film, [at + 1, at])
    assert (at, at + 1) == (number, following)
    gone, new = ([line for line in text.splitlines() if line[0] == mark] for mark in "-+")
    assert any("mapcount 1, dirty 1" in line for line in gone) and any("mapcount 0, dirty 1" in line for line in new)
    assert any("gather " in line and f"since step {at}" in line for line in new), "who holds the reference by then"
    assert any(line.split()[1:] == ["batch", "0:", "page", "1"] for line in new), "the words of the gather"
    kept = [line for line in text.splitlines() if line[0] == " "]
    assert any("tlb[" in line and "pfn 1 W" in line for line in kept), "cpu1's TLB still has the page"
    assert any("ptl[0] held by cpu0 munmap" in line for line in kept)


async def test_the_page_names_functions_states_and_the_steps_it_hangs_on() -> None:
    film, text, at = await seen()
    page = pages.read(text)
    (found,) = [one for one in origins(film, [at]) if one.function == "folio_remove_rmap_ptes"]
    assert "mm/rmap.c, v6.9" == found.kernel and found.model.startswith("sim/mm/rmap.py:")
    assert found.model in page.text
    assert {"id": f"state{at}", "tabindex": "0"} in page.all("pre")
    assert f"#state{at}" in [link["href"] for link in page.all("a")]
    assert 1 == sum(row.get("class") == "marked" for row in page.all("tr"))
    assert "before hw1 drops TLB entry (g), which was still to come" in page.text
    assert ["svg", "svg chart"] == [picture["class"] for picture in page.all("svg")]


def test_functions_that_the_kernel_has_elsewhere() -> None:
    """Each is a function of the model, and not of hardware or of a patch."""
    assert CATALOGUE.list("profiles") and {name.rpartition(".")[2] for name in ELSEWHERE} <= {
        site.function for site in SITES
    }
    assert "include/linux/mm.h, v6.9" == kernel_file("folio_mapped", str(rmap.__file__))
    assert ["mm/rmap.c, v6.9", ""] == [kernel_file("folio_referenced", str(m.__file__)) for m in (rmap, pages)]


def test_each_function_has_one_file_of_the_kernel() -> None:
    """Whatever module of the model its steps are made in."""
    for info in pkgutil.walk_packages(sim.__path__, "sim."):
        module = importlib.import_module(info.name)
        for function in set(re.findall(r'site\(\s*"(\w+)"', Path(str(module.__file__)).read_text())):
            found = kernel_file(function, str(module.__file__)).split(", ")
            assert len(found) <= 2 and not found[0].startswith("v"), (info.name, function, found)
            assert all(re.fullmatch(r"v\d+\.\d+", version) for version in found[1:]), (info.name, function, found)


async def test_a_page_without_a_curve_says_why() -> None:
    async with replay(await violating()) as replayed:
        assert "zapstress explain of its folder finds it out" in html(replayed, Typed("t"))
        late = Explanation("Too early.", (), (), 0, ())
        assert "explain had no time left" in html(replayed, Typed("t"), late)
        assert "is not known" not in html(replayed, Typed("t"), replace(late, chances=(0.5, 1.0)))


async def test_a_page_says_what_hw1_is_where_it_names_it() -> None:
    """The sentence of C02 names it, and it has no column of its own."""
    async with replay(await violating()) as replayed:
        early = Explanation("munmap lowers mapcount before hw1 drops TLB entry.", (), (), 0, ())
        text = pages.read(html(replayed, Typed("t"), early)).text
        assert ". hw and a number is what the hardware of that CPU does by itself, as dropping TLB entries. " in text
        late = replace(early, sentence="munmap lowers mapcount.")
        hardware = any(name.startswith("hw") for name in picture(replayed).actors)
        assert hardware == ("hw and a number" in html(replayed, Typed("t"), late))


async def test_the_failure_as_markdown() -> None:
    """As a reader of Markdown sees it: headings, lines that are kept, a table."""
    camera = Camera()
    async with replay(await violating(), look=camera.look) as replayed:
        text = markdown(replayed, Typed("a `b`"), None, film_of(replayed, camera, CATALOGUE))
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    heads = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    assert heads[1:] == ["What must be true instead", "How it came to that", "To see it again", "The functions"]
    assert heads[0].startswith("BUG: writable-after-clean in folio")
    fences = [token.content for token in tokens if token.type == "fence"]
    assert "mapcount -1: page_mapcount[1] 1 -> 0" in fences[0] and "zapstress show 'a `b`'\n" in fences
    cells = [token.content for token in tokens if token.type == "inline"]
    assert "mm/rmap.c, v6.9" in cells


def test_of_a_long_state_what_has_changed_is_shown() -> None:
    before = [f"line {number}" for number in range(LINES_MAX)]
    shown = difference(before, [*before[:30], "new", *before[31:]]).splitlines()
    assert ["- line 30", "+ new"] == [line for line in shown if line[0] != " "]
    assert f"  ... {30 - AROUND} lines without a change" == shown[0] and 2 * AROUND + 4 == len(shown)


def test_words_of_a_gather() -> None:
    assert ["page 1 (rmap removal delayed)", "page 2", "count 3", "page 4"] == list(entries([5, 10, 12, 16]))
