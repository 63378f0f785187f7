"""A report as the text of a mail: what one pastes under a Tested-by. At most COLUMNS wide, in ASCII
where the facts are, and without a trailing space.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator

from stress.campaign.report.content import Point, sections, title
from stress.campaign.report.facts import Facts
from stress.output import printable
from stress.trace.explanation import Explanation, steps_of

COLUMNS = 72


def mail(facts: Facts) -> str:
    """Return the report as a mail."""
    lines = [*wrapped(title(facts), "", "  ")]
    for section in sections(facts):
        lines += ["", section.title, "-" * len(section.title)]
        for point in section.points:
            lines += lines_of(point)
    return "\n".join(lines) + "\n"


def lines_of(point: Point) -> Iterator[str]:
    """Yield the lines of a point."""
    yield from wrapped(point.text, "- ", "  ")
    if point.explanation is not None:
        yield from wrapped(point.why, "  ", "  ")
        yield from form_lines(point.explanation)
    if point.command:
        yield from shell_lines(point.command, "    ")


def form_lines(found: Explanation) -> Iterator[str]:
    """Yield the interleaving of a failure's smallest form: its steps below the actor whose turn it
    is, those with a star that the failure hangs on.
    """
    stars, turn = steps_of(found), ""
    last = found.interleaving[-1] if found.interleaving else None
    if last is not None:
        yield f"  Its smallest form{'; it hangs on the order of the steps with a star' if stars else ''}:"
    for moment in found.interleaving:
        if moment.actor != turn:
            turn = moment.actor
            yield from wrapped(turn, "    ", "    ")
        star, here = "*" if moment.step in stars else " ", " <- here" if moment is last else ""
        text = f"{moment.label}: {moment.text} ({moment.function}){here}"
        yield from wrapped(text, f"   {star}{moment.step:>4} ", " " * 11)


def wrapped(text: str, first: str, rest: str) -> list[str]:
    """Return a text broken between words; a word that is too long is broken too."""
    plain = " ".join(printable(text).split())
    return textwrap.wrap(plain, COLUMNS, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def shell_lines(command: str, indent: str) -> Iterator[str]:
    """Yield a command in lines that a shell takes as one. What continues a word begins its line."""
    line = indent
    for word in shlex.split(printable(command)):
        quoted = shlex.quote(word)
        if line.strip() and len(line) + 1 + len(quoted) > COLUMNS - 2:
            yield f"{line} \\"
            line = f"{indent}  "
        line += f" {quoted}" if line.strip() else ""
        if line.strip():
            continue
        first, *rest = pieces(word, COLUMNS - 2 - len(line))
        for piece in rest:
            yield f"{line}{first}\\"
            line, first = "", piece
        line += first
    yield line


def pieces(word: str, room: int) -> list[str]:
    """Return a word as quoted pieces that each fit into ``room`` columns."""
    found, at = list[str](), 0
    while at < len(word) or not found:
        end = len(word)
        while len(shlex.quote(word[at:end])) > room:
            end -= 1
        found.append(shlex.quote(word[at:end]))
        at = end
    return found
