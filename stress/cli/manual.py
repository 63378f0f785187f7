"""Print the manual page: zapstress manual > zapstress.1, and man ./zapstress.1."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from stress.cli.parsers import ABOUT, COMMANDS, STATUSES, options_of, parser_of
from stress.errors import CLEAN
from stress.output import put_json, put_whole

SAME = ("json", "quiet", "verbose")
"""Options of every command: they are told once."""

ENVIRONMENT = {
    "ZAPSTRESS_TRACEBACK": "if it is set, an error is told with the place where it was raised",
    "NO_COLOR": "if it is set, progress on a terminal has no colours (no-color.org)",
    "COLUMNS": "how wide what is printed may be, if it is not the terminal's width",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no options of its own."""


def run(args: argparse.Namespace) -> int:
    """Print the page."""
    from stress.sources import version

    page = "\n".join(page_lines(version()))
    put_json({"page": page}) if args.json else put_whole(page)
    return CLEAN


def page_lines(version: str) -> Iterator[str]:
    """Yield the page in the language of man(7)."""
    yield f'.TH ZAPSTRESS 1 "" "zapstress {roff(version)}"'
    yield from (".ad l", ".nh")
    yield from section("NAME", f"zapstress \\- {roff(ABOUT[0].lower() + ABOUT[1:].rstrip('.'))}")
    yield from section("SYNOPSIS", "\\fBzapstress\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]")
    yield from section("OPTIONS OF EVERY COMMAND")
    for action in options_of(parser_of("list")):
        if action.dest in SAME:
            yield from option(action)
    yield from section("COMMANDS")
    for name, about in COMMANDS.items():
        parser = parser_of(name)
        yield f".SS zapstress {roff(name)}"
        yield f"{roff(sentence(about))}"
        for action in options_of(parser):
            if action.dest not in SAME:
                yield from option(action, parser)
    yield from section("EXIT STATUS", *(roff(part) for part in STATUSES.partition(": ")[2].split(", ")))
    yield from section("ENVIRONMENT")
    for name, about in ENVIRONMENT.items():
        yield from (".TP", f"\\fB{roff(name)}\\fR", roff(about))


def section(title: str, *lines: str) -> Iterator[str]:
    """Yield a section; lines after the first begin anew."""
    yield f".SH {title}"
    for number, line in enumerate(lines):
        yield from (".br", line) if number else (line,)


def option(action: argparse.Action, parser: argparse.ArgumentParser | None = None) -> Iterator[str]:
    """Yield the paragraph of an option."""
    names = ", ".join(f"\\fB{roff(name)}\\fR" for name in action.option_strings)
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    value = roff(value if isinstance(value, str) else " ".join(value)).replace("|", "|\\:")  # a line may end there
    takes = "" if action.nargs == 0 else f"\\fI{value}\\fR"
    yield from (".TP", f"{names} {takes}".strip())
    words = (action.help or "") % {**vars(action), "prog": parser.prog if parser else "zapstress"}
    yield roff(sentence(words)) or "\\&"


def sentence(words: str) -> str:
    """Return words in one line, beginning with a capital and ending with a full stop."""
    plain = " ".join(words.split())
    return f"{plain[:1].upper()}{plain[1:]}{'' if plain.endswith('.') else '.'}" if plain else ""


def roff(text: str) -> str:
    """Return a text as man shows it: nothing in it is a request or an escape."""
    quoted = text.replace("\\", "\\(rs").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", quoted)
