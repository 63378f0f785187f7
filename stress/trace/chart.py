"""A small chart as SVG: lines over an axis of time or of steps, each named where it ends.

Lines differ by their dashes too, so that they are told apart in print and without colours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10
from xml.etree import ElementTree

from stress.output import printable

WIDTH, HEIGHT = 440, 210
LEFT, RIGHT, TOP, BOTTOM = 62, 84, 10, 38
"""Pixels of the whole, and of the margins around the field: the last has the names of lines to its
right.
"""

LINE_HEIGHT = 14
TICKS = 4
"""Parts into which an axis is divided, at most."""

Words = Callable[[float], str]


@dataclass(frozen=True)
class Line:
    """A line: its name, and its points from left to right, as (x, y), all 0 or more."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Axis:
    """An axis from 0 to ``end``, which is more: what it measures, how a number on it is written."""

    name: str
    end: float
    words: Words = "{:,.0f}".format

    @property
    def ticks(self) -> list[float]:
        """The numbers that are written at it: round ones, and 0."""
        step = rounded(self.end / TICKS)
        return [step * number for number in range(int(self.end / step + 1e-9) + 1)]


def rounded(least: float) -> float:
    """Return the smallest number that begins with 1, 2 or 5, has zeros else, and is no less."""
    power = 10.0 ** floor(log10(least))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= least * (1 - 1e-9))


def chart(title: str, x: Axis, y: Axis, lines: Sequence[Line]) -> str:
    """Return the chart; ``title`` says what it shows to those who do not see it."""
    size = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "class": "svg chart", "role": "img"}
    root = ElementTree.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size})
    ElementTree.SubElement(root, "title").text = printable(title)

    def at(across: float, up: float) -> tuple[float, float]:
        wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return round(LEFT + wide * across / x.end, 1), round(TOP + high * (1 - up / y.end), 1)

    for value in y.ticks:
        (left, level), (right, _) = at(0, value), at(x.end, value)
        rule(root, f"M {left} {level} H {right}", "grid")
        write(root, left - 6, level + 4, y.words(value), "end")
    for value in x.ticks:
        across, level = at(value, 0)
        rule(root, f"M {across} {level} v 4", "axis")
        write(root, across, level + 17, x.words(value), "middle")
    write(root, at(x.end / 2, 0)[0], HEIGHT - 4, x.name, "middle")
    levels: list[float] = []
    for number, line in enumerate(lines):
        places = [at(*point) for point in line.points]
        rule(root, "M " + " L ".join(f"{across} {level}" for across, level in places), f"line line{number}")
        levels.append(apart(places[-1][1] + 4, levels))
        write(root, WIDTH - RIGHT + 6, levels[-1], line.name, "start")
    return ElementTree.tostring(root, encoding="unicode")


def apart(wanted: float, taken: Sequence[float]) -> float:
    """Return a height for a name, as near to the wanted one as leaves each its own line."""
    for other in sorted(taken):
        if abs(wanted - other) < LINE_HEIGHT:
            wanted = other + LINE_HEIGHT
    return wanted


def rule(root: ElementTree.Element, path: str, kind: str) -> None:
    """Draw a line."""
    ElementTree.SubElement(root, "path", {"d": path, "class": kind})


def write(root: ElementTree.Element, x: float, y: float, words: str, anchor: str) -> None:
    """Write a line of text."""
    place = {"x": f"{x:g}", "y": f"{y:g}", "text-anchor": anchor, "font-size": "12"}
    ElementTree.SubElement(root, "text", place).text = printable(words)
