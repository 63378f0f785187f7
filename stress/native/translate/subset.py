"""The subset of Python that the model may use in a step, and what is said of what lies outside.

docs/native.md is the page for people; :data:`RULES` is the same list for the translator.
"""

from __future__ import annotations

import ast
from pathlib import Path

from stress.native.translate.values import Home

RULES = {
    "statement": "this kind of statement has no form in C: use assignments, if, while, for, return, assert, raise",
    "expression": "this kind of expression has no form in C",
    "dictionary": "a dictionary: use a column, or a list by number",
    "nonlocal": "nonlocal: return the value",
    "name": "a name that is not known before anything runs",
    "not an integer": "used as an integer, and is none",
    "not a list": "looped over, and is no list, range, tuple or cells of a column",
    "not a coroutine": "awaited, and is no coroutine of the model",
    "call": "called, and is no function of the model",
    "method": "a method that run-time lists and integers do not have",
    "attribute": "an attribute that is not known before anything runs",
    "arguments": "called with other arguments than the function has",
    "returns": "returns values of different kinds: make it integers, one list, or one tuple of these",
    "assignment": "assigned to what is no variable, cell, list element or field",
    "rebound": "a name that stands for another object in one branch, or in the next round of a loop",
    "list width": "a list whose elements are tuples of different lengths",
    "identity": "'is' between values that are not known before anything runs",
    "string": "a string that is not known before anything runs",
    "predicate": "a wait's condition that is no function, or captures more than a few integers",
    "slice": "a slice of what is no list and no column, or stored to",
    "watch": "a watch on a column that this primitive may not have one on",
    "kernel": "a kernel that sim/compose.py has not composed",
    "captures": "an actor's body that captures what is no integer and no part of the kernel",
}
"""What lies outside the subset: key -> what is wrong, and what to use."""


class Unsupported(Exception):
    """Something lies outside the subset. In words: file, line, function, what, and the source."""

    def __init__(self, rule: str, what: str = "") -> None:
        super().__init__(rule)
        self.rule, self.what, self.place = rule, what, ""

    def at(self, node: ast.stmt | ast.Lambda, home: Home, function: str) -> Unsupported:
        """Note the place, unless an inner one is known."""
        if not self.place:
            text = " ".join(ast.unparse(node).split())
            self.place = f"{Path(home.file).name}:{node.lineno}: {function}: {text[:100]}"
        return self

    def __str__(self) -> str:
        what = f" ({self.what})" if self.what else ""
        return f"{self.place}{': ' * bool(self.place)}{RULES[self.rule]}{what}"
