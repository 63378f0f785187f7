"""How a command that is printed names an execution: its trace's file, and the user's files.

What is printed works as it is typed, where it was printed. A results directory is copied and moved,
and has the user's files as they were run. So what it keeps or reports is typed in it, and names
nothing outside.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stress.patch.scenario.file import is_file
from stress.patch.spec import kept, options, parse

if TYPE_CHECKING:
    from stress.case import Case

TYPED_THERE = "Typed in the results directory."
"""What is said once beside commands that are."""


@dataclass(frozen=True)
class Typed:
    """The words of a command that name an execution."""

    path: str
    """The trace's file, or the folder of a failure."""
    patch: tuple[str, ...] = ()
    scenario: str = ""
    """The file of a scenario of the user's."""
    kernel: str = ""
    """Another version than the trace's."""
    there: bool = False
    """It is typed in the results directory, and not where it is printed."""

    @property
    def file(self) -> str:
        """The trace's file, as a shell takes it."""
        return shlex.quote(self.path)

    @property
    def more(self) -> str:
        """The options, with a space before each."""
        own = options([self.scenario] if self.scenario else [], "--scenario")
        kernel = options([self.kernel] if self.kernel else [], "--kernel")
        return f"{options(self.patch)}{own}{kernel}"


def as_given(path: str, case: Case) -> Typed:
    """Return how to name what was executed as ``case``, with the files as the user named them."""
    return Typed(path, case.patch, case.scenario if is_file(case.scenario) else "")


def within(path: str, patch: Iterable[str], scenario: str, directory: str = "") -> Typed:
    """Return how to name what a results directory keeps, with the files that it has kept: in it, or
    from where its name is ``directory``. ``path`` is named so already.
    """
    front = f"{directory.rstrip('/')}/" if directory else ""
    own = f"{front}{kept(scenario)}" if is_file(scenario) else ""
    return Typed(path, tuple(f"{front}{kept(spec)}" for spec in patch), own, there=not directory)


def by_names(path: str, patch: Iterable[str], scenario: str) -> Typed:
    """Return how to name an execution in a folder that has its files under their names alone."""
    names = (f"{Path(file).name}{spec[len(file) :]}" for spec in patch for file in [parse(spec).path])
    return Typed(path, tuple(names), Path(scenario).name if is_file(scenario) else "")
