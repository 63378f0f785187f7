"""Show what a function of the model becomes in the native core: its lines, and the C beside them."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stress.errors import CLEAN, UsageError
from stress.output import put_json, put_whole

if TYPE_CHECKING:
    from stress.native.translate.function import Function

LEFT, RIGHT = 60, 100
"""Columns of the model's lines and of the C."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("function", metavar="FUNCTION", help="as zap_pte_range")
    parser.add_argument("--profile", default="x86-64", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--kernel", default="6.9", metavar="VERSION", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Translate the kernel; print the function."""
    from stress.native.kernels import KernelKey, translate
    from stress.native.translate.subset import Unsupported

    try:
        found = translate(KernelKey(args.profile, args.kernel), list(args.catalogue.scenarios()), args.catalogue)
    except Unsupported as error:
        raise UsageError(f"{args.function} is not translated: {error}") from None
    functions = [function for function in found.unit.done if function.name == args.function]
    if not functions:
        reasons = sorted(set(found.left_out.values()))
        more = f"; what is left out: {reasons[0]}" if reasons else "; its name is as in sim/, as zap_pte_range"
        raise UsageError(f"no translated function of {args.kernel} on {args.profile} is called {args.function}{more}")
    if args.json:
        put_json({"functions": [{"title": function.title, "c": function.text()} for function in functions]})
    else:
        put_whole("\n\n".join(page(function) for function in functions))
    return CLEAN


def page(function: Function) -> str:
    """Return the model and the C in two columns."""
    return "\n".join([f"{function.title}", *rows(function.text().split("\n")[1:])])


def rows(lines: list[str]) -> Iterator[str]:
    """Yield the rows: each line of the model, a comment in the C, stands beside what follows it."""
    left: list[str] = []
    for line in lines:
        comment = line.lstrip().startswith("//")
        if comment:
            yield from (f"{words:<{LEFT}} |" for words in left)
            indent = len(line) - len(line.lstrip())
            left = textwrap.wrap(
                line.strip()[3:], LEFT - indent, initial_indent=" " * indent, subsequent_indent=" " * indent
            )
            continue
        for part in wrapped(line):
            yield f"{left.pop(0) if left else '':<{LEFT}} | {part}".rstrip()
    yield from (f"{words:<{LEFT}} |" for words in left)


def wrapped(line: str) -> list[str]:
    """Return a line of C, broken where it is too long."""
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    options: dict[str, Any] = {"subsequent_indent": indent, "break_long_words": False, "drop_whitespace": False}
    return textwrap.wrap(line, RIGHT, **options) or [""]
