"""The interleaving of an execution as a picture: its steps in columns, and arrows from a write to
the step of another actor that saw it. Here are its parts as plain data, and the SVG.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from stress.execution.steps import Step, steps
from stress.output import printable
from stress.trace.relations import ReadsFrom, reads_from
from stress.trace.report import headline, selection

if TYPE_CHECKING:
    from stress.trace.replay import Replayed

COLUMN, BOX, ROW, HEAD, MARGIN = 388, 344, 40, 30, 65
"""Pixels: how wide a column and a box in it are, how high a row and the names of the columns, and
the room to the left for the numbers.
"""

LINE_CHARACTERS = 46
"""Characters of a line in a box."""

TIP = "M 0 0 L 8 4 L 0 8 z"


@dataclass(frozen=True)
class PictureRow:
    """A step: the column of its actor, what it does, and which writes of others it sees.

    ``hidden`` is how many steps before it are left out. A rule was broken ``here``; a ``marked``
    step is one that this hangs on.
    """

    number: int
    column: int
    label: str
    effect: str
    sees: tuple[ReadsFrom, ...]
    hidden: int
    here: bool
    marked: bool


@dataclass(frozen=True)
class Picture:
    """The columns, by the names of their actors, and the rows."""

    actors: tuple[str, ...]
    rows: tuple[PictureRow, ...]


def picture(replayed: Replayed, whole: bool = False, marked: frozenset[int] = frozenset()) -> Picture:
    """Return the picture of the steps that a failure's page shows, of those that are ``marked``,
    and of those that wrote what they saw of other actors; or of the ``whole`` execution.
    """
    made = list(steps(replayed.outcome.finished))
    violation = replayed.outcome.verdict.violation
    flows = reads_from(made)
    numbers = {step.number for step in (made if whole else selection(made, violation))}
    numbers |= marked & {step.number for step in made}
    numbers |= {flow.writer for flow in flows if flow.reader in numbers}
    shown = [step for step in made if step.number in numbers]
    slots = sorted({step.slot for step in shown})
    names = tuple(replayed.outcome.finished.actor_name(slot) for slot in slots)
    return Picture(names, tuple(rows_of(shown, slots, flows, len(made) if violation else 0, marked)))


def rows_of(
    shown: Sequence[Step], slots: list[int], flows: Sequence[ReadsFrom], here: int, marked: frozenset[int]
) -> Iterator[PictureRow]:
    """Yield the rows of steps; ``here`` is the number of the step at which a rule was broken."""
    sees: dict[int, list[ReadsFrom]] = {}
    for flow in flows:
        sees.setdefault(flow.reader, []).append(flow)
    numbers = {step.number for step in shown}
    last = 0
    for step in shown:
        seen = tuple(flow for flow in sees.get(step.number, ()) if flow.writer in numbers)
        hidden, last = step.number - last - 1, step.number
        column = slots.index(step.slot)
        yield PictureRow(
            step.number,
            column,
            step.site.name,
            step.effect(),
            seen,
            hidden,
            step.number == here,
            step.number in marked,
        )


def svg(shown: Picture, title: str) -> str:
    """Return the picture as SVG, as it stands in a page or alone."""
    height = HEAD + ROW * len(shown.rows) + 10
    size = {"width": str(MARGIN + COLUMN * max(1, len(shown.actors))), "height": str(height)}
    box = {"viewBox": f"0 0 {size['width']} {height}", "class": "svg", "role": "img"}
    root = ElementTree.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size, **box})
    ElementTree.SubElement(root, "title").text = printable(title)
    tips = ElementTree.SubElement(ElementTree.SubElement(root, "defs"), "marker", MARKER)
    ElementTree.SubElement(tips, "path", {"d": TIP, "class": "tip"})
    for column, name in enumerate(shown.actors):
        put_text(root, MARGIN + COLUMN * column, HEAD - 12, name, "head")
    place = {row.number: (row.column, HEAD + ROW * at) for at, row in enumerate(shown.rows)}
    for row in shown.rows:
        add_row(root, row, *place[row.number])
    for row in shown.rows:
        for flow in row.sees:
            ElementTree.SubElement(root, "path", arrow(place[flow.writer], place[flow.reader]))
    return ElementTree.tostring(root, encoding="unicode")


ALONE = (
    ".svg{background:#fff;font-family:monospace}.box{fill:#f3f5f8;stroke:#d0d7de}.here{stroke:#a40e26;stroke-width:3}"
    ".marked{stroke:#7a4a00;stroke-width:2.5}"
    ".arrow{fill:none;stroke:#0550ae;stroke-width:1.5}.tip{fill:#0550ae}.head{font-weight:600}.gap{fill:#57606a}"
)
"""The style of a picture that stands alone; in a page it has the page's."""


def alone(replayed: Replayed, marked: frozenset[int] = frozenset()) -> str:
    """Return the picture of an execution as an SVG file; ``marked`` steps have a frame."""
    text = svg(picture(replayed, marked=marked), headline(replayed.trace))
    return text.replace("<title>", f"<style>{ALONE}</style><title>", 1) + "\n"


MARKER = {"id": "tip", "markerWidth": "8", "markerHeight": "8", "refX": "8", "refY": "4", "orient": "auto"}


def add_row(root: ElementTree.Element, row: PictureRow, column: int, y: int) -> None:
    """Draw a step."""
    x = MARGIN + COLUMN * column
    put_text(root, 4, y + 20, f"{'... ' if row.hidden else ''}{row.number}", "gap")
    kind = "box here" if row.here else "box marked" if row.marked else "box"
    size = {"width": str(BOX), "height": str(ROW - 6), "rx": "4"}
    ElementTree.SubElement(root, "rect", {"x": str(x), "y": str(y), **size, "class": kind})
    for at, words in enumerate((row.label, row.effect)):
        put_text(root, x + 6, y + 14 + 14 * at, textwrap.shorten(words, LINE_CHARACTERS, placeholder="..."), "")


def put_text(root: ElementTree.Element, x: int, y: int, words: str, kind: str) -> None:
    """Write a line."""
    more = {"class": kind} if kind else {}
    ElementTree.SubElement(root, "text", {"x": str(x), "y": str(y), "font-size": "12", **more}).text = printable(words)


def arrow(start: tuple[int, int], end: tuple[int, int]) -> dict[str, str]:
    """Return the attributes of an arrow from a step's box to another's, by column and height."""
    right = end[0] > start[0]
    x1 = MARGIN + COLUMN * start[0] + (BOX if right else 0)
    x2 = MARGIN + COLUMN * end[0] + (0 if right else BOX)
    y1, y2 = start[1] + ROW - 12, end[1] + 10
    bend = 40 if right else -40
    path = f"M {x1} {y1} C {x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    return {"d": path, "class": "arrow", "marker-end": "url(#tip)"}
