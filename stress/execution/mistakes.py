"""What a scenario raises that is no verdict on the kernel: a mistake in the scenario.

A scenario that reaches for a page, a file or a slot that its world does not have makes the model
fail somewhere below. The error that is told names the line of the scenario that did.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sim.core.errors import SimError
from sim.core.machine import Violation
from stress.errors import ScenarioError, ZapstressError

if TYPE_CHECKING:
    from stress.scenario import Scenario


@contextmanager
def told_of(scenario: Scenario) -> Iterator[None]:
    """Turn what a scenario's own code raises in this block, also by way of the model, into a
    ScenarioError.
    """
    try:
        yield
    except (ZapstressError, Violation):
        raise
    except Exception as error:
        line = _line_of(scenario, error)
        if line is None:
            raise
        raise ScenarioError(f"{line}: {_words(error)}; this is a mistake in the scenario, and no verdict") from error


def vet_threads(scenario: Scenario, threads: list[tuple[str, int]]) -> None:
    """Raise ScenarioError unless each thread (name, CPU) has a CPU of its own that the world has."""
    cpus, taken = scenario.world().cpus, dict[int, str]()
    where = f"{type(scenario).__name__}.actors()"
    for name, cpu in threads:
        if not 0 <= cpu < cpus:
            raise ScenarioError(f"{where}: thread {name} is on CPU {cpu}, and the world has CPUs 0 to {cpus - 1}")
        if cpu in taken:
            raise ScenarioError(f"{where}: threads {taken[cpu]} and {name} are both on CPU {cpu}; give each its own")
        taken[cpu] = name


def _line_of(scenario: Scenario, error: Exception) -> str | None:
    """Return the last line of the scenario's own files that led to the error, as ``FILE:LINE``."""
    files = {
        inspect.getfile(cls) for cls in type(scenario).__mro__ if cls.__module__.partition(".")[0] not in NOT_ITS_OWN
    }
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else None


NOT_ITS_OWN = ("builtins", "stress", "sim")
"""Packages whose classes a scenario inherits from."""


def _words(error: Exception) -> str:
    if isinstance(error, SimError):
        return str(error)
    hint = " (a page, a file, an mm or a CPU that its world() does not have?)" if isinstance(error, IndexError) else ""
    return f"{type(error).__name__}: {error}{hint}"
