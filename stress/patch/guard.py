"""Judges what a patch raises: a finding, or a mistake in the patch.

Nothing stands around the patch's methods for this. What was raised is judged once, when the actor's
body has ended with it, by the files that its traceback goes through.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sim.core.bug import Bug
from sim.core.errors import SimError
from sim.core.machine import Machine, Violation, site
from stress.errors import USAGE, ForeignYield, ScenarioError, ZapstressError
from stress.patch.counting import override_runs
from stress.patch.dropped import EAR
from stress.patch.load import Patch
from stress.patch.oops import out_of_bounds, wild_step
from stress.patch.vet import meant, parts_of
from stress.sources import ROOT

CHECKER = "BUG"
"""The checker of a violation that the patch itself has found."""

RULE = "what the patch's author is sure of"


class PatchError(ZapstressError):
    """A patch raised what is no finding: a mistake in it, with its file and line."""

    exit_status = USAGE


class Spun(BaseException):
    """A body of the patch makes no step (:mod:`stress.patch.watchdog`): nothing of the patch may
    catch it.
    """


@contextmanager
def blaming(patch: Patch | None) -> Iterator[None]:
    """Raise as PatchError what the patch's own code raises meanwhile."""
    try:
        yield
    except SimError:
        raise
    except Exception as error:
        if (at := innermost(patch, error)) is None:
            raise
        words = f"{at.filename}:{at.lineno}: in {at.name}: {type(error).__name__}: {error}"
        raise PatchError(words) from error


def innermost(patch: Patch | None, error: BaseException) -> traceback.FrameSummary | None:
    """Return the innermost frame of ``error`` that is in a file of ``patch``, or None."""
    paths = {os.path.realpath(file.path) for file in patch.files} if patch is not None else set()
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame for frame in reversed(frames) if os.path.realpath(frame.filename) in paths), None)


def paths_of(own: Patch | None) -> dict[str, str]:
    """Return the files of a patch or a scenario: real path to the path that the user has typed."""
    return {os.path.realpath(file.path): file.path for file in own.files} if own is not None else {}


class Judge:
    """Says what an exception is, which ended the body of an actor: a body that runs ``patch``, or
    one of ``scenario``, the user's own.
    """

    def __init__(self, patch: Patch | None, kernel: Any, machine: Machine, scenario: Patch | None = None) -> None:
        self.patch, self.kernel, self.machine = patch, kernel, machine
        self.patched, self.staged = paths_of(patch), paths_of(scenario)
        self.files = self.staged | self.patched

    def __call__(self, error: BaseException) -> BaseException:
        """Return the violation that a BUG_ON, or an assertion of the patch, is; the PatchError that
        any other exception of the patch is; or the error itself.
        """
        if isinstance(error, ForeignYield):
            return self._of_trio(error)
        if isinstance(error, Exception) and not isinstance(error, Violation) and (oops := self.oops(error)) is not None:
            return oops
        if isinstance(error, Violation | SimError) or not isinstance(error, Exception | Spun):
            return error
        frames = traceback.extract_tb(error.__traceback__)
        patched = [frame for frame in frames if os.path.realpath(frame.filename) in self.patched]
        staged = [frame for frame in frames if os.path.realpath(frame.filename) in self.staged]
        if isinstance(error, Bug) and (patched or staged):
            return self._violation(error, (patched or staged)[-1])
        if staged and not patched and (frames[-1] is staged[-1] or not self._ran()):
            at = staged[-1]
            spun = f"{self._path(at)}:{at.lineno}: in {at.name}: {error}"
            return ScenarioError(spun) if isinstance(error, Spun) else error
        if not patched:
            return self._of_the_model(error, frames)
        at = patched[-1]
        if isinstance(error, AssertionError) and frames[-1] is at:
            return self._violation(error, at)
        where = f"{self._path(at)}:{at.lineno}: in {at.name}"
        if isinstance(error, Spun):
            return PatchError(f"{where}: {error}")
        through = "" if frames[-1] is at else f" (raised in {frames[-1].name}, {_short(frames[-1])})"
        return PatchError(f"{where}: {type(error).__name__}: {error}{_hint(error)}{through}")

    def oops(self, error: Exception | None = None) -> Violation | None:
        """Return the violation that the execution is, or ``error`` which ended it, because the
        patched kernel has touched what is not there; or None.
        """
        if self.patch is None or not self._ran():
            return None
        return wild_step(self.machine, list(self.kernel.arena.columns)) or out_of_bounds(error)

    def _of_trio(self, error: ForeignYield) -> BaseException:
        """Return the error that the patch awaits something of trio, if it is the patch that does."""
        for path, line in reversed(error.places):
            if mine := self.files.get(os.path.realpath(path)):
                return PatchError(f"{mine}:{line}: {error}")
        return error

    def _ran(self) -> list[str]:
        """Return the overrides that have run."""
        return [name for name, runs in override_runs(self.kernel).items() if runs]

    def _of_the_model(self, error: BaseException, frames: list[traceback.FrameSummary]) -> BaseException:
        """Return the error that the model ran into by itself: with what an override returned, if
        any has run. One that a scenario ran into is its own.
        """
        ran = self._ran()
        if self.patch is None or not ran or not frames or not Path(frames[-1].filename).is_relative_to(ROOT / "sim"):
            return error
        near = [name for name in ran if f".{name.partition('.')[2]}" in (frames[-1].line or "")]
        name = (near or ran)[0]
        part = next(part for part in parts_of(self.patch) if name.partition(".")[2] in part.members)
        what = str(error) if isinstance(error, Spun) else f"{type(error).__name__}: {error}"
        return PatchError(
            f"{part.place(name.partition('.')[2])}: the model went wrong, perhaps over what this returned: "
            f"{what} (in {frames[-1].name}, {_short(frames[-1])})"
        )

    def _path(self, frame: traceback.FrameSummary) -> str:
        return self.files.get(os.path.realpath(frame.filename), "")

    def _violation(self, error: BaseException, at: traceback.FrameSummary) -> Violation:
        """Return the violation: the last step is accused, and the victim is the line that minds."""
        path, line = self._path(at), (at.line or "").strip()
        kind = "bug-on" if isinstance(error, Bug) else "assertion"
        words = str(error) or line
        return Violation(
            CHECKER,
            kind,
            f"{words} ({path}:{at.lineno})",
            self.machine.last_site,
            site(at.name, line or kind, step=False),
            rule=f"{RULE}: {path}:{at.lineno}: {line}",
        )

    def dropped(self) -> PatchError | None:
        """Return the error that a coroutine of the patch was dropped since :meth:`Ear.clear`, or
        None.
        """
        drop = EAR.first
        path = self.files.get(os.path.realpath(drop.path)) if drop is not None else None
        if drop is None or path is None:
            return None
        return PatchError(
            f"{path}:{drop.line}: {drop.name}() is a coroutine that is never awaited: write 'await' before the call"
        )


def _hint(error: BaseException) -> str:
    """Return what may have been meant by an attribute that is not there, or ``""``."""
    if not isinstance(error, AttributeError) or error.name is None:
        return ""
    if isinstance(error.obj, memoryview):
        return "; a private column is read and written with [], only a shared one by a primitive"
    near = meant(error.name, [name for name in dir(error.obj) if not name.startswith("__")])
    return f"; {near}" if near else ""


def _short(frame: traceback.FrameSummary) -> str:
    return f"{os.path.basename(frame.filename)}:{frame.lineno}"
