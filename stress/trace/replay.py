"""Executes a trace again, from its tapes and never from a random generator.

*strict* follows the tape exactly and compares every step with the step checks. *tolerant* goes on
where the tape cannot be followed: for a changed model, an edited schedule, or a kernel without its
faults. *continue-with* hands over to a strategy at the tape's end.
"""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sim.versions import VERSIONS
from stress.case import Case
from stress.catalogue import CATALOGUE, Catalogue
from stress.errors import Divergence, UsageError
from stress.execution.outcome import CHECK_BYTES, Outcome
from stress.execution.runner import open_runner
from stress.execution.signature import signature_of
from stress.execution.steps import step_at
from stress.machine.chance import TapeData
from stress.machine.pauses import Pauses
from stress.patch.guard import PatchError
from stress.patch.scenario.file import is_file
from stress.patch.spec import options
from stress.sources import sources_hash
from stress.strategies.replay import Replay
from stress.trace.record import revision_of

if TYPE_CHECKING:
    from stress.execution.finished import Finished
    from stress.machine.scheduler import Scheduler
    from stress.strategies import Strategy
    from stress.trace.record import Trace


@dataclass(frozen=True)
class Mode:
    """How to replay.

    ``kernel``, ``patch`` and ``scenario``, a file, take the place of the trace's unless empty;
    ``then`` is the strategy that continues after the tape's end. Without faults there is no patch
    either, but for one that is named here.
    """

    driver: str = "fast"
    tolerant: bool = False
    without_faults: bool = False
    kernel: str = ""
    patch: tuple[str, ...] = ()
    scenario: str = ""
    then: Strategy | None = None
    parts: tuple[type, ...] = ()
    """Classes in front of the kernel's components (:func:`sim.kernel.wrapped`)."""


@dataclass
class Replayed:
    """A replay. The outcome is good as long as the block that it was made in."""

    trace: Trace
    outcome: Outcome
    diverged: int
    """The step at which a tolerant replay first left the tape, or -1."""
    override_runs: Mapping[str, int]
    """How often each override of the patch has run."""


def case_of(trace: Trace, mode: Mode) -> Case:
    """Return the case to compose.

    Raises UsageError if the trace was made with a patch, or a scenario of the user's, or under an
    earlier revision of its kernel version, and ``mode`` names none.
    """
    check_revision(trace, mode)
    case = replace(trace.case, kernel=mode.kernel or trace.case.kernel, scenario=scenario_of(trace, mode))
    if mode.without_faults:
        return replace(case, faults=(), patch=mode.patch)
    if mode.patch:
        return replace(case, patch=mode.patch)
    if case.patch:
        raise UsageError(
            f"the trace was made with a patch, which is run only if you name its file:{options(case.patch)}"
        )
    return case


def check_revision(trace: Trace, mode: Mode) -> None:
    """Raise UsageError if the kernel's name stood for another kernel when the trace was made."""
    name, now = trace.case.kernel, revision_of(trace.case.kernel)
    if not mode.kernel and trace.revision != now:
        why = VERSIONS[name].revised if trace.revision < now else "upgrade zapstress"
        raise UsageError(
            f"the trace is of revision {trace.revision} of kernel {name}, and this is revision {now}: {why}; "
            "--kernel names the one to replay it under, with --tolerant"
        )


def scenario_of(trace: Trace, mode: Mode) -> str:
    """Return the scenario to compose. Raises UsageError if it is a file that ``mode`` does not
    name.
    """
    made_with = trace.case.scenario
    if mode.scenario and not is_file(made_with):
        raise UsageError(f"--scenario {mode.scenario}: the trace is of {made_with}, which is no file of yours")
    if is_file(made_with) and not mode.scenario:
        raise UsageError(
            "the trace was made with a scenario of yours, which is run only if you name its file: "
            f"--scenario {shlex.quote(made_with)}"
        )
    return mode.scenario or made_with


def trusted(case: Case, **more: Any) -> Mode:
    """Return how to replay what this process, or another that obeys the same user, has executed:
    with the user's files of ``case``.
    """
    return Mode(patch=case.patch, scenario=case.scenario if is_file(case.scenario) else "", **more)


def patch_note(trace: Trace, mode: Mode, catalogue: Catalogue) -> str:
    """Return what is to be said if the user's files are not those that the trace was made with, or
    ``""``.
    """
    place = trace.case.profile, mode.kernel or trace.case.kernel
    return "; ".join(
        f"the trace was made without{named}"
        if not before.digest
        else f"the text of{named} is not what it was when the trace was made "
        f"(hash {now.digest}, then {before.digest}); zapstress show --patch-text prints the old one"
        for named, now, before in (
            (options(mode.patch), catalogue.patch(mode.patch, [place]), trace.patch),
            (options([mode.scenario], "--scenario"), catalogue.scenario_file(mode.scenario), trace.scenario_file),
        )
        if now is not None and now.digest != before.digest
    )


@asynccontextmanager
async def replay(
    trace: Trace,
    mode: Mode | None = None,
    catalogue: Catalogue = CATALOGUE,
    look: Callable[[Scheduler], None] | None = None,
) -> AsyncIterator[Replayed]:
    """Execute ``trace`` again and yield what came of it, with every step recorded.

    ``look`` is called with the machine before each step (:mod:`stress.machine.pauses`). Raises
    Divergence, naming the first step that differs, if a strict replay cannot follow the tape.
    """
    mode = mode or Mode()
    tolerant = mode.tolerant or mode.without_faults
    case = case_of(trace, mode)
    async with open_runner(case, mode.driver, trace.steps_max, catalogue, True, mode.parts) as runner:
        strategy = Replay(list(trace.schedule), tolerant, mode.then)
        try:
            pauses = Pauses(trace.pauses, tolerant, look)
            outcome = await runner.execute(strategy, trace.seed, TapeData(trace.tapes), pauses)
        except Divergence as error:
            _explain(trace, runner.outcome(trace.seed), error)
            raise
        except PatchError:
            outcome = runner.error_outcome(trace.seed)
            if trace.ending.kind != outcome.verdict.kind:
                raise
        yield Replayed(trace, outcome, strategy.diverged, runner.override_runs())


def _explain(trace: Trace, outcome: Outcome, error: Divergence) -> None:
    """Raise a better Divergence than ``error`` if an earlier step differs already."""
    at = first_difference(trace, outcome)
    if at < outcome.steps:
        raise Divergence(_words(trace, outcome.finished, at)) from error


def first_difference(trace: Trace, outcome: Outcome) -> int:
    """Return the number, from 0, of the first step that differs from the trace's; the number of
    common steps if none does.
    """
    ours, theirs = outcome.step_checks(), trace.checks
    if ours == theirs[: len(ours)]:
        return len(ours) // CHECK_BYTES
    return next(
        (at // CHECK_BYTES for at in range(len(theirs)) if ours[at : at + 1] != theirs[at : at + 1]),
        len(theirs) // CHECK_BYTES,
    )


def compare(trace: Trace, outcome: Outcome) -> None:
    """Raise Divergence unless ``outcome`` is what ``trace`` records: steps, digest, verdict, and
    the state at the end.
    """
    at = first_difference(trace, outcome)
    if at < max(outcome.steps, trace.steps):
        raise Divergence(_words(trace, outcome.finished, at))
    found = (outcome.digest(), outcome.verdict.kind, signature_of(outcome), outcome.model_hash())
    recorded = (trace.digest, trace.ending.kind, trace.ending.signature, trace.model_hash)
    names = ("its digest", "its verdict", "its signature", "the state that it leaves")
    for name, ours, theirs in zip(names, found, recorded, strict=True):
        if ours != theirs:
            raise Divergence(
                f"all {outcome.steps} steps are as recorded, but {name} is {ours or 'none'} "
                f"and was {theirs or 'none'}{_cause(trace, outcome.finished)}"
            )


def _words(trace: Trace, finished: Finished, at: int) -> str:
    if at >= finished.steps:
        return (
            f"step {at + 1} was not made: the replay ended there, and the trace has {trace.steps} steps"
            f"{_cause(trace, finished)}"
        )
    step = step_at(finished, at)
    if at >= trace.steps:
        return (
            f"step {at + 1} is one too many ({step.actor} in {step.site.name}): the trace ends before it"
            f"{_cause(trace, finished)}"
        )
    return (
        f"step {at + 1} differs from the trace: here {step.actor} made {step.site.name} on {step.place}, "
        f"value {step.value}{_cause(trace, finished)}"
    )


def _cause(trace: Trace, finished: Finished) -> str:
    if trace.sources != sources_hash():
        return "; the model has changed since the trace was made, so try --tolerant"
    own = CATALOGUE.scenario_file(finished.case.scenario)
    if trace.scenario_file.digest != (own.digest if own is not None else ""):
        return "; the scenario's file is not what it was when the trace was made, so try --tolerant"
    if trace.patch.digest != (finished.patch.digest if finished.patch is not None else ""):
        return "; the patch is not the one that the trace was made with, so try --tolerant"
    return "; the model has not changed since, so something in it is not deterministic: please report this"
