"""Nothing iterates over a set: the order of its elements is not the same in every process."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.style.source import PACKAGES, Function, found, name_of, sources, tree

IN_ORDER = ("list", "tuple", "enumerate", "iter", "zip", "map", "reversed", "array", "dict.fromkeys", "deque")
"""Calls that keep the order of what they are given; ``sorted``, ``sum`` or ``max`` do not."""


def is_set(node: ast.AST | None, names: set[str]) -> bool:
    """Return whether an expression is a set: written as one, or one of ``names``."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        return is_set(node.left, names) or is_set(node.right, names)
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in ("set", "frozenset")
    if isinstance(node, ast.Name):
        return node.id in names
    return isinstance(node, ast.Set | ast.SetComp)


def set_names(scope: ast.AST) -> set[str]:
    """Return the names that a function binds to sets only, or is given as sets."""
    sets, others = set[str](), set[str]()
    for node in ast.walk(scope):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            target = node.target if isinstance(node, ast.AnnAssign) else ast.Name(node.arg)
            kind = ast.unparse(node.annotation).partition("[")[0]
            if isinstance(target, ast.Name):
                (sets if kind in ("set", "frozenset", "AbstractSet") else others).add(target.id)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    (sets if is_set(node.value, set()) else others).add(target.id)
    return sets - others


def iterated(scope: ast.AST) -> Iterator[ast.expr]:
    """Yield what a function iterates over in an order that matters."""
    for node in ast.walk(scope):
        if isinstance(node, ast.For | ast.AsyncFor):
            yield node.iter
        elif isinstance(node, ast.ListComp | ast.DictComp):
            yield from (part.iter for part in node.generators)
        elif isinstance(node, ast.Starred):
            yield node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in IN_ORDER:
            yield from node.args


def iterations(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, expression) for each iteration over a set; each once."""
    seen: set[tuple[int, int]] = set()
    scopes = [*(node for node in ast.walk(module) if isinstance(node, Function)), module]
    for scope in scopes:
        names = set_names(scope) if isinstance(scope, Function) else set()
        for over in iterated(scope):
            if is_set(over, names) and (over.lineno, over.col_offset) not in seen:
                seen.add((over.lineno, over.col_offset))
                yield over.lineno, ast.unparse(over)


def test_nothing_iterates_over_a_set() -> None:
    found(
        [
            f"{name_of(path)}:{line}: iterates over {words}; sort it, or keep a list or a dict"
            for path in sources(*PACKAGES)
            for line, words in iterations(tree(path))
        ]
    )


def test_iterations_over_sets_are_seen() -> None:
    text = """
def f(given: set[int]):
    mine = {x for x in range(3)}
    for x in mine: pass
    [x for x in given | {1}]
    list(given); sorted(given)
    for x in sorted(mine): pass
    both = set()
    both = []
    for x in both: pass
"""
    assert ["mine", "given | {1}", "given"] == [words for _, words in iterations(ast.parse(text))]
