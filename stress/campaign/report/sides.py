"""The table of a comparison (``campaign --versus``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def table(sides: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the table of a comparison: a column per side, a row per signature."""
    if not sides:
        return
    names = {row["signature"]: f"{row['signature']}  {row['checker']} {row['title']}" for row in _rows(sides)}
    seen = [
        {row["signature"]: f"{row['count']}, first in {row['first']}" for row in side["violations"]} for side in sides
    ]
    rows = [["the same seeds", *map(side_name, sides)], ["executions", *(str(side["executions"]) for side in sides)]]
    rows += [[name, *(cells.get(signature, "-") for cells in seen)] for signature, name in names.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _rows(sides: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the failures of all sides."""
    for side in sides:
        yield from side["violations"]


def side_name(side: dict[str, Any]) -> str:
    """Return what a side is called in the table."""
    return " ".join(side["patch"]) or "unpatched"
