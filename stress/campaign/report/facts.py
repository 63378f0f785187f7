"""The facts of a results directory: all that a report says, read once, as plain data.

They are the summary that the screen and ``--json`` show, and what is kept beside the database: the
trace and the page of each failure, and the patch's text. Paths are relative to the directory.
Nothing is run: traces are only looked into.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from stress.campaign.database import at_work, damaged
from stress.campaign.directory import FORM_REPORT, REPORT, TRACE, kept_files, trace_of
from stress.campaign.results import Results
from stress.campaign.summary import summary
from stress.errors import TraceError
from stress.trace.explanation import Explanation
from stress.trace.file import decode
from stress.workers.measure.bound import most

AT_WORK = "at work"
"""What is told in place of how the latest run has ended, while it runs."""


@dataclass(frozen=True)
class CellFacts:
    """A scenario on a profile: how many of its cases were opened, and what was executed of them."""

    scenario: str
    profile: str
    cases: int
    opened: int
    executions: int
    inconclusive: int
    fewest: int
    """Executions of the opened case that has had the fewest."""

    proved: int
    """How many of the cases are proved: they are not sampled any more."""
    risk: float
    """The chance that the next execution shows a class not seen before, at most."""
    sampled: int
    """How many of the opened cases are not proved."""

    @property
    def chance(self) -> float:
        """The chance per execution that a failure of one of its opened cases may have at most,
        with CONFIDENCE, if it was not seen: 1 if nothing was executed.
        """
        return most(0, self.fewest)


@dataclass(frozen=True)
class Known:
    """How many executions were measured, and how many classes known, after so much time."""

    elapsed_s: float
    measured: int
    classes: int


@dataclass(frozen=True)
class Where:
    """How often a failure was seen in a scenario on a profile."""

    scenario: str
    profile: str
    count: int


@dataclass(frozen=True)
class FindingFacts:
    """A failure that the newest generation shows."""

    signature: str
    kind: str
    checker: str
    title: str
    scenario: str
    profile: str
    strategy: str
    seed: int
    count: int
    first: int
    """After how many executions of its case it was found."""
    where: tuple[Where, ...]
    unpatched: bool | None
    """Whether the kernel without the patch has it too; None if that is not known."""
    expected: str | None
    """Why it is expected, if it was marked so."""
    trace: str | None = None
    """Its path within the directory."""
    message: str = ""
    accused: str = ""
    victim: str = ""
    steps: int = 0
    page: str = ""
    """The interleaving, as ``zapstress show`` prints it: of the smallest form, if there is one."""
    whole: str = ""
    """The interleaving as it was found, if ``page`` has another."""
    explanation: Explanation | None = None
    """Why it fails, if that is known."""


@dataclass(frozen=True)
class OldFinding:
    """A failure that only earlier generations have shown."""

    signature: str
    checker: str
    title: str
    scenario: str
    generation: int
    clean: int
    clean_needed: int


@dataclass(frozen=True)
class OverrideFacts:
    """A method that the patch overrides, and where it ran; ``here`` says that it can at all."""

    method: str
    runs: int
    profiles: tuple[str, ...]
    scenarios: tuple[str, ...]
    absent: dict[str, str]
    here: bool


@dataclass(frozen=True)
class PatchText:
    """A file of the patch, as this generation has run it."""

    path: str
    hash: str
    text: str


@dataclass(frozen=True)
class CodeFacts:
    """The code of a generation: the tool's version, and the hashes of the model and the patch."""

    zapstress: str
    model: str
    code: str


@dataclass(frozen=True)
class MergedFacts:
    """A campaign whose directory was merged into this one."""

    seed: int
    executions: int


@dataclass(frozen=True)
class DeathFacts:
    """A worker that died, and what it held."""

    scenario: str | None
    profile: str | None
    seed: int | None
    exit_status: int


@dataclass(frozen=True)
class Facts:
    """What a results directory holds. Fields are named as in ``--json``."""

    seed: int
    kernel: str
    geometry: str | None
    strategy: str
    machine: str
    scenarios: tuple[str, ...]
    profiles: tuple[str, ...]
    faults: tuple[str, ...]
    patch: tuple[str, ...]
    texts: tuple[PatchText, ...]
    overrides: tuple[OverrideFacts, ...]
    generation: int
    generations: tuple[CodeFacts, ...]
    merged: tuple[MergedFacts, ...]
    """The campaigns that the directory was made of, if it was."""
    ended: str
    """How the latest run has ended, or ``at work``."""
    executions: int
    steps: int
    inconclusive: int
    elapsed_s: float
    sessions: int
    measured: int
    """Executions whose class is known."""
    classes: int
    risk: float
    growth: tuple[Known, ...]
    """How the two grew: points of a curve, the earliest first."""
    cells: tuple[CellFacts, ...]
    findings: tuple[FindingFacts, ...]
    gone: tuple[OldFinding, ...]
    not_seen_again: tuple[OldFinding, ...]
    sites_reached: int
    sites_unreached: tuple[str, ...]
    unreachable: dict[str, str]
    """Those that cannot be reached here, with the reasons."""
    pairs: dict[str, int]
    """Operations that overlapped, ``first / second``, to how often."""
    twins: dict[str, int]
    worker_deaths: tuple[DeathFacts, ...]

    @property
    def code(self) -> CodeFacts:
        """The code of the newest generation."""
        return self.generations[-1] if self.generations else CodeFacts("", "", "")


def gather(directory: Path) -> Facts:
    """Return the facts of a results directory, also while a campaign is at work in it.

    Raises UsageError if it is not a campaign's, or is damaged.
    """
    with Results.open(directory) as results:
        return facts_of(results)


def facts_of(results: Results) -> Facts:
    """Return the facts of an open results directory. Raises UsageError if it is damaged."""
    data, directory = summary(results), results.directory
    seen: dict[str, list[Mapping[str, Any]]] = {}
    for row in results.seen():
        seen.setdefault(row["signature"], []).append(row)
    plain = {
        **data,
        "cells": data["coverage"],
        "texts": results.texts("patch"),
        "findings": [
            {**row, "where": seen.get(row["signature"], []), "trace": None, **kept(directory, row)}
            for row in data["violations"]
        ],
        "ended": AT_WORK if at_work(directory) else data["this_run"]["ended"],
    }
    try:
        return msgspec.convert(plain, Facts)
    except msgspec.ValidationError as error:
        raise damaged(directory, f"damaged ({error})") from error


def kept(directory: Path, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the folder of a failure says of it."""
    if row["trace"] is None:
        return {}
    files = kept_files(directory, row["signature"])
    path = trace_of(directory, row["signature"]).relative_to(directory).as_posix()
    pages = [files[name].decode(errors="replace") for name in (FORM_REPORT, REPORT) if name in files]
    found = {"trace": path, "page": (pages or [""])[0], "whole": "".join(pages[1:])}
    try:
        trace = decode(files.get(TRACE, b""), path)
    except TraceError:
        return found
    ending = trace.ending
    more = {"message": ending.message, "accused": ending.accused, "victim": ending.victim, "steps": trace.steps}
    return found | more
