"""What a scenario says or raises that is no verdict on the kernel: a mistake in the scenario.

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
from stress.sources import ROOT

if TYPE_CHECKING:
    from stress.scenario import Scenario

MODEL = ("sim", "scenarios", "stress/machine")
"""The model, what scenarios share, and the steps that they make."""

NOT_ITS_OWN = ("builtins", "stress", "sim")
"""Packages whose classes a scenario inherits from."""

WORLD = " (a page, a file, an mm or a CPU that its world() does not have?)"
"""What an index out of range may mean."""


@contextmanager
def told_of(scenario: type[Scenario]) -> Iterator[None]:
    """Turn what a scenario's own code raises in this block, also by way of the model, into a
    ScenarioError.

    What the model raises behind the back of a user's scenario (the audit after a setup) is taken
    for the scenario's too: the kernel without it is searched every day.
    """
    try:
        yield
    except (ZapstressError, Violation):
        raise
    except BaseException as error:
        place = None if isinstance(error, KeyboardInterrupt | GeneratorExit) else _place_of(scenario, error)
        if place is None:
            raise
        raise ScenarioError(f"{place}: {_words(error)}; this is a mistake in the scenario, and no verdict") from error


def _place_of(scenario: type[Scenario], error: BaseException) -> str | None:
    """Return the last line of the scenario's own files that led to the error, as ``FILE:LINE``, or
    a user's FILE alone; None if it was raised neither there nor in the model.
    """
    files = files_of(scenario)
    every = traceback.extract_tb(error.__traceback__)
    if isinstance(error.__cause__, StopIteration):  # Python's own RuntimeError hides where it came from
        every += traceback.extract_tb(error.__cause__.__traceback__)
    raised = every[-1].filename
    in_the_model = isinstance(error, Exception) and any(Path(raised).is_relative_to(ROOT / place) for place in MODEL)
    if raised not in files and not in_the_model:
        return None
    frames = [frame for frame in every if frame.filename in files]
    if frames:
        return f"{shown(frames[-1].filename)}:{frames[-1].lineno}"
    users = [file for file in files if not Path(file).is_relative_to(ROOT)]
    return users[0] if users else None


def files_of(scenario: type[Scenario]) -> list[str]:
    """Return the files that a scenario's class and its bases of the same kind are in."""
    own = [cls for cls in scenario.__mro__ if cls.__module__.partition(".")[0] not in NOT_ITS_OWN]
    return [inspect.getfile(cls) for cls in own]


def shown(file: str) -> str:
    """Return a file of the tool's own by its name, and the user's as the user has typed it."""
    return Path(file).name if Path(file).is_relative_to(ROOT) else file


def _words(error: BaseException) -> str:
    if isinstance(error, SimError):
        return str(error)
    return f"{type(error).__name__}: {error}{WORLD if isinstance(error, IndexError) else ''}".removesuffix(": ")
