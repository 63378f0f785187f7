"""Executes a trace again, from its tapes and never from a random generator.

*strict* follows the tape exactly and compares every step with the step checks. *tolerant* goes on
where the tape cannot be followed: for a changed model, an edited schedule, or a kernel without its
faults. *continue-with* hands over to a strategy at the tape's end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stress.case import DEFAULT_KERNEL, Case
from stress.catalogue import CATALOGUE, Catalogue
from stress.errors import Divergence, UsageError
from stress.execution.outcome import CHECK_BYTES, Outcome
from stress.execution.runner import open_runner
from stress.execution.signature import signature_of
from stress.execution.steps import step_at
from stress.machine.chance import TapeData
from stress.sources import is_file, sources_hash
from stress.strategies.replay import Replay

if TYPE_CHECKING:
    from stress.execution.finished import Finished
    from stress.strategies import Strategy
    from stress.trace.record import Trace


@dataclass(frozen=True)
class Mode:
    """How to replay.

    ``kernel``, unless empty, takes the place of the trace's; ``then`` is the strategy that
    continues after the tape's end.
    """

    driver: str = "fast"
    tolerant: bool = False
    without_faults: bool = False
    kernel: str = ""
    then: Strategy | None = None


@dataclass
class Replayed:
    """A replay. The outcome is good as long as the block that it was made in."""

    trace: Trace
    outcome: Outcome
    diverged: int
    """The step at which a tolerant replay first left the tape, or -1."""


def case_of(trace: Trace, mode: Mode) -> Case:
    """Return the case to compose.

    Raises UsageError if the trace names a file and ``mode`` does not repeat it.
    """
    case = trace.case
    if mode.kernel:
        case = replace(case, kernel=mode.kernel)
    if mode.without_faults:
        return replace(case, faults=(), kernel=DEFAULT_KERNEL if is_file(case.kernel) else case.kernel)
    if is_file(case.kernel) and not mode.kernel:
        raise UsageError(
            f"the trace was made with your file {case.kernel}; if it is to be run, say so: --kernel {case.kernel}"
        )
    return case


@asynccontextmanager
async def replay(trace: Trace, mode: Mode | None = None, catalogue: Catalogue = CATALOGUE) -> AsyncIterator[Replayed]:
    """Execute ``trace`` again and yield what came of it, with every step recorded.

    Raises Divergence, naming the first step that differs, if a strict replay cannot follow the
    tape.
    """
    mode = mode or Mode()
    tolerant = mode.tolerant or mode.without_faults
    async with open_runner(case_of(trace, mode), mode.driver, trace.steps_max, catalogue, record=True) as runner:
        strategy = Replay(list(trace.schedule), tolerant, mode.then)
        try:
            outcome = await runner.execute(strategy, trace.seed, TapeData(trace.tapes))
        except Divergence as error:
            _explain(trace, runner.outcome(trace.seed), error)
            raise
        yield Replayed(trace, outcome, strategy.diverged)


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
                f"and was {theirs or 'none'}{_cause(trace)}"
            )


def _words(trace: Trace, finished: Finished, at: int) -> str:
    if at >= finished.steps:
        return (
            f"step {at + 1} was not made: the replay ended there, and the trace has {trace.steps} steps{_cause(trace)}"
        )
    step = step_at(finished, at)
    if at >= trace.steps:
        return (
            f"step {at + 1} is one too many ({step.actor} in {step.site.name}): the trace ends before it{_cause(trace)}"
        )
    return (
        f"step {at + 1} differs from the trace: here {step.actor} made {step.site.name} on {step.place}, "
        f"value {step.value}{_cause(trace)}"
    )


def _cause(trace: Trace) -> str:
    if trace.sources != sources_hash(trace.case.kernel):
        return "; the model has changed since the trace was made, so try --tolerant"
    return "; the model has not changed since, so something in it is not deterministic: please report this"
