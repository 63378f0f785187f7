"""Reads a program from its file of JSON, which may come from a stranger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stress.errors import UsageError
from stress.files import read_plain
from stress.programs.operations import OPERATIONS
from stress.programs.program import VERSION, Program
from stress.programs.rules import broken
from stress.programs.space import File

PROGRAM_MIB_MAX = 1
"""Of a program's file."""


def load(path: Path) -> Program:
    """Return the program in a file. Raises UsageError if it is not one."""
    try:
        return loads(read_plain(path, PROGRAM_MIB_MAX).decode())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def loads(text: str) -> Program:
    """Return the program that :meth:`Program.dumps` gave. Raises UsageError if ``text`` is not
    one.
    """
    try:
        data = json.loads(text)
        if data["conform"] != VERSION:
            raise UsageError(f"a program of format {data['conform']!r}, and this version reads {VERSION}")
        operations, race = (
            tuple(OPERATIONS[name](*map(whole, given)) for name, *given in array(data[part]))
            for part in ("operations", "race")
        )
        files = tuple(
            File(truth(file["memfd"]), whole(file["pages"]), whole(file["order"]), truth(file["clean"]))
            for file in array(data["files"])
        )
        orders = tuple(map(whole, array(data["orders"])))
        program = Program(
            whole(data["seed"]), whole(data["first"]), whole(data["pages"]), orders, files, operations, race
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"not a conformance program ({type(error).__name__}: {error}); zapstress conform --json names those it kept"
        ) from None
    rule = next(broken(program), "")
    if rule:
        raise UsageError(f"a program that cannot be run: {rule}")
    return program


def of_kind(kind: type, value: Any) -> Any:
    """Return a value of JSON that must be of ``kind``, not of a subclass. Raises TypeError."""
    if type(value) is not kind:
        raise TypeError(f"{value!r:.40} where {kind.__name__} is wanted")
    return value


def whole(value: Any) -> int:
    """Return a value of JSON that must be a whole number. Raises TypeError."""
    return int(of_kind(int, value))


def truth(value: Any) -> bool:
    """Return a value of JSON that must be a truth value. Raises TypeError."""
    return bool(of_kind(bool, value))


def array(value: Any) -> list[Any]:
    """Return a value of JSON that must be a list. Raises TypeError."""
    return list(of_kind(list, value))
