"""What is kept of one execution: its case, its choices, how it ended, and checks of every step.

A trace is the only artefact of a failure (law L4). This module says what it holds;
:mod:`stress.trace.file` says how that lies on the disk.
"""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sim.core.machine import site_info
from sim.versions import VERSIONS
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.outcome import Outcome
from stress.execution.signature import signature
from stress.patch.load import Patch
from stress.sources import sources_hash


@dataclass(frozen=True)
class Ending:
    """How the traced execution ended, in words that mean the same in every process.

    ``kind`` is ``clean``, ``violation``, ``inconclusive``, or ``error`` (the patch raised something
    that is no finding); ``accused`` and ``victim`` are names of sites. Of a violation all fields
    are given, else only ``kind`` and ``reason``.
    """

    kind: str
    reason: str = ""
    checker: str = ""
    title: str = ""
    message: str = ""
    accused: str = ""
    victim: str = ""
    signature: str = ""


@dataclass(frozen=True)
class PatchRecord:
    """What a trace keeps of the patch that it was made with. It is for reading, and never run."""

    digest: str = ""
    """The patch's hash (:class:`stress.patch.load.Patch`), 16 hex digits; empty if there was none.
    """
    files: tuple[tuple[str, str], ...] = ()
    """Name and text of each file."""

    @classmethod
    def of(cls, patch: Patch | None) -> PatchRecord:
        """Return what is kept of ``patch``."""
        if patch is None:
            return cls()
        return cls(patch.digest, tuple((Path(file.path).name, file.text) for file in patch.files))


@dataclass(frozen=True)
class Trace:
    """One execution, as recorded."""

    case: Case
    seed: int
    strategy: str
    """The name of the strategy that chose."""
    steps_max: int
    """The step budget."""
    sources: str
    """The hash over the model's source files (:func:`stress.sources.sources_hash`)."""
    python: str
    """The version of Python that made it."""
    ending: Ending
    setup: bool
    """The execution ended in the setup: there are no choices, and digest and checks are those of
    the setup's failing phase.
    """
    steps: int
    digest: str
    """The digest over every step, 32 hex digits."""
    model_hash: str
    """The hash of the model region as the execution left it."""
    schedule: tuple[tuple[int, int], ...]
    """Which actors made the steps: runs of (slot, steps)."""
    tapes: dict[int, tuple[int, ...]]
    """The data tape of each slot: what its actor drew."""
    checks: bytes
    """Two bytes of a rolling digest for each step."""
    pauses: tuple[int, ...] = ()
    """Numbers of steps, ascending, after which the arena was audited: where the run of the parallel
    machine stood still whose replay this is.
    """
    patch: PatchRecord = PatchRecord()
    """The user's patch that it was made with, for reading."""
    scenario_file: PatchRecord = PatchRecord()
    """The same of the scenario, if it is a file of the user's."""
    revision: int = 1
    """The revision of the kernel version (:class:`sim.core.version.Version`)."""

    @property
    def switches(self) -> int:
        """How often the turn went to another actor."""
        return max(0, len(self.schedule) - 1)

    def header(self) -> dict[str, Any]:
        """Return everything but the tapes and the checks, as plain data; of the patch's files the
        names without their folders.
        """
        found = asdict(self)
        for name in ("schedule", "tapes", "checks"):
            del found[name]
        found["case"]["patch"] = [Path(spec).name for spec in self.case.patch]
        return found


def revision_of(kernel: str) -> int:
    """Return the revision that a kernel version is at, 1 if there is no such version."""
    return VERSIONS[kernel].revision if kernel in VERSIONS else 1


def capture(outcome: Outcome, strategy: str) -> Trace:
    """Return the trace of ``outcome``, before its runner executes again.

    ``strategy`` is the name of the strategy that chose.
    """
    finished = outcome.finished
    return Trace(
        case=finished.case,
        seed=finished.seed,
        strategy=strategy,
        steps_max=finished.machine.steps_max,
        sources=sources_hash(),
        patch=PatchRecord.of(finished.patch),
        scenario_file=PatchRecord.of(CATALOGUE.scenario_file(finished.case.scenario)),
        revision=revision_of(finished.case.kernel),
        python=platform.python_version(),
        ending=ending_of(outcome),
        setup=finished.setup,
        steps=outcome.steps,
        digest=outcome.digest(),
        model_hash=outcome.model_hash(),
        schedule=tuple(outcome.schedule()),
        tapes={slot: tuple(tape) for slot, tape in outcome.tapes.items()},
        checks=outcome.step_checks(),
        pauses=() if finished.setup else tuple(at for at in finished.machine.pauses if at <= outcome.steps),
    )


def ending_of(outcome: Outcome) -> Ending:
    """Return how ``outcome`` ended."""
    verdict, violation = outcome.verdict, outcome.verdict.violation
    if violation is None:
        return Ending(verdict.kind, verdict.reason)
    accused, victim = (site_info(code).name if code else "" for code in (violation.accused, violation.victim))
    return Ending(
        verdict.kind,
        verdict.reason,
        violation.checker,
        violation.title,
        violation.message,
        accused,
        victim,
        signature(violation),
    )
