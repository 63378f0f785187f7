"""The sources as the tests of style read them: files, imports, docstrings, classes."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("sim", "stress", "scenarios")

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
Function = ast.FunctionDef | ast.AsyncFunctionDef


def found(problems: list[str]) -> None:
    """Fail with one problem a line."""
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_bytes())


def name_of(path: Path) -> str:
    """Return the path of a file below the root of the project."""
    return path.relative_to(ROOT).as_posix()


def sources(*packages: str) -> list[Path]:
    """Return the Python files of packages, sorted; a package may be ``stress/machine``."""
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def file_of(module: str) -> Path | None:
    """Return the file of a module of the project; None if there is none."""
    path = ROOT.joinpath(*module.split("."))
    return next((f for f in (path.with_suffix(".py"), path / "__init__.py") if f.is_file()), None)


@cache
def imports(path: Path) -> tuple[tuple[str, int], ...]:
    """Return (module, line) for each import of a file, also within functions and for type checking.

    ``from sim.mm import memory`` imports the module sim.mm.memory; a name from outside the project
    is given as it is, as time.sleep.
    """
    made = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            made += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{name_of(path)}:{node.lineno}: relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                ours = file_of(node.module) is not None and file_of(inner) is None
                made.append((node.module if ours else inner, node.lineno))
    return tuple(made)


def arrows(path: Path) -> Iterator[tuple[Path, int]]:
    """Yield (file, line) for each import of a file of the project."""
    for module, line in imports(path):
        target = file_of(module)
        if target is not None and target != path:
            yield target, line


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) for each docstring, also those of attributes: strings that stand alone."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def tracked() -> list[Path]:
    """Return the files of the project: those that git knows, or all of an unpacked archive."""
    try:
        listed = (
            subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
            .stdout.decode()
            .split("\0")
        )
    except (OSError, subprocess.CalledProcessError):
        listed = [
            name_of(path)
            for package in (*PACKAGES, "tests", "docs")
            for path in (ROOT / package).rglob("*.*")
            if "__pycache__" not in path.parts
        ]
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]
