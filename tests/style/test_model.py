"""What model code may do: no clock, no chance of its own, shared columns through primitives only
(laws L2, L5 and L6).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.style.source import found, imports, name_of, sources, tree

SUBSCRIPTS_ALLOWED = (
    "sim/checks/audit.py",
    "sim/core/ledger.py",
    "sim/checks/",
    "sim/core/arena.py",
    "sim/versions/v6_12/audit.py",
    "sim/versions/v6_12/checks.py",
    "sim/versions/v6_18/audit.py",
    "sim/versions/v6_18/checks.py",
)
"""Audits and checkers read the arena as it is: they are no actor, and make no steps."""

BOOT = ("boot", "bind", "settle")
"""Functions that run before there are actors."""

PEEKS = {
    ("sim/mm/pgtable.py", "_claim", "pte"): "the table is the taker's: nobody else can reach its entries",
    ("sim/mm/mmap.py", "_fill", "vma_anon_prepared"): "the VMA is the taker's: nobody else can reach it",
    (
        "sim/mm/mmap_lock.py",
        "vma_start_write",
        "mm_lock_seq",
    ): "the mmap lock is held for writing, under which it changes",
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
    ("sim/arch/arm64.py", "is_narrower", "tlb"): "the CPU's own TLB, before it walks: no memory access",
    ("sim/arch/arm64.py", "is_narrower", "tlb_span"): "the CPU's own TLB, before it walks: no memory access",
    ("sim/versions/v7_3/tlb.py", "fault_again", "pmd"): "whether hardware would go on faulting; the wait is the step",
    ("sim/kernel.py", "rss", "mm_rss"): "a sum for tests and reports; the model never calls it",
}
"""Raw reads of shared columns in model code, each with the reason why it is no step of its own."""


CLOCKS = {"time", "datetime", "random", "secrets", "uuid", "trio", "asyncio", "threading"}
"""What the model never imports: clocks, chance, and what decides who runs."""


GENERATOR = "stress/rng.py"


def test_the_model_has_no_clock_and_no_random() -> None:
    found(
        [
            f"{name_of(path)}:{line}: imports {module}"
            for path in sources("sim")
            for module, line in imports(path)
            if module.split(".")[0] in CLOCKS or module.startswith("numpy.random")
        ]
    )


def test_random_words_come_from_one_generator() -> None:
    found(
        [
            f"{name_of(path)}:{line}: imports {module}; use stress.rng"
            for path in sources("stress", "scenarios")
            for module, line in imports(path)
            if name_of(path) != GENERATOR and (module.split(".")[0] == "random" or module.startswith("numpy.random"))
        ]
    )


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
                profile=profile, geometry=SMALL, version=version, world=World(files=1, swap_slots=1)
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
            f"{name}:{line}: {function} touches {column}, which is shared:"
            " await a primitive, or justify the raw read in PEEKS"
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


def annotated(node: ast.ClassDef) -> Iterator[tuple[str, int]]:
    """Yield (column, line) for the columns that a class says it uses."""
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and ast.unparse(part.annotation) in ("Column", "Cells"):
            yield ast.unparse(part.target), part.lineno


def test_annotated_columns_are_used() -> None:
    """A component annotates the columns that it uses, and no others."""
    problems = []
    for path in sources("sim"):
        used = {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                problems += [
                    f"{name_of(path)}:{line}: {node.name} annotates {column} and does not use it"
                    for column, line in annotated(node)
                    if column not in used
                ]
    found(problems)
