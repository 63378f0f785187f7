"""A campaign in a file, so that a command line is no recipe: ``zapstress campaign --file FILE``.

The file is TOML with a table ``campaign``. Its keys are the long options of the command, and what
the command line says itself goes before the file. A file names patches, which are code, so that it
is trusted as a Makefile is.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stress.cli.parsers import options_of, parser_of
from stress.errors import UsageError
from stress.files import read_plain

TABLE = "campaign"

FILE_MIB_MAX = 1

ALTERNATIVES = (("duration", "executions"), ("quiet", "verbose"))
"""Options of which one is given: that of the command line."""


def fill(args: argparse.Namespace, file: Path) -> None:
    """Set what the command line has left open to what ``file`` says. Raises UsageError."""
    parser = parser_of(TABLE)
    said = table_of(file)
    known = {name: action for action in options_of(parser) for name in names_of(action)}
    for key in said:
        if key not in known or key in ("file", "json"):
            raise UsageError(f"{file}: [{TABLE}] {key}: no option of zapstress campaign is called so")
    words = [word for key, value in said.items() for word in words_of(file, known[key], value)]
    try:
        found = parser.parse_args(words)
    except UsageError as error:
        raise UsageError(f"{file}: {error}") from error
    named = given(args.words)
    for names in ALTERNATIVES:
        if not named.isdisjoint(names):
            said = {key: value for key, value in said.items() if key not in names}
    for name in (known[key].dest for key in said):
        if name not in named:
            setattr(args, name, getattr(found, name))


def given(words: Sequence[str]) -> set[str]:
    """Return which options a command line gives, be it with the value that they have by default."""
    parser = parser_of(TABLE)
    for action in options_of(parser):
        action.default = argparse.SUPPRESS
    return set(vars(parser.parse_args(words)))


def table_of(file: Path) -> dict[str, Any]:
    """Return the table of a file, with hyphens in its keys. Raises UsageError."""
    try:
        data = tomllib.loads(read_plain(file, FILE_MIB_MAX).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{file}: cannot be read as TOML ({getattr(error, 'strerror', None) or error})") from error
    if set(data) != {TABLE} or not isinstance(data[TABLE], dict):
        raise UsageError(f"{file}: wants one table, [{TABLE}]; it has {', '.join(data) or 'none'}")
    return {key.replace("_", "-"): value for key, value in data[TABLE].items()}


def names_of(action: argparse.Action) -> list[str]:
    """Return the long names of an option, without the hyphens before them."""
    return [name.removeprefix("--") for name in action.option_strings if name.startswith("--")]


def words_of(file: Path, action: argparse.Action, value: Any) -> list[str]:
    """Return an option of the file as words of a command line. Raises UsageError for a value of
    another kind.
    """
    name = action.option_strings[-1]
    if action.nargs in (0, "?") and isinstance(value, bool):
        return [name] if value else []
    several = isinstance(value, list) and (action.nargs == "+" or isinstance(action.default, list))
    values = value if several else [value]
    if action.nargs == 0 or any(isinstance(one, bool) or not isinstance(one, str | int | float) for one in values):
        kind = {0: "true or false", "?": "a text, a number, true or false"}.get(action.nargs, "a text or a number")
        raise UsageError(f"{file}: [{TABLE}] {names_of(action)[-1]} = {value!r}: wants {kind}")
    if action.nargs == "+":
        return [name, *map(str, values)]
    return [f"{name}={one}" for one in values]
