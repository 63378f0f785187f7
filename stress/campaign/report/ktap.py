"""Suites as KTAP, version 1, which kernel CI reads (Documentation/dev-tools/ktap.rst).

A group is a test with subtests: the lines of the subtests are indented by two spaces and begin with
a version line of their own. What there is to be read of a failure stands in diagnostic lines before
its result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stress.campaign.report.suites import Result, Suite, SuiteCase
from stress.output import printable

VERSION = "KTAP version 1"

INDENT = "  "

DIRECTIVE = {
    Result.PASSED: "",
    Result.FAILED: "",
    Result.SKIPPED: "SKIP ",
    Result.EXPECTED: "XFAIL ",
    Result.ERROR: "ERROR ",
}
"""What stands before the words of a result that is neither passed nor failed."""

BAD = (Result.FAILED, Result.ERROR)


def ktap(suite: Suite) -> str:
    """Return a suite as KTAP."""
    groups = suite.groups()
    lines = [VERSION, f"1..{len(groups)}"]
    for number, (name, cases) in enumerate(groups.items(), 1):
        lines += [INDENT + line for line in subtests(name, cases)]
        lines.append(result_line(number, SuiteCase(name, name, overall(cases))))
    return "\n".join(lines) + "\n"


def subtests(name: str, cases: Sequence[SuiteCase]) -> Iterator[str]:
    """Yield the lines of a group's cases."""
    yield VERSION
    yield f"# Subtest: {described(name)}"
    yield f"1..{len(cases)}"
    for number, case in enumerate(cases, 1):
        for line in case.detail.splitlines():
            yield f"# {printable(line)}".rstrip()
        yield result_line(number, case)


def overall(cases: Sequence[SuiteCase]) -> Result:
    """Return what came of a group: failed if one of its cases did, skipped if all were."""
    results = [case.result for case in cases]
    if any(result in BAD for result in results):
        return Result.FAILED
    return Result.SKIPPED if all(result is Result.SKIPPED for result in results) else Result.PASSED


def result_line(number: int, case: SuiteCase) -> str:
    """Return the line of a result."""
    words = f"{DIRECTIVE[case.result]}{' '.join(printable(case.words).split())}".rstrip()
    return f"{'not ok' if case.result in BAD else 'ok'} {number} {described(case.name)}{f' # {words}' if words else ''}"


def described(name: str) -> str:
    """Return a name as a description can be: it has no ``#``."""
    return " ".join(printable(name).replace("#", "_").split())
