"""Standard output and standard error: everything that people or programs are shown goes through
here.

Names of files, traces, programs and results directories may come from strangers, so that control
characters are shown as what they are (``\\x1b``) and never reach a terminal: they could colour,
erase, retitle, or turn text around. An output that cannot be written raises OutputError. A reader
that has closed its pipe is no error: the rest is dropped, and the exit status stays what it is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
from typing import Any, TextIO

from stress.errors import FAILED, ZapstressError

CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters that act on a terminal, turn the direction of text or are not seen, and halves of
characters; a newline and a tab are none.
"""

COMMAND = re.compile("(?:^|[:;] |  )zapstress [a-z]")
"""Where a command begins that is printed to be typed."""

STREAMS = ("stdout", "stderr")
NAMES = {"stdout": "standard output", "stderr": "standard error"}


class OutputError(ZapstressError):
    """Standard output or standard error is closed, or cannot be written."""

    exit_status = FAILED


def printable(text: str) -> str:
    """Return ``text`` with every control character spelt out."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def number_words(number: float) -> str:
    """Return a number as people read it: with a comma at each thousand."""
    return f"{number:,.0f}"


def plural(number: float, noun: str) -> str:
    """Return a count of things in words."""
    ending = "es" if noun.endswith("s") else "s"
    return f"{number_words(number)} {noun}{ending if number != 1 else ''}"


def time_words(seconds: float) -> str:
    """Return a time as people read it, in its two largest units: ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    units = (("d", whole // 86400), ("h", whole // 3600 % 24), ("min", whole // 60 % 60), ("s", whole % 60))
    first = next(at for at, (_, amount) in enumerate(units) if amount)
    return " ".join(f"{amount} {unit}" for unit, amount in units[first : first + 2] if amount)


def chance_words(chance: float) -> str:
    """Return a chance as people read it."""
    return f"{chance:.2g}" if chance >= 0.001 else f"{chance:.1e}"


def put(text: str) -> None:
    """Write ``text`` and a newline to standard output. Raises OutputError."""
    _write("stdout", fitted(printable(text)))


def put_whole(text: str) -> None:
    """Write a text that a program reads, a script or a page, and a newline to standard output: its
    lines are not folded. Raises OutputError.
    """
    _write("stdout", printable(text))


def put_json(data: dict[str, Any]) -> None:
    """Write one JSON object to standard output. Raises OutputError."""
    _write("stdout", json.dumps(data, indent=2 if sys.stdout is not None and sys.stdout.isatty() else None))


class _Talk:
    """How much is said on standard error."""

    level = 0
    """-1 is nothing but errors, 1 is more than is usual."""


def talk(quiet: bool, verbose: bool) -> None:
    """Say less on standard error from here on, or more."""
    _Talk.level = verbose - quiet


def is_quiet() -> bool:
    """Return whether only errors are to be told."""
    return _Talk.level < 0


def says_more() -> bool:
    """Return whether more than is usual is to be said."""
    return _Talk.level > 0


def tell(line: str) -> None:
    """Write a line to standard error, unless only errors are to be told. Raises OutputError."""
    if not is_quiet():
        complain(line)


def detail(line: str) -> None:
    """Write a line to standard error if more than is usual is to be said. Raises OutputError."""
    if says_more():
        complain(line)


def complain(line: str) -> None:
    """Write a line about what is wrong to standard error. Raises OutputError."""
    _write("stderr", printable(" ".join(line.splitlines())))


def require() -> None:
    """Raise OutputError if one of the two is closed.

    Files that are opened later would get its descriptor, and whatever is printed would go there.
    """
    for name in STREAMS:
        if getattr(sys, name) is None:
            raise OutputError(f"{NAMES[name]} is closed; open it, or send it to /dev/null")


def columns() -> int | None:
    """Return how many columns the reader of standard output has; None if it is no terminal."""
    if "COLUMNS" not in os.environ and not (sys.stdout is not None and sys.stdout.isatty()):
        return None
    return max(20, shutil.get_terminal_size().columns)


def fitted(text: str) -> str:
    """Return ``text`` with lines that a terminal would break in mid-word broken between words, and
    indented as they began. A line that ends in a command stays whole, so that it can be typed.
    """
    width = columns()
    if width is None:
        return text
    return "\n".join(part for line in text.split("\n") for part in _broken(line, width))


def _broken(line: str, width: int) -> list[str]:
    if len(line) <= width or COMMAND.search(line):
        return [line]
    indent = " " * min(len(line) - len(line.lstrip()) + 2, width // 2)
    made = textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
    return made or [line]


def settle(name: str = "stdout") -> None:
    """Send standard output, or standard error, to /dev/null from here on."""
    stream: TextIO | None = getattr(sys, name)
    if stream is None:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _write(name: str, text: str) -> None:
    stream: TextIO | None = getattr(sys, name)
    if stream is None:
        raise OutputError(f"{NAMES[name]} is closed; open it, or send it to /dev/null")
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        stream.flush()
    except BrokenPipeError:
        settle(name)
    except (OSError, ValueError) as error:
        if stream.closed:
            raise OutputError(f"{NAMES[name]} is closed; open it, or send it to /dev/null") from error
        settle(name)
        raise OutputError(
            f"{NAMES[name]} cannot be written ({getattr(error, 'strerror', error)}); send it elsewhere"
        ) from error
