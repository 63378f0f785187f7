"""The tree: short functions and files, documented public things, one place for each fact."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import pytest

from tests.style.source import PACKAGES, Function, found, imports, name_of, sources, tracked, tree

FUNCTION_LINES_MAX, FILE_LINES_MAX = 30, 450

CODE_COLUMNS_MAX, TABLE_COLUMNS_MAX = 120, 160
"""Of a line of code; and of a statement that is laid out by hand, as a table (``# fmt: skip``)."""

PRAGMA = re.compile(r"\s+# (type: ignore|noqa).*$")
"""What a line says to a tool; it does not count."""

ONE_NAME: dict[str, str] = {}
"""Names that several public classes of stress/ have, each with the reason."""

WIRE = ("do", "is")
"""Fields by which an order and an answer between supervisor and worker say what they are."""

WIRE_ALLOWED = ("stress/workers/messages.py", "stress/parallel/")
"""The messages; the processes of a gang have words of their own, which only they read."""

SQL = re.compile(r"\b(SELECT\b.*\bFROM|INSERT (OR \w+ )?INTO|UPDATE \w+ SET|DELETE FROM|CREATE TABLE|PRAGMA \w+)\b")
SQL_ALLOWED = tuple(
    f"stress/campaign/{name}.py"
    for name in ("database", "results", "store", "cluster/merge", "history/generations", "history/growth")
)

ARGPARSE_ALLOWED = ("stress/cli/", "stress/workers/worker.py", "stress/parallel/zygote.py")
"""The command line, and the two processes that other processes start."""


def test_no_file_names_a_path_of_one_machine() -> None:
    roots = "|".join(("work", "tmp", "root", "home", "farm"))
    pattern = re.compile(rf"(?<![\w.])/(?:{roots})/[A-Za-z.]")
    problems = []
    for path in tracked():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if pattern.search(line):
                problems.append(f"{name_of(path)}:{number}: {line.strip()}")
    found(problems)


# -- sizes -------------------------------------------------------------------------------------------------------


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function after its docstring."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_files_are_short() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in sources(*PACKAGES, "tests")}
    found([f"{name}: {lines} lines" for name, lines in lengths.items() if lines > FILE_LINES_MAX])


def test_functions_are_short() -> None:
    found(
        [
            f"{name_of(path)}:{node.lineno}: {node.name} has {body_lines(node)} lines"
            for path in sources(*PACKAGES)
            for node in ast.walk(tree(path))
            if isinstance(node, Function) and body_lines(node) > FUNCTION_LINES_MAX
        ]
    )


def by_hand(text: str, module: ast.Module) -> set[int]:
    """Return the lines of statements that end with ``# fmt: skip``."""
    ends = {number for number, line in enumerate(text.splitlines(), 1) if line.endswith("# fmt: skip")}
    statements = [node for node in ast.walk(module) if isinstance(node, ast.stmt) and node.end_lineno in ends]
    statements += [mark for mark in ast.walk(module) if isinstance(mark, ast.expr) and mark.end_lineno in ends]
    return {line for node in statements for line in range(node.lineno, (node.end_lineno or 0) + 1)}


def test_lines_of_code_are_short() -> None:
    problems = []
    for path in sources(*PACKAGES, "tests"):
        text = path.read_text()
        tables = by_hand(text, tree(path))
        for number, line in enumerate(text.splitlines(), 1):
            if len(PRAGMA.sub("", line)) > (TABLE_COLUMNS_MAX if number in tables else CODE_COLUMNS_MAX):
                problems.append(f"{name_of(path)}:{number}: {len(line)} columns")
    found(problems)


# -- docstrings --------------------------------------------------------------------------------------------------


@cache
def classes() -> dict[str, tuple[ast.ClassDef, ...]]:
    """Return the classes of the project by name; where one name is used twice, all of them."""
    named: dict[str, tuple[ast.ClassDef, ...]] = {}
    for path in sources(*PACKAGES):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                named[node.name] = (*named.get(node.name, ()), node)
    return named


def bases(node: ast.ClassDef) -> list[str]:
    """Return the names of the bases of a class, without modules and parameters."""
    return [ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases]


@cache
def promised() -> frozenset[str]:
    """Return the names of the documented methods of protocols: their implementations need no words."""
    protocols = [node for found in classes().values() for node in found if "Protocol" in bases(node)]
    return frozenset(name for node in protocols for name in documented(node))


def inherits(node: ast.ClassDef, method: str, seen: frozenset[str] = frozenset()) -> bool:
    """Return whether a base documents the method; a base from outside the project is taken to."""
    for name in bases(node):
        if name in seen:
            continue
        known = classes().get(name, ())
        if not known and name not in ("object", "Protocol", "ABC", "Generic"):
            return True
        for base in known:
            if method in documented(base) or inherits(base, method, seen | {name}):
                return True
    return False


def documented(node: ast.ClassDef) -> set[str]:
    """Return the methods and attributes of a class that have docstrings."""
    names = {method.name for method in node.body if isinstance(method, Function) and ast.get_docstring(method)}
    for one, after in pairwise(node.body):
        if isinstance(one, ast.AnnAssign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            names.add(ast.unparse(one.target))
    return names


def undocumented(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, name) for each public thing of a module that has no docstring."""
    for node in module.body:
        if not isinstance(node, ast.ClassDef | Function) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield node.lineno, node.name
        for method in node.body if isinstance(node, ast.ClassDef) else ():
            if (
                isinstance(method, Function)
                and not method.name.startswith("_")
                and not ast.get_docstring(method)
                and not any(ast.unparse(mark).endswith((".setter", "overload")) for mark in method.decorator_list)
                and method.name not in promised()
                and not inherits(node, method.name)
            ):
                yield method.lineno, f"{node.name}.{method.name}"


def test_public_things_have_docstrings() -> None:
    """Modules, functions, classes, and methods unless what they override or implement has one."""
    problems = []
    for path in sources("sim", "stress"):
        if not ast.get_docstring(tree(path)):
            problems.append(f"{name_of(path)}: no docstring")
        problems += [f"{name_of(path)}:{line}: {name} has no docstring" for line, name in undocumented(tree(path))]
    found(problems)


def test_public_things_without_docstrings_are_seen() -> None:
    text = 'class A:\n  "What."\n  def f(self): "Do."\n  def g(self): pass\n  def _h(self): pass\ndef k(): pass\n'
    assert [(4, "A.g"), (6, "k")] == list(undocumented(ast.parse(text)))


# -- one place for each fact -------------------------------------------------------------------------------------


def test_no_two_public_classes_share_a_name() -> None:
    where: dict[str, list[str]] = {}
    for path in sources("stress"):
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where.setdefault(node.name, []).append(name_of(path))
    found(
        [
            f"{name}: {', '.join(files)}"
            for name, files in sorted(where.items())
            if len(files) > 1 and name not in ONE_NAME
        ]
    )


def strings(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, text) for each string of a module that is no docstring."""
    alone = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.lineno, node.value


def test_words_of_the_wire_are_in_messages() -> None:
    found(
        [
            f"{name_of(path)}:{line}: {text!r} is a word of stress/workers/messages.py"
            for path in sources("stress")
            if not name_of(path).startswith(WIRE_ALLOWED)
            for line, text in strings(tree(path))
            if text in WIRE
        ]
    )


def test_sql_is_in_the_store() -> None:
    found(
        [
            f"{name_of(path)}:{line}: SQL belongs to the store"
            for path in sources("stress")
            if not name_of(path).startswith(SQL_ALLOWED)
            for line, text in strings(tree(path))
            if SQL.search(text)
        ]
        + [
            f"{name_of(path)}:{line}: imports sqlite3, which is the store's"
            for path in sources("stress")
            if not name_of(path).startswith(SQL_ALLOWED)
            for module, line in imports(path)
            if module == "sqlite3"
        ]
    )


def test_options_are_declared_in_the_command_line() -> None:
    found(
        [
            f"{name_of(path)}:{line}: imports argparse"
            for path in sources("stress")
            if not name_of(path).startswith(ARGPARSE_ALLOWED)
            for module, line in imports(path)
            if module.split(".")[0] == "argparse"
        ]
    )


@pytest.mark.parametrize("text", ["SELECT a FROM b", "INSERT OR REPLACE INTO b", "CREATE TABLE x", "UPDATE b SET a"])
def test_sql_is_seen(text: str) -> None:
    assert SQL.search(text) and not SQL.search("select a seed from the case")


def test_who_is_interrupted_hears_it() -> None:
    """A process to which a test sends SIGINT is started by :func:`tests.children.started`: else it
    ignores that where the tests do, as in the background of a script, and is waited for for ever.
    """
    deaf = []
    for path in sources("tests"):
        text = path.read_text()
        for node in ast.walk(tree(path)) if "signal(signal.SIGINT)" in text else ():
            if isinstance(node, Function):
                own = ast.get_source_segment(text, node) or ""
                if "Popen(" in own and "SIG_IGN" not in own:
                    deaf.append(f"{name_of(path)}, {node.name}: start it with tests.children.started")
    found(deaf)
