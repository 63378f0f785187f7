"""Imports run downward: between the packages, between the rooms of a package, between its files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.style.source import ROOT, arrows, found, imports, name_of, sources, tree

LAYERS: dict[str, tuple[str, ...]] = {
    "sim": ("core", "hardware", "mm", "arch", "checks", "task", "setup", "versions", "kernel", "compose"),
    "stress": (
        "rng", "errors", "output", "files", "case", "fault", "scenario", "sources", "patch",
        "programs", "strategies", "catalogue", "machine", "execution", "trace", "parallel", "conform",
        "native", "workers", "campaign", "selfcheck", "bench", "cli", "__main__",
    ),
}  # fmt: skip
"""The rooms of a package (folders, and modules beside them), from bottom to top. A file imports
from its own room and from those before it.
"""

UPWARD: dict[tuple[str, str], str] = {
    (
        "sim/core/component.py",
        "sim/kernel.py",
    ): "a type only: components reach each other through the kernel that holds them",
}
"""Imports that run upward, each with its reason."""

ROOMS_MAX = 24
"""Rooms of stress/."""

FILES_MAX = 12
"""Files of a package of machinery, besides its ``__init__``."""

CATALOGUES = ("sim/checks", "sim/mm", "sim/versions", "scenarios", "stress/cli")
"""Packages that have one file per thing, with all that is below them: as many files as there are
things.
"""


FOUND = ("sim/arch", "sim/checks", "stress/strategies")
"""Packages whose files are found by walking: a new one is one file, so their docstrings list none.
"""


def room(path: Path) -> tuple[str, str]:
    """Return (package, room) of a file; the package's own ``__init__`` is the room of that name."""
    package, inner = path.relative_to(ROOT).parts[:2]
    return package, inner.removesuffix(".py")


def rooms(package: str) -> list[str]:
    """Return the rooms that a package has on disk."""
    return sorted({room(path)[1] for path in sources(package)} - {"__init__"})


def packages() -> list[Path]:
    """Return the folders that hold Python files."""
    return sorted({path.parent for path in sources("sim", "stress", "scenarios")})


def catalogue(folder: Path) -> bool:
    """Return whether a package is a catalogue."""
    return any(f"{name_of(folder)}/".startswith(f"{name}/") for name in CATALOGUES)


def test_packages_import_one_way() -> None:
    """scenarios -> stress -> sim; the catalogue finds what lies above it by name."""
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


@pytest.mark.parametrize("package", LAYERS)
def test_every_room_has_a_layer(package: str) -> None:
    here = rooms(package)
    print(f"{package}: {len(here)} rooms, of {ROOMS_MAX} at most:", " ".join(here))
    assert sorted(LAYERS[package]) == here
    assert len(here) <= ROOMS_MAX


@pytest.mark.parametrize("package", LAYERS)
def test_files_import_from_below(package: str) -> None:
    """Imports for type checking and within functions included."""
    height = {name: number for number, name in enumerate(LAYERS[package])} | {"__init__": -1}
    found(
        [
            f"{name_of(path)}:{line}: imports {name_of(target)}, which lies above"
            for path in sources(package)
            for target, line in arrows(path)
            if target.is_relative_to(ROOT / package)
            and height.get(room(target)[1], 0) > height.get(room(path)[1], 0)
            and (name_of(path), name_of(target)) not in UPWARD
        ]
    )


def test_every_excuse_is_needed() -> None:
    made = {(name_of(path), name_of(target)) for path in sources(*LAYERS) for target, _ in arrows(path)}
    found([f"UPWARD: {one} imports {other} no more" for one, other in UPWARD if (one, other) not in made])


def circles(graph: dict[Path, set[Path]]) -> Iterator[list[Path]]:
    """Yield the groups of files that reach each other (strongly connected, of two and more)."""

    def reached(start: Path) -> set[Path]:
        seen: set[Path] = set()
        ahead = [start]
        while ahead:
            new = graph[ahead.pop()] - seen
            seen |= new
            ahead += new
        return seen

    reach = {file: reached(file) for file in graph}
    done: set[Path] = set()
    for file in graph:
        group = sorted(other for other in reach[file] if file in reach[other])
        if len(group) > 1 and file not in done:
            done |= set(group)
            yield group


def test_files_of_a_room_have_no_circles() -> None:
    """Imports for type checking included: a reader can hold each file without the others."""
    problems = []
    for package in LAYERS:
        for name in rooms(package):
            files = [path for path in sources(package) if room(path) == (package, name)]
            graph = {path: {target for target, _ in arrows(path) if target in files} for path in files}
            problems += [f"circle: {', '.join(map(name_of, group))}" for group in circles(graph)]
    found(problems)


def test_circles_are_seen() -> None:
    a, b, c = map(Path, "abc")
    assert [[a, b]] == list(circles({a: {b}, b: {a, c}, c: set()}))
    assert not list(circles({a: {b}, b: {c}, c: set()}))


def test_packages_of_machinery_are_small() -> None:
    problems = []
    for folder in packages():
        files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        if len(files) > FILES_MAX and not catalogue(folder) and name_of(folder) not in LAYERS:
            problems.append(f"{name_of(folder)}: {len(files)} files; {FILES_MAX} at most, or it is a catalogue")
    found(problems)


def words(text: str) -> set[str]:
    """Return the last words of the names in double back quotes."""
    names = re.findall(r"``([\w./]+)``", text)
    return {re.split(r"[./]", name.removesuffix(".py").rstrip("/"))[-1] for name in names}


def plain(text: str) -> str:
    """Return the text with references, and the first column of a table, as names in double back
    quotes.
    """
    text = re.sub(r":mod:`~?([\w.]+)`", r"``\1``", text)
    return re.sub(r"^ *([\w/]+(?:\.py)?)  +(?=\S)", r"- ``\1``: ", text, flags=re.MULTILINE)


def names_in(text: str) -> set[str]:
    """Return the files that the docstring of a package names."""
    return words(plain(text))


def listed(text: str) -> set[str]:
    """Return the files that it lists: ``- ``name``, ``other``: what``, or ``name    what``."""
    return {name for head in re.findall(r"^- (.*?):\s", plain(text), re.MULTILINE) for name in words(head)}


def test_packages_name_their_files() -> None:
    """The docstring of a package of machinery lists each of its files and folders; none lists what
    is not there.
    """
    problems = []
    for folder in packages():
        there = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/*.py")}
        text, file = ast.get_docstring(tree(folder / "__init__.py")) or "", name_of(folder / "__init__.py")
        must = not catalogue(folder) and name_of(folder) not in FOUND
        missing = there - {"__init__", "__main__"} - names_in(text) if must else set()
        wrong = listed(text) - there
        problems += [f"{file}: does not name {name}" for name in sorted(missing)]
        problems += [f"{file}: lists {name}, which is not there" for name in sorted(wrong)]
    found(problems)


def test_names_in_docstrings_of_packages_are_read_as_they_are_written() -> None:
    text = "What.\n\n- ``arena``, ``step.py``: this;\n- :mod:`~stress.parallel.machine`: that, and ``linux/``\n"
    assert {"arena", "step", "machine", "linux"} == names_in(text)
    assert {"arena", "step", "machine"} == listed(text)
    assert {"leases", "cli"} == listed("What.\n\nleases  which case\n    cli/      words in, exit status out\n")


@pytest.mark.parametrize("package", LAYERS)
def test_the_drawing_shows_the_layers(package: str) -> None:
    """docs/architecture.md draws the larger rooms, in the order of LAYERS from top to bottom."""
    text = (ROOT / "docs/architecture.md").read_text()
    box = text[text.index(f"| {package}/ ") :].partition("+--")[0].removeprefix(f"| {package}/")
    shown = [
        name for names in re.findall(r"^[ |]*([a-z]+(?:, [a-z]+)*)  ", box, re.MULTILINE) for name in names.split(", ")
    ]
    assert shown == [name for name in reversed(LAYERS[package]) if name in shown] and len(shown) > 5


SCENARIOS_MAY = ("stress.fault", "stress.programs", "stress.rng", "stress.scenario")
"""What scenarios/ may import of stress/: the words that a workload is written in."""


def test_scenarios_import_the_public_doors_only() -> None:
    found(
        [
            f"{name_of(path)}:{line}: imports {module}; scenarios may import {', '.join(SCENARIOS_MAY)}"
            for path in sources("scenarios")
            for module, line in imports(path)
            if module.split(".")[0] == "stress" and not module.startswith(SCENARIOS_MAY)
        ]
    )


def test_the_map_is_in_the_order_of_the_layers() -> None:
    """The docstring of stress/ names the rooms from top to bottom."""
    text = ast.get_docstring(tree(ROOT / "stress" / "__init__.py")) or ""
    named = list(dict.fromkeys(re.findall(r":mod:`~stress\.(\w+)`", text.partition("``scenarios`` imports")[0])))
    assert named == [name for name in reversed(LAYERS["stress"]) if name in named]
    assert set(named) == set(LAYERS["stress"]) - {"__main__"}
