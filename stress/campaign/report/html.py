"""A report as one page of HTML: the sentences of the mail, and what is better seen than read."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from stress.campaign.report.content import sections, title
from stress.campaign.report.facts import CellFacts, Facts, Known
from stress.output import chance_words, number_words, plural, time_words
from stress.trace.chart import Axis, Line, chart
from stress.trace.html import render
from stress.workers.measure.bound import CONFIDENCE

FIRST = ("Found", "The unpatched kernel shows these too", "Expected")
"""Sections that come before all others on a page: who opens one wants to know."""

HEATS = 4
"""Shades of the table of operations that overlapped."""

BAR_PIXELS = 600

SECONDS_MIN, SECONDS_MAX = 1e-3, 1e12
"""A stranger's directory may tell of any time; beyond these there is no curve."""

UNITS = ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))
"""Of the axis of time, with their seconds."""

TEMPLATES = Path(__file__).with_name("templates")

LIVE = "live.js"
"""The script of a page that a server shows."""


@dataclass(frozen=True)
class Headline:
    """The line under the title, and how it looks."""

    words: str
    tone: str


class CellRow(NamedTuple):
    """A row of the table of scenarios and profiles."""

    cell: CellFacts
    chance: str
    risk: str
    failures: int


@dataclass(frozen=True)
class Matrix:
    """Operations that overlapped: how often each pair did, and the shade of its cell."""

    names: list[str]
    rows: list[tuple[str, list[tuple[int, int]]]]


def html(facts: Facts, live: str = "") -> str:
    """Return the report as a page. Raises Skipped if jinja2 is not installed.

    ``live`` is the tag of a page that a server shows: it asks its server for a newer one when there
    is one, and links to the pages of failures.
    """
    return render(
        "campaign.html.j2",
        title(facts),
        TEMPLATES,
        (TEMPLATES / LIVE).read_text() if live else "",
        live=live,
        facts=facts,
        verdict=verdict(facts),
        sections=sorted(sections(facts), key=lambda section: section.title not in FIRST),
        confidence=CONFIDENCE,
        cells=cells(facts),
        matrix=matrix(facts.pairs),
        curve=curve(facts),
        growth_words=growth_words(facts),
        bar=bar(facts),
    )


def verdict(facts: Facts) -> Headline:
    """Return the verdict in a line."""
    found = [failure for failure in facts.findings if failure.expected is None]
    own = [failure for failure in found if not failure.unpatched]
    if own:
        return Headline(f"{plural(len(own), 'failure')} found", "bad")
    if found:
        return Headline("No failure that the unpatched kernel has not too", "warn")
    if facts.executions <= facts.inconclusive:
        return Headline("Nothing is known: no execution came to a verdict", "warn")
    return Headline(f"No failure in {plural(facts.executions, 'execution')}; nothing is proved by that", "good")


def cells(facts: Facts) -> list[CellRow]:
    """Return the rows of the table of scenarios and profiles."""
    failed: dict[tuple[str, str], int] = {}
    for found in facts.findings:
        for seen in found.where:
            failed[seen.scenario, seen.profile] = failed.get((seen.scenario, seen.profile), 0) + seen.count
    return [
        CellRow(
            cell,
            chance_words(cell.chance) if cell.opened else "-",
            chance_words(cell.risk),
            failed.get((cell.scenario, cell.profile), 0),
        )
        for cell in facts.cells
    ]


def known(facts: Facts) -> list[Known]:
    """Return the points of the curve of classes: those that were kept, and what is known by now."""
    kept = [point for point in facts.growth if point.elapsed_s < facts.elapsed_s]
    return [*kept, Known(facts.elapsed_s, facts.measured, facts.classes)]


def curve(facts: Facts) -> str:
    """Return the curve of classes over time as a chart; ``""`` if there is nothing to draw."""
    points = known(facts)
    if len(points) < 2 or not facts.measured or not SECONDS_MIN < facts.elapsed_s < SECONDS_MAX:
        return ""
    unit, name = next((unit, name) for unit, name in UNITS if facts.elapsed_s >= 2 * unit or unit == 1)
    measured = tuple((point.elapsed_s / unit, float(point.measured)) for point in points)
    classes = tuple((point.elapsed_s / unit, float(point.classes)) for point in points)
    most = float(max(point.measured for point in points))
    lines = (Line("classes", classes), Line("measured", measured))
    words = "{:,g}".format
    return chart(growth_words(facts), Axis(name, measured[-1][0], words), Axis("executions", most), lines)


def growth_words(facts: Facts) -> str:
    """Return the curve of classes in a sentence."""
    points = known(facts)
    late = max(
        (point for point in points if point.elapsed_s <= facts.elapsed_s / 2),
        key=attrgetter("elapsed_s"),
        default=Known(0.0, 0, 0),
    )
    new, more = facts.classes - late.classes, facts.measured - late.measured
    return (
        f"{plural(facts.classes, 'class')} of executions were known after {time_words(facts.elapsed_s)}. The second"
        f" half of the time has brought {number_words(new)} of them, in {plural(more, 'measured execution')}."
    )


def matrix(pairs: dict[str, int]) -> Matrix:
    """Return the table of operations that overlapped, by names; keys are ``first / second``."""
    found = {tuple(key.split(" / ", 1)): count for key, count in pairs.items() if " / " in key}
    names = sorted({name for pair in found for name in pair})
    most = max(found.values(), default=1)
    return Matrix(
        names,
        [(first, [shaded(found.get((first, second), 0), most) for second in names]) for first in names],
    )


def shaded(count: int, most: int) -> tuple[int, int]:
    """Return a count and its shade: a shade for each so many bits, so that rare pairs are seen."""
    return count, 0 if not count else 1 + (HEATS - 1) * count.bit_length() // max(1, most.bit_length())


def bar(facts: Facts) -> str:
    """Return how many sites were reached, as a bar."""
    missed = len(facts.sites_unreached)
    every = facts.sites_reached + missed
    width = round(BAR_PIXELS * facts.sites_reached / every) if every else 0
    size = {"width": str(BAR_PIXELS), "height": "24", "viewBox": f"0 0 {BAR_PIXELS} 24", "class": "svg", "role": "img"}
    root = ElementTree.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size})
    ElementTree.SubElement(root, "title").text = f"{facts.sites_reached} of {plural(every, 'site')} reached"
    ElementTree.SubElement(root, "rect", {"width": str(BAR_PIXELS), "height": "24", "class": "box"})
    ElementTree.SubElement(root, "rect", {"width": str(width), "height": "24", "class": "tip"})
    return ElementTree.tostring(root, encoding="unicode")
