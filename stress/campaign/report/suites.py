"""What was judged, as suites of test cases: what KTAP and JUnit are made of.

A campaign's case is a scenario on a profile, and so is one that is to be proved, of a kernel; a
self-check's is a fault on a profile. The comparison with the running kernel has one for all
programs, and one for each difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from stress.campaign.report.facts import CellFacts, Facts, FindingFacts
from stress.errors import CLEAN, VIOLATED
from stress.native.proofs.result import DIFFERS, PROVED, VIOLATED_KIND, Answer


class Result(Enum):
    """What came of a test case. An expected failure is one that was marked so."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    EXPECTED = "expected failure"
    ERROR = "error"


@dataclass(frozen=True)
class SuiteCase:
    """One test case: ``group`` and ``name`` say which, ``words`` in a line why it ended so, and
    ``detail`` what there is to be read.
    """

    group: str
    name: str
    result: Result
    words: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Suite:
    """The test cases of one run, and how many seconds it took."""

    name: str
    cases: tuple[SuiteCase, ...]
    seconds: float

    def groups(self) -> dict[str, list[SuiteCase]]:
        """Return the cases by group."""
        found: dict[str, list[SuiteCase]] = {}
        for case in self.cases:
            found.setdefault(case.group, []).append(case)
        return found

    def count(self, *results: Result) -> int:
        """Return how many cases ended so."""
        return sum(case.result in results for case in self.cases)


# -- a campaign ----------------------------------------------------------------------------------------------------


def campaign_suite(facts: Facts) -> Suite:
    """Return the cells of a campaign, and what holds for all of it, as test cases."""
    cells = [cell_case(cell, found_in(cell, facts)) for cell in facts.cells]
    return Suite("zapstress campaign", (*cells, *whole(facts)), facts.elapsed_s)


def found_in(cell: CellFacts, facts: Facts) -> list[FindingFacts]:
    """Return the failures that were seen in a cell."""
    place = cell.scenario, cell.profile
    return [found for found in facts.findings if any((seen.scenario, seen.profile) == place for seen in found.where)]


def cell_case(cell: CellFacts, found: list[FindingFacts]) -> SuiteCase:
    """Return the test case of a cell."""
    new = [failure for failure in found if failure.expected is None]
    detail = "\n".join(failure.page if is_first(cell, failure) else elsewhere(failure) for failure in new)
    words, result = f"{cell.executions} executions, no violation", Result.PASSED
    if new:
        words, result = "; ".join(map(named, new)), Result.FAILED
    elif found:
        words, result = "; ".join(f"{named(failure)}: {failure.expected}" for failure in found), Result.EXPECTED
    elif not cell.executions:
        words, result = "not executed", Result.SKIPPED
    elif cell.inconclusive >= cell.executions:
        words, result = "every execution ran out of steps before a verdict", Result.SKIPPED
    return SuiteCase(cell.scenario, cell.profile, result, words, detail)


def is_first(cell: CellFacts, failure: FindingFacts) -> bool:
    """Return whether a failure was found in this cell, and seen in others after that."""
    return (cell.scenario, cell.profile) == (failure.scenario, failure.profile)


def elsewhere(failure: FindingFacts) -> str:
    """Return where the interleaving of a failure stands, which is shown once."""
    return f"{failure.signature}: its interleaving stands at {failure.scenario} on {failure.profile}"


def named(failure: FindingFacts) -> str:
    """Return a failure in a few words."""
    return f"{failure.signature} {failure.checker} {failure.title}"


def whole(facts: Facts) -> Iterator[SuiteCase]:
    """Yield what holds for the whole campaign: it is deterministic, no worker died, and every
    override of the patch ran.
    """
    run, differing = facts.twins.get("run", 0), facts.twins.get("differing", 0)
    words, result = f"{run} executions run twice", Result.PASSED if run else Result.SKIPPED
    if differing:
        words, result = f"{differing} of {run} executions differed when they were run again", Result.FAILED
    yield SuiteCase("campaign", "deterministic", result, words)
    dead = len(facts.worker_deaths)
    result = Result.ERROR if dead else Result.PASSED
    yield SuiteCase("campaign", "workers", result, f"{dead} workers died" if dead else "no worker died")
    for row in facts.overrides:
        words, result = f"ran {row.runs} times", Result.PASSED
        if not row.here:
            words, result = f"cannot run here: {'; '.join(dict.fromkeys(row.absent.values()))}", Result.SKIPPED
        elif not row.runs:
            words, result = "never ran", Result.FAILED
        yield SuiteCase("patch", row.method, result, words)


# -- proofs --------------------------------------------------------------------------------------------------------

ENDS = {PROVED: Result.PASSED, VIOLATED_KIND: Result.FAILED, DIFFERS: Result.ERROR}
"""What a search that was to go to its end stands for; one that did not get there is skipped."""


def proofs_suite(results: Sequence[Answer]) -> Suite:
    """Return the cases that were to be proved."""
    cases = []
    for found in results:
        counts = f"{found.states:,} states" if found.states else ""
        words = "; ".join(filter(None, (found.kind.replace("_", " "), counts, found.words)))
        name = f"{found.case.profile}, {'+'.join((found.case.kernel, *found.case.faults))}"
        result = ENDS.get(found.kind, Result.SKIPPED)
        cases.append(SuiteCase(found.case.scenario, name, result, words, found.certificate))
    return Suite("zapstress prove", tuple(cases), sum(found.seconds for found in results))


# -- the other commands: from what they print with --json -------------------------------------------------------------


def selfcheck_suite(data: dict[str, Any], complaints: dict[tuple[str, str], str]) -> Suite:
    """Return the cells of a self-check; ``complaints`` says by fault and profile what is not as
    expected.
    """
    cases = []
    for cell in data["cells"]:
        words = f"found in {cell['executions']} executions" if cell["found"] else "silent"
        result = Result.PASSED
        if cell["interrupted"]:
            words, result = "interrupted", Result.SKIPPED
        elif not cell["ok"]:
            words = complaints[cell["fault"], cell["profile"]]
            result = Result.ERROR if cell["error"] else Result.FAILED
        cases.append(SuiteCase(cell["fault"], cell["profile"], result, words))
    return Suite("zapstress selfcheck", tuple(cases), data["elapsed_s"])


def patches_suite(data: dict[str, Any]) -> Suite:
    """Return the patches of ``selfcheck --patches``."""
    cases = []
    for trial in data["patches"]:
        words, result = f"not found in {trial['executions']} executions", Result.FAILED
        if trial["error"]:
            words, result = trial["error"], Result.ERROR
        elif trial["found"]:
            words, result = f"{trial['checker']} {trial['title']} in {trial['scenario']}", Result.PASSED
        cases.append(SuiteCase("patches", trial["name"], result, words))
    seconds = sum(trial["seconds"] for trial in data["patches"])
    return Suite("zapstress selfcheck --patches", tuple(cases), seconds)


def program_suite(data: dict[str, Any]) -> Suite:
    """Return what ``conform --program`` has found of one program."""
    result = {CLEAN: Result.PASSED, VIOLATED: Result.FAILED}.get(data["exit_status"], Result.SKIPPED)
    words = "; ".join(data["differences"])
    return Suite("zapstress conform", (SuiteCase("conform", "program", result, words, data["listing"]),), 0.0)


def conform_suite(data: dict[str, Any]) -> Suite:
    """Return a comparison with the running kernel: of programs, or of races."""
    racing = "rounds" in data
    made = f"{data['rounds']} rounds" if racing else f"{data['executions']} programs"
    wrong = data["unexplained"] if racing else data["differences"]
    undecided = data["given_up"] or data["interrupted"]
    words = f"{made} on {data['running']}, {data['given_up']} given up"
    result = Result.FAILED if wrong else Result.SKIPPED if undecided else Result.PASSED
    cases = [SuiteCase("conform", "races" if racing else "programs", result, words)]
    for number, found in enumerate(wrong, 1):
        why = found["why"] if racing else found["signature"]
        name = f"race {number}" if racing else f"difference {number}"
        words = f"{why}; {found['program']}"
        cases.append(SuiteCase("conform", name, Result.FAILED, words, found["listing"]))
    return Suite("zapstress conform", tuple(cases), data["elapsed_s"])
