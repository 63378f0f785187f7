"""Judges what a patch raises: a finding, or a mistake in the patch.

Nothing stands around the patch's methods for this. What was raised is judged once, when the actor's
body has ended with it, by the files that its traceback goes through.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sim.core.bug import Bug
from sim.core.errors import SimError
from sim.core.machine import Machine, Violation, site
from stress.errors import USAGE, ZapstressError
from stress.patch.counting import override_runs
from stress.patch.dropped import EAR
from stress.patch.load import Patch
from stress.patch.vet import parts_of

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
        at = innermost(patch, error)
        if at is None:
            raise
        raise PatchError(f"{at.filename}:{at.lineno}: in {at.name}: {type(error).__name__}: {error}") from error


def innermost(patch: Patch | None, error: BaseException) -> traceback.FrameSummary | None:
    """Return the innermost frame of ``error`` that is in a file of ``patch``, or None."""
    paths = {os.path.realpath(file.path) for file in patch.files} if patch is not None else set()
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame for frame in reversed(frames) if os.path.realpath(frame.filename) in paths), None)


class Judge:
    """Says what an exception is, which ended the body of an actor that runs ``patch``."""

    def __init__(self, patch: Patch, kernel: Any, machine: Machine) -> None:
        self.patch, self.kernel, self.machine = patch, kernel, machine
        self.files = {os.path.realpath(file.path): file.path for file in patch.files}

    def __call__(self, error: BaseException) -> BaseException:
        """Return the violation that a BUG_ON or an assertion of the patch is, the PatchError that
        any other exception of the patch is, or the error itself.
        """
        if isinstance(error, Violation | SimError) or not isinstance(error, Exception | Spun):
            return error
        frames = traceback.extract_tb(error.__traceback__)
        mine = [frame for frame in frames if self._path(frame)]
        if not mine:
            return self._of_the_model(error, frames)
        at = mine[-1]
        if isinstance(error, Bug) or (isinstance(error, AssertionError) and frames[-1] is at):
            return self._violation(error, at)
        where = f"{self._path(at)}:{at.lineno}: in {at.name}"
        if isinstance(error, Spun):
            return PatchError(f"{where}: {error}")
        through = "" if frames[-1] is at else f" (raised in {frames[-1].name}, {_short(frames[-1])})"
        return PatchError(f"{where}: {type(error).__name__}: {error}{through}")

    def _of_the_model(self, error: BaseException, frames: list[traceback.FrameSummary]) -> BaseException:
        """Return the error that the model ran into by itself: with what an override returned, if
        any has run.
        """
        ran = [name for name, runs in override_runs(self.kernel).items() if runs]
        if not ran or not frames:
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


def _short(frame: traceback.FrameSummary) -> str:
    return f"{os.path.basename(frame.filename)}:{frame.lineno}"
