"""The habits of this house that a machine can check (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("sim", "stress", "scenarios")
DISCOVERY = "stress/catalogue.py"

FUNCTION_LINES_MAX, FILE_LINES_MAX = 50, 450

SUBSCRIPTS_ALLOWED = (
    "sim/checks/audit.py",
    "sim/core/ledger.py",
    "sim/checks/",
    "sim/core/arena.py",
    "sim/versions/v6_18/audit.py",
    "sim/versions/v6_18/checks.py",
)
"""Audits and checkers read the arena as it is: they are no actor, and make no steps."""

BOOT = ("boot", "bind", "settle")
"""Functions that run before there are actors."""

PEEKS = {
    ("sim/mm/pgtable.py", "_claim", "pte"): "the table is the taker's: nobody else can reach its entries",
    ("sim/mm/mmap.py", "_fill", "vma_anon_prepared"): "the VMA is the taker's: nobody else can reach it",
    ("sim/mm/swap.py", "_release", "page_lru"): "the refcount is 0: nobody else has the folio",
    ("sim/mm/vmscan.py", "first_anon_folio", "page_lru"): "the lruvec lock is held, under which PG_lru changes",
    (
        "sim/hardware/tlb.py",
        "_hit",
        "tlb_span",
    ): "the CPU's own TLB chooses the entry; the access that follows is the step",
    ("sim/hardware/tlb.py", "walk", "walk_cache"): "the CPU's own walk cache; a hit costs no memory access",
    (
        "sim/hardware/tlb.py",
        "_nest",
        "cpu_request",
    ): "whether to tell this CPU's own hardware that its nesting word has changed",
    ("sim/arch/x86_64.py", "flush_tlb_func", "cpu_lazy"): "this CPU's own per-CPU variable, which only it writes",
    ("sim/arch/x86_64.py", "usable", "cpu_lazy"): "asked by checkers",
    ("sim/arch/arm64.py", "usable", "mm_users"): "asked by checkers",
    ("sim/arch/s390x.py", "usable", "mm_users"): "asked by checkers",
    ("sim/arch/s390x.py", "usable", "context_flush_mm"): "asked by checkers",
    ("sim/arch/s390x.py", "usable", "context_lock"): "asked by checkers",
    ("sim/kernel.py", "rss", "mm_rss"): "a sum for tests and reports; the model never calls it",
}
"""Raw reads of shared columns in model code, each with the reason why it is no step of its own."""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def sources(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the modules that a file imports, also within functions and for type checking."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: relative import"
            yield node.module or "", node.lineno


def found(problems: list[str]) -> None:
    """Fail with one problem a line."""
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


# -- imports -----------------------------------------------------------------------------------------------------


def test_imports_run_one_way() -> None:
    """scenarios -> stress -> sim; discovery alone finds scenarios, by name."""
    above = {"sim": {"stress", "scenarios", "tests"}, "stress": {"scenarios", "tests"}, "scenarios": {"tests"}}
    found(
        [
            f"{name_of(path)}:{line}: imports {module}"
            for package, forbidden in above.items()
            for path in sources(package)
            for module, line in imports(path)
            if module.split(".")[0] in forbidden
        ]
    )


def test_the_model_has_no_clock_and_no_random() -> None:
    forbidden = {"time", "datetime", "random", "secrets", "uuid", "trio", "asyncio", "threading", "numpy.random"}
    found(
        [
            f"{name_of(path)}:{line}: imports {module}"
            for path in sources("sim")
            for module, line in imports(path)
            if module in forbidden
        ]
    )


def test_random_words_come_from_one_generator() -> None:
    found(
        [
            f"{name_of(p)}:{line}"
            for p in sources("stress", "scenarios")
            for module, line in imports(p)
            if module == "random" and p.name != "rng.py"
        ]
    )


# -- the model ---------------------------------------------------------------------------------------------------


def conditions_of(node: ast.AST) -> list[ast.expr]:
    """Return the conditions that a node decides by."""
    return (
        [node.test]
        if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert)
        else list(node.ifs)
        if isinstance(node, ast.comprehension)
        else []
    )


def test_the_model_asks_for_no_fault_and_no_architecture() -> None:
    """Laws L5 and L6: a fault is a subclass, an architecture a profile."""
    problems = []
    for path in sources("sim"):
        for condition in (test for node in ast.walk(tree(path)) for test in conditions_of(node)):
            for node in ast.walk(condition):
                fault = (isinstance(node, ast.Name) and node.id in ("fault", "faults")) or (
                    isinstance(node, ast.Attribute) and node.attr == "faults"
                )
                arch = (
                    isinstance(node, ast.Attribute)
                    and node.attr == "name"
                    and "profile" in ast.unparse(node.value)
                    and "sim/arch" not in name_of(path)
                )
                if fault or arch:
                    problems.append(f"{name_of(path)}:{node.lineno}: decides by {ast.unparse(node)}")
    found(problems)


def test_the_model_iterates_over_no_set() -> None:
    problems = []
    for path in sources("sim"):
        for node in ast.walk(tree(path)):
            over = node.iter if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension) else None
            made = (
                isinstance(over, ast.Call) and isinstance(over.func, ast.Name) and over.func.id in ("set", "frozenset")
            )
            if over is not None and (made or isinstance(over, ast.Set | ast.SetComp)):
                problems.append(f"{name_of(path)}:{over.lineno}: iterates over {ast.unparse(over)}")
    found(problems)


@cache
def shared_columns() -> frozenset[str]:
    """Return the columns that any composed kernel declares as shared."""
    from sim.compose import compose
    from sim.core.arena import SHARED
    from sim.core.profile import SMALL, World
    from sim.versions import VERSIONS
    from stress.catalogue import CATALOGUE

    names = set()
    for profile in map(CATALOGUE.profile, CATALOGUE.profiles()):
        for version in VERSIONS:
            layout = compose(
                profile=profile, geometry=SMALL, version=version, world=World(files=1, swap_slots=1), faults=()
            ).layout
            names |= {field.name for field in layout.fields if field.klass == SHARED}
    return frozenset(names)


def touches(path: Path) -> Iterator[tuple[str, str, bool, int]]:
    """Yield (function, column, raw, line) for each touch of a column: ``self.pte[i]``, or raw,
    ``self.pte.view``.

    Conditions (lambdas) are not model code: the machine asks them, at no step.
    """

    def visit(node: ast.AST, function: str) -> Iterator[tuple[str, str, bool, int]]:
        if isinstance(node, ast.Lambda):
            return
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        raw = isinstance(node, ast.Attribute) and node.attr in ("view", "array")
        if isinstance(node, ast.Attribute | ast.Subscript) and (raw or isinstance(node, ast.Subscript)):
            column = node.value
            if isinstance(column, ast.Attribute) and column.attr not in ("view", "array", "arena"):
                yield function, column.attr, raw, node.lineno
            elif isinstance(column, ast.Subscript) and isinstance(column.slice, ast.Constant):
                yield function, str(column.slice.value), raw, node.lineno
        for child in ast.iter_child_nodes(node):
            yield from visit(child, function)

    return visit(tree(path), "")


def model_touches() -> Iterator[tuple[str, str, str, bool, int]]:
    """Yield (file, function, column, raw, line) for shared columns touched in model code."""
    for path in [*sources("sim"), *sources("scenarios")]:
        name = name_of(path)
        if not name.startswith(SUBSCRIPTS_ALLOWED):
            for function, column, raw, line in touches(path):
                if column in shared_columns() and function not in BOOT:
                    yield name, function, column, raw, line


def test_shared_columns_are_touched_only_through_primitives() -> None:
    """Law L2: whatever touches shared state is a step. ``[]`` is for private columns."""
    found(
        [
            f"{name}:{line}: {function} touches {column}, which is shared: await a primitive, or justify the raw read in PEEKS"
            for name, function, column, raw, line in model_touches()
            if not (raw and (name, function, column) in PEEKS)
        ]
    )


def test_every_justified_peek_is_still_made() -> None:
    made = {(name, function, column) for name, function, column, raw, _ in model_touches() if raw}
    found([f"PEEKS: {peek} is made no more" for peek in PEEKS if peek not in made])


def test_the_lint_sees_what_it_forbids(tmp_path: Path) -> None:
    file = tmp_path / "model.py"
    lines = [
        "def f(self):",
        "  self.pte[1] = self.k.pmd.view[2]",
        "  g(lambda: self.ptl.view[0])",
        "  self.k.arena['tlb'].view[3]",
    ]
    file.write_text("\n".join(lines))
    assert [("f", "pte", False, 2), ("f", "pmd", True, 2), ("f", "tlb", True, 4)] == list(touches(file))


# -- the documents -----------------------------------------------------------------------------------------------


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
    document = ROOT / "docs" / "model.md"
    if not document.exists():
        assert not (ROOT / "sim" / "kernel.py").exists(), (
            "there is a kernel, and docs/model.md does not say what it models"
        )
        return
    known = model_names()
    named = list(model_table(document.read_text()))
    assert named, "docs/model.md has no table '| our function | kernel's | simplified |' with names in back quotes"
    found([f"docs/model.md:{line}: {name} is not in sim/" for line, name in named if not set(name.split(".")) <= known])


def test_the_model_table_is_read_as_it_is_written() -> None:
    text = "| our function | kernel's | simplified |\n| --- | --- | --- |\n| `zap_pte_range`, `Memory.f()` | `zap` | no |\n\n| other | x |\n| `g` | |\n"
    assert [(3, "zap_pte_range"), (3, "Memory.f")] == list(model_table(text))


# -- the tree ----------------------------------------------------------------------------------------------------


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


def test_no_file_names_a_path_of_one_machine() -> None:
    roots = "|".join(("work", "tmp", "root", "home", "farm"))
    pattern = re.compile(rf"(?<![\w.])/(?:{roots})/[A-Za-z.]")
    problems = []
    for path in tracked():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if pattern.search(line):
                problems.append(f"{name_of(path)}:{number}: {line.strip()}")
    found(problems)


def test_lines_files_and_functions_are_short() -> None:
    problems = []
    for path in sources(*PACKAGES):
        lines = len(path.read_text().splitlines())
        if lines > FILE_LINES_MAX and name_of(path) not in LONG:
            problems.append(f"{name_of(path)}: {lines} lines")
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > FUNCTION_LINES_MAX:
                problems.append(f"{name_of(path)}:{node.lineno}: {node.name} has {body_lines(node)} lines")
    found(problems)


LONG = ("stress/machine/lockstep.py",)
"""Files that may be longer: the machine's primitives repeat their first lines, because a call would
cost as much as the step.
"""


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function after its docstring."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_public_things_have_docstrings() -> None:
    problems = []
    for path in sources("sim", "stress"):
        if not ast.get_docstring(tree(path)):
            problems.append(f"{name_of(path)}: no docstring")
        for node in tree(path).body:
            if (
                isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
                and not node.name.startswith("_")
                and not ast.get_docstring(node)
            ):
                problems.append(f"{name_of(path)}:{node.lineno}: {node.name} has no docstring")
    found(problems)


# -- columns -----------------------------------------------------------------------------------------------------


def unused_columns(module: ast.Module) -> Iterator[tuple[str, str, int]]:
    """Yield (class, column, line) for each column that a class annotates and never reads as an
    attribute.
    """
    for cls in (node for node in module.body if isinstance(node, ast.ClassDef)):
        used = {node.attr for node in ast.walk(cls) if isinstance(node, ast.Attribute)}
        for node in cls.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id not in used:
                if ast.unparse(node.annotation) in ("Cells", "Column"):
                    yield cls.name, node.target.id, node.lineno


def test_annotated_columns_are_used() -> None:
    found(
        [
            f"{name_of(path)}:{line}: {cls} annotates {column}, which it does not use"
            for path in sources("sim")
            for cls, column, line in unused_columns(tree(path))
        ]
    )


def test_the_lint_sees_an_unused_column() -> None:
    module = ast.parse("class A:\n  pte: Column\n  pmd: Cells\n  name: str\n  def f(self):\n    return self.pte")
    assert [("A", "pmd", 3)] == list(unused_columns(module))
