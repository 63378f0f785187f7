"""A reader of KTAP that accepts what the kernel's document on it allows and nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

RESULT = re.compile(r"(ok|not ok) (\d+)(?: (?!#)([^#]*?))?(?: # (?:(SKIP|XFAIL|TODO|TIMEOUT|ERROR)(?: |$))?(.*))?")


@dataclass
class Node:
    """A test with its subtests, and the diagnostic lines before its result."""

    name: str
    ok: bool
    directive: str
    words: str
    diagnostics: list[str] = field(default_factory=list)
    subtests: list[Node] = field(default_factory=list)


def read(text: str) -> list[Node]:
    """Return the tests of a document. Raises AssertionError for a line that is not KTAP."""
    lines = text.splitlines()
    assert text.endswith("\n") and all(line == line.rstrip() for line in lines)
    found, rest = _level(lines, "")
    assert not rest, f"after the last test: {rest[0]!r}"
    return found


def _level(lines: list[str], indent: str) -> tuple[list[Node], list[str]]:
    """Read the tests of one level; return them and the lines that follow."""
    assert lines[0] == f"{indent}KTAP version 1"
    at = 1
    while lines[at].startswith(f"{indent}#"):
        at += 1
    plan = re.fullmatch(rf"{indent}1\.\.(\d+)", lines[at])
    assert plan, f"no plan: {lines[at]!r}"
    rest, found = lines[at + 1 :], list[Node]()
    while len(found) < int(plan[1]):
        subtests: list[Node] = []
        diagnostics: list[str] = []
        if rest[0] == f"{indent}  KTAP version 1":
            subtests, rest = _level(rest, f"{indent}  ")
        while rest[0].startswith(f"{indent}#"):
            diagnostics.append(rest.pop(0).removeprefix(f"{indent}#").removeprefix(" "))
        line = RESULT.fullmatch(rest.pop(0).removeprefix(indent))
        assert line and int(line[2]) == len(found) + 1, f"test {len(found) + 1} has no result"
        found.append(Node(line[3] or "", line[1] == "ok", line[4] or "", line[5] or "", diagnostics, subtests))
    return found, rest
