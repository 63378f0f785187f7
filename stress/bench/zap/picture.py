"""The table of ``bench zap`` as a picture: nanoseconds per page against folio size, both on
logarithmic scales; a band from the least to the most of the runs. Curves differ by dashes and
marks as well as by colour, so that they do in print. Where a size was not measured a curve is
broken.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from math import ceil, floor, log2
from typing import Any

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 520, 70, 190, 50, 60
LETTERS = 'font-family="sans-serif" font-size="13"'
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9")
DASHES = ("", "7 3", "2 3", "10 3 2 3", "4 4", "1 2", "12 4", "12 3 4 3")
RUNNING = "running kernel"
SPREAD = "bands: least to most"

Point = tuple[int, float, float, float]
"""A folio size in KiB; of the nanoseconds per page the median, the least and the most."""


def drawn(data: dict[str, Any]) -> str:
    """Return the picture, an SVG."""
    curves = curves_of(data)
    values = [value for points in curves.values() for _, *point in points for value in point] or [1.0, 10.0]
    scale = Scale([row["folio_kib"] for row in data["rows"]], min(values), max(values))
    title = f"{data['operation']} of {data['size_bytes'] >> 20} MiB on {data['profile']}: ns per page by folio size"
    body = [
        *scale.axes(),
        *(line for k, points in enumerate(curves.values()) for line in band(scale, k, points)),
        *(line for k, name in enumerate(curves) for line in curve(scale, k, name, curves[name])),
        f'<text x="{WIDTH - RIGHT + 20}" y="{TOP + 22 + 22 * len(curves)}" font-size="11">{SPREAD}</text>',
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {LETTERS}>',
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            f'<text x="{LEFT}" y="26" font-size="16">{escape(title)}</text>',
            *body,
            "</svg>",
            "",
        ]
    )


def curves_of(data: dict[str, Any]) -> dict[str, list[Point]]:
    """Return for each kernel its points."""
    found: dict[str, list[Point]] = {}
    for row in data["rows"]:
        for name, spread in [*row["kernels"].items(), (RUNNING, row["running_kernel"])]:
            if spread:
                three = (spread["ns_per_page"], spread["ns_per_page_min"], spread["ns_per_page_max"])
                found.setdefault(name, []).append((row["folio_kib"], *three))
    return found


class Scale:
    """Where a folio size and a time stand on the page."""

    def __init__(self, sizes: list[int], least: float, most: float) -> None:
        self.sizes = sizes
        self.low, self.high = floor(log2(least)), max(ceil(log2(most)), floor(log2(least)) + 1)

    def x(self, kib: int) -> float:
        """Return the place of a folio size."""
        first, last = log2(self.sizes[0]), log2(self.sizes[-1])
        return LEFT + (WIDTH - LEFT - RIGHT) * (log2(kib) - first) / max(1, last - first)

    def y(self, ns: float) -> float:
        """Return the place of a time."""
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (log2(ns) - self.low) / (self.high - self.low)

    def pieces(self, points: list[Point]) -> list[list[Point]]:
        """Return the pieces of a curve, of sizes that follow each other."""
        found: list[list[Point]] = []
        for point in points:
            at = self.sizes.index(point[0])
            if not found or self.sizes.index(found[-1][-1][0]) != at - 1:
                found.append([])
            found[-1].append(point)
        return found

    def axes(self) -> Iterator[str]:
        """Yield the axes, with a line for each size and each power of two."""
        for kib in self.sizes:
            x, words = self.x(kib), f"{kib}K" if kib < 1024 else f"{kib // 1024}M"
            yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#dddddd"/>'
            yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{words}</text>'
        for power in range(self.low, self.high + 1):
            y = self.y(2.0**power)
            yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="#dddddd"/>'
            yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{2.0**power:g}</text>'
        yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 14}" text-anchor="middle">size of folios</text>'
        middle = (TOP + HEIGHT - BOTTOM) / 2
        yield f'<text x="20" y="{middle}" text-anchor="middle" transform="rotate(-90 20 {middle})">ns per page</text>'


def band(scale: Scale, number: int, points: list[Point]) -> Iterator[str]:
    """Yield the band of a curve; of a size that stands alone, a line."""
    colour = COLOURS[number % len(COLOURS)]
    for piece in scale.pieces(points):
        upper = [f"{scale.x(kib):.1f},{scale.y(most):.1f}" for kib, _, _, most in piece]
        lower = [f"{scale.x(kib):.1f},{scale.y(least):.1f}" for kib, _, least, _ in reversed(piece)]
        look = f'stroke="{colour}"' if len(piece) == 1 else f'fill="{colour}" fill-opacity="0.15"'
        yield f'<polygon points="{" ".join(upper + lower)}" {look}/>'


def curve(scale: Scale, number: int, name: str, points: list[Point]) -> Iterator[str]:
    """Yield one curve, its marks and its line in the legend."""
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    look = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}" fill="none"'
    for piece in scale.pieces(points):
        line = " ".join(f"{scale.x(kib):.1f},{scale.y(ns):.1f}" for kib, ns, _, _ in piece)
        yield f'<polyline points="{line}" {look}/>'
    yield from (mark(number, scale.x(kib), scale.y(ns), colour) for kib, ns, _, _ in points)
    x, y = WIDTH - RIGHT + 20, TOP + 10 + 22 * number
    yield f'<line x1="{x}" y1="{y}" x2="{x + 34}" y2="{y}" {look}/>'
    yield mark(number, x + 17, y, colour)
    yield f'<text x="{x + 42}" y="{y + 4}">{escape(name)}</text>'


def mark(number: int, x: float, y: float, colour: str) -> str:
    """Return the mark of a point: a circle, a square or a triangle, full or empty."""
    fill = colour if number % 2 == 0 else "#ffffff"
    look = f'fill="{fill}" stroke="{colour}"'
    if number % 3 == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" {look}/>'
    if number % 3 == 1:
        return f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" {look}/>'
    return f'<polygon points="{x:.1f},{y - 4.5:.1f} {x + 4:.1f},{y + 3:.1f} {x - 4:.1f},{y + 3:.1f}" {look}/>'
