"""An execution as Markdown, for a merge request or a mail: why it failed, which rule was broken,
the interleaving as text, where its functions are, and the commands that show it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from stress.output import printable
from stress.patch.typed import TYPED_THERE
from stress.trace import explanation
from stress.trace.html import commands
from stress.trace.picture import picture
from stress.trace.report import headline, page
from stress.trace.shell.origins import Origin, origins

if TYPE_CHECKING:
    from stress.patch.typed import Typed
    from stress.trace.explanation import Explanation
    from stress.trace.replay import Replayed
    from stress.trace.shell.film import Film

SPECIAL = re.compile(r"([\\`*_\[\]<>|~#])")
"""Characters that Markdown, or the HTML in it, would take as its own."""

FENCE = "~~~~"


def markdown(replayed: Replayed, typed: Typed, explained: Explanation | None, film: Film | None) -> str:
    """Return an execution as Markdown, with why it fails if it is ``explained``, and where its
    functions are if there is a ``film`` of it; ``typed`` names it in commands.
    """
    trace, violation = replayed.trace, replayed.outcome.verdict.violation
    message = trace.ending.message or trace.ending.reason or "nothing was violated"
    lines = [f"# {escaped(headline(trace))}", "", f"**{escaped(message)}**"]
    if explained is not None:
        why = explanation.lines(explained, trace.steps)
        lines += ["", "## Why", "", *(f"- {name}: {escaped(words)}" for name, words in why)]
    if violation is not None:
        rule = violation.rule or f"{violation.checker} {violation.title}"
        lines += ["", "## What must be true instead", "", escaped(rule)]
    lines += ["", "## How it came to that", *fenced(page(replayed, typed))]
    lines += ["## To see it again", "", *([TYPED_THERE, ""] if typed.there else [])]
    for words, command in commands(typed):
        lines += [f"- {words}", *fenced(command, "  ")]
    shown = [row.number for row in picture(replayed).rows]
    return "\n".join([*lines, *functions(origins(film, shown) if film is not None else [])]).rstrip() + "\n"


def functions(found: Sequence[Origin]) -> Iterator[str]:
    """Yield the table of functions, if there is any."""
    if found:
        yield from ("## The functions", "", "| function | kernel | here |", "| --- | --- | --- |")
    for row in found:
        yield f"| {escaped(row.function)} | {escaped(row.kernel) or '-'} | {escaped(row.model)} |"


def fenced(text: str, indent: str = "") -> Iterator[str]:
    """Yield a text that keeps its lines; indented it is within a point of a list."""
    fence = FENCE
    while fence in text:
        fence += "~"
    yield from ("", f"{indent}{fence}", *(f"{indent}{printable(line)}".rstrip() for line in text.splitlines()))
    yield from (f"{indent}{fence}", "")


def escaped(text: str) -> str:
    """Return a text in one line that Markdown shows as it is."""
    return SPECIAL.sub(r"\\\1", " ".join(printable(text).split()))
