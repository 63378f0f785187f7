"""What people type, parsed: places, sites, conditions. Nothing that is typed is executed."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from stress.errors import UsageError

PLACE = re.compile(r"(\w+)\s*\[\s*(\w+)\s*\]")
RANGE = re.compile(r"(\w+)\s*\[\s*(\w+)\s*:\s*(\w+)\s*\]")
COMPARISON = re.compile(r"([^<>=!]+?)\s*(==|!=|<=|>=|<|>)\s*([^<>=!]+)")
AND = re.compile(r"\s+and\s+|\s*&&\s*")

OPERATORS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}

Cell = tuple[str, int]
"""A column and an index into it."""


@dataclass(frozen=True)
class Comparison:
    """Two operands, each a cell or a number, and what is asked of them."""

    left: Cell | int
    sign: str
    right: Cell | int

    def holds(self, value: Callable[[str, int], int]) -> bool:
        """Return whether it is true where ``value`` says what cells hold."""
        left, right = (side if isinstance(side, int) else value(*side) for side in (self.left, self.right))
        return OPERATORS[self.sign](left, right)


def close(name: str, names: Iterable[str]) -> str:
    """Return the words that say what ``name`` may be meant to be; empty if nothing is close."""
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else ""


def number(text: str) -> int:
    """Parse a number, decimal or 0x. Raises UsageError."""
    try:
        return int(text.strip(), 0)
    except ValueError:
        raise UsageError(f"'{text.strip()}' is no number") from None


def column(name: str, counts: Mapping[str, int]) -> str:
    """Return ``name`` if it is a column with cells. Raises UsageError."""
    if name not in counts:
        raise UsageError(f"no column '{name}'{close(name, counts) or '; info columns lists them'}")
    if not counts[name]:
        raise UsageError(f"column {name} has no cells in this world")
    return name


def cell(text: str, counts: Mapping[str, int]) -> Cell:
    """Parse ``COLUMN[INDEX]``. Raises UsageError."""
    found = PLACE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"'{text.strip()}' is no cell; write COLUMN[INDEX], as page_ref[3]")
    name, index = column(found[1], counts), number(found[2])
    if not 0 <= index < counts[name]:
        raise UsageError(f"{name} has cells 0 to {counts[name] - 1}, and no {index}")
    return name, index


def cells(text: str, counts: Mapping[str, int]) -> tuple[str, range]:
    """Parse ``COLUMN``, ``COLUMN[INDEX]`` or ``COLUMN[FIRST:END]``. Raises UsageError."""
    text = text.strip()
    if text.isidentifier():
        return column(text, counts), range(counts[text])
    found = RANGE.fullmatch(text)
    if found is None:
        name, index = cell(text, counts)
        return name, range(index, index + 1)
    name, first, end = column(found[1], counts), number(found[2]), number(found[3])
    if not 0 <= first < end <= counts[name]:
        raise UsageError(f"{name} has cells 0 to {counts[name] - 1}; {first}:{end} are none of them")
    return name, range(first, end)


def condition(text: str, counts: Mapping[str, int]) -> tuple[Comparison, ...]:
    """Parse comparisons that are joined by ``and``. Raises UsageError."""
    return tuple(comparison(part, counts) for part in AND.split(text.strip()))


def comparison(text: str, counts: Mapping[str, int]) -> Comparison:
    """Parse a comparison, as ``page_ref[3] == 0``. Raises UsageError."""
    found = COMPARISON.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"'{text.strip()}' is no comparison; write one as page_ref[3] == 0")
    return Comparison(operand(found[1], counts), found[2], operand(found[3], counts))


def operand(text: str, counts: Mapping[str, int]) -> Cell | int:
    """Parse a cell or a number. Raises UsageError."""
    return cell(text, counts) if "[" in text else number(text)


def site(text: str, names: Iterable[str]) -> str:
    """Return ``text`` if it is a site, or the function of one, among ``names``, which are as
    ``function: label``. Raises UsageError.
    """
    wanted, known = " ".join(text.split()), list(names)
    functions = {name.partition(":")[0] for name in known}
    if wanted not in functions and wanted not in known:
        raise UsageError(f"no step of this trace is in '{wanted}'{close(wanted, functions)}")
    return wanted
