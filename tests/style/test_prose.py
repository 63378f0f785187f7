"""Prose: lines that can be read, and words that name what exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.style.source import PACKAGES, ROOT, docstrings, found, name_of, sources, tracked, tree

COLUMNS_MAX = 100

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])

CODE = (*PACKAGES, "tests")
"""Whose docstrings are read."""

LAW = re.compile(r"\blaws? (L\d)(?:((?:, L\d)*),? and (L\d))?")
INVARIANT = re.compile(r"(?<![\w.%/-])([IO]\d+[a-z]?)(?![\w.%/-])")
PLACE = re.compile(r"(?<![\w/.~-])((?:sim|stress|scenarios|tests|docs)/[\w/.-]*\w/?)")

RIDDLES = {
    r"[Ww]hich is why": "say it as a sentence: X, so Y",
    r"\b[Cc]anar(y|ies)\b": "planted fault",
}
"""Words that prose does without, each with what to say instead."""


def prose() -> Iterator[tuple[str, int, str]]:
    """Yield (file, line, text) for each line of a docstring or document."""
    for path in sources(*CODE):
        for first, text in docstrings(path):
            yield from ((name_of(path), first + number, line) for number, line in enumerate(text.splitlines()))
    for path in DOCUMENTS:
        yield from ((name_of(path), number, line) for number, line in enumerate(path.read_text().splitlines(), 1))


def outside_code(text: str) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of a document's prose: no fenced or indented code, no tables."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith(("    ", "|")):
            yield number, line


def test_lines_of_docstrings_are_short() -> None:
    """The quotes that end a docstring do not count."""
    problems = []
    for path in sources(*CODE):
        lines = path.read_text().splitlines()
        for first, text in docstrings(path):
            for number in range(first, first + len(text.splitlines())):
                columns = len(lines[number - 1].removesuffix('"""'))
                if columns > COLUMNS_MAX:
                    problems.append(f"{name_of(path)}:{number}: {columns} columns")
    found(problems)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_lines_of_documents_are_short(document: Path) -> None:
    """Code, tables and single links may be longer."""
    found(
        [
            f"{document.name}:{number}: {len(line)} columns"
            for number, line in outside_code(document.read_text())
            if len(line) > COLUMNS_MAX and " " in line.strip()
        ]
    )


def test_prose_has_no_riddles() -> None:
    found(
        [
            f"{name}:{line}: {match[0]}: {remedy}"
            for name, line, text in prose()
            for pattern, remedy in RIDDLES.items()
            if (match := re.search(pattern, text))
        ]
    )


# -- what words name exists --------------------------------------------------------------------------------------


def laws(text: str) -> list[str]:
    """Return the laws that a text cites, as ``law L2`` or ``laws L2, L5 and L6``."""
    return [law for match in LAW.finditer(text) for law in re.findall(r"L\d", match[0])]


def test_laws_are_stated() -> None:
    """Every law that is cited anywhere is a heading of docs/architecture.md."""
    headings = re.findall(r"^### (L\d)\b", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    assert headings == sorted(set(headings)) and headings
    problems = []
    for path in tracked():
        text = path.read_text(errors="replace")
        problems += [f"{name_of(path)}: law {law}" for law in laws(" ".join(text.split())) if law not in headings]
    found(problems)


def test_citations_of_laws_are_read() -> None:
    assert ["L2", "L5", "L6"] == laws("as laws L2, L5 and L6 say")
    assert ["L3", "L4"] == laws("law L3; law L4")


@cache
def invariants() -> frozenset[str]:
    """Return the ids of the checkers."""
    from stress.catalogue import CATALOGUE

    return frozenset(CATALOGUE.checkers())


def test_invariants_that_docstrings_name_exist() -> None:
    found(
        [
            f"{name_of(path)}:{line}: no checker is {name}"
            for path in sources(*CODE)
            for line, text in docstrings(path)
            for name in INVARIANT.findall(text)
            if name not in invariants()
        ]
    )


def test_ids_of_invariants_are_read() -> None:
    assert ["I1", "O14q", "I22b"] == INVARIANT.findall("I1, O14q and (I22b), not O_RDWR, I/O, O(1), MI6 or I2c-3")


def test_paths_that_docstrings_name_exist() -> None:
    """Paths of the tree, in docstrings and comments of code."""
    problems = []
    for path in sources(*CODE):
        for line, text in docstrings(path):
            for place in PLACE.findall(text):
                if "NAME" not in place and not (ROOT / place).exists():
                    problems.append(f"{name_of(path)}:{line}: {place} does not exist")
    found(problems)


def test_modules_that_docstrings_name_exist() -> None:
    """References: :mod:`stress.workers.fleet`, :class:`~stress.case.Case`."""
    problems = []
    for path in sources(*CODE):
        for line, text in docstrings(path):
            for name in re.findall(r":(?:mod|class|func|meth|attr|data):`~?((?:sim|stress|scenarios)\.[\w.]+)`", text):
                if not named(name):
                    problems.append(f"{name_of(path)}:{line}: {name} does not exist")
    found(problems)


def named(name: str) -> bool:
    """Return whether a dotted name is a module, or the first name after a module is in it."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:length])
        file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        if file.is_file():
            return length == len(parts) or parts[length] in top_names(tree(file))
    return False


def top_names(module: ast.Module) -> set[str]:
    """Return the names that a module binds at its top level."""
    names = set()
    for node in module.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


# -- the table of docs/model.md ----------------------------------------------------------------------------------


def model_names() -> set[str]:
    """Return everything that the model calls something: modules, classes, functions, and
    Class.function.
    """
    names = set()
    for path in sources("sim"):
        names.add(path.stem)
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names.add(node.name)
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def model_table(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line, name) for each name in back quotes in the first column of ``| our function |
    kernel's | simplified |``.
    """
    within = False
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.lstrip().startswith("|") else []
        if not cells:
            within = False
        elif cells[0].lower() == "our function":
            within = True
        elif within:
            yield from ((number, name.rstrip("()")) for name in re.findall(r"`([^`]+)`", cells[0]))


def test_names_in_the_model_table_exist() -> None:
    known = model_names()
    rows = list(model_table((ROOT / "docs" / "model.md").read_text()))
    assert rows, "docs/model.md has no table '| our function | kernel's | simplified |' with names in back quotes"
    found([f"docs/model.md:{line}: {name} is not in sim/" for line, name in rows if not set(name.split(".")) <= known])


def test_the_model_table_is_read_as_it_is_written() -> None:
    rows = [
        "| our function | kernel's | simplified |",
        "| --- | --- | --- |",
        "| `zap_pte_range`, `Memory.f()` | `zap` | no |",
        "",
        "| other | x |",
        "| `g` | |",
    ]
    assert [(3, "zap_pte_range"), (3, "Memory.f")] == list(model_table("\n".join(rows)))
