"""Suites as JUnit XML, in the dialect that Jenkins' xUnit plugin and GitLab read."""

from __future__ import annotations

from xml.etree import ElementTree

from stress.campaign.report.suites import Result, Suite, SuiteCase
from stress.output import printable

ELEMENT = {
    Result.FAILED: "failure",
    Result.ERROR: "error",
    Result.SKIPPED: "skipped",
    Result.EXPECTED: "skipped",
}
"""The element of a result; one that passed has none. JUnit knows no expected failure: pytest, too,
reports one as skipped.
"""


def junit(suite: Suite) -> str:
    """Return a suite as an XML document, a test suite per group."""
    root = ElementTree.Element("testsuites", {"name": suite.name, "time": f"{suite.seconds:.3f}", **counts(suite)})
    for name, cases in suite.groups().items():
        group = Suite(name, tuple(cases), 0.0)
        skipped = str(group.count(Result.SKIPPED, Result.EXPECTED))
        element = ElementTree.SubElement(
            root, "testsuite", {"name": printable(name), "skipped": skipped, **counts(group)}
        )
        for case in cases:
            add(element, case)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def counts(suite: Suite) -> dict[str, str]:
    """Return the counts that a suite's element has as attributes."""
    return {
        "tests": str(len(suite.cases)),
        "failures": str(suite.count(Result.FAILED)),
        "errors": str(suite.count(Result.ERROR)),
    }


def add(parent: ElementTree.Element, case: SuiteCase) -> None:
    """Add the element of a test case."""
    element = ElementTree.SubElement(
        parent, "testcase", classname=printable(case.group), name=printable(case.name), time="0.000"
    )
    words = printable(case.words)
    if tag := ELEMENT.get(case.result):
        kind = {"type": case.result.value} if case.result is not Result.SKIPPED else {}
        ElementTree.SubElement(element, tag, message=words, **kind).text = printable(case.detail) or None
    elif words:
        ElementTree.SubElement(element, "system-out").text = words
