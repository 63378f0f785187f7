"""A patch's failures as SARIF 2.1.0, with the files and lines of the patch.

A failure is an error, unless the kernel without the patch has it too: then it is a warning. What is
expected is suppressed, with the reason. Without a patch a result names the kernel's functions only.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from stress.campaign.report.content import replay
from stress.campaign.report.facts import Facts, FindingFacts
from stress.campaign.report.places import Spot, spots_of

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

FINGERPRINT = "zapstressSignature/v1"


def sarif(facts: Facts) -> str:
    """Return the failures as a SARIF log."""
    rules = {failure.checker: failure.title for failure in facts.findings}
    driver = {
        "name": "zapstress",
        "version": facts.code.zapstress,
        "rules": [{"id": name, "name": title, "shortDescription": {"text": title}} for name, title in rules.items()],
    }
    properties = {"kernel": facts.kernel, "executions": facts.executions, "seed": facts.seed}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [result(failure, list(rules), facts) for failure in facts.findings],
        "properties": properties,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def result(failure: FindingFacts, rules: list[str], facts: Facts) -> dict[str, Any]:
    """Return a failure as a SARIF result."""
    spots = spots_of(failure, facts)
    functions = logical(failure)
    first: dict[str, Any] = {"logicalLocations": functions} if functions else {}
    first |= {"physicalLocation": physical(spots[0])} if spots else {}
    found: dict[str, Any] = {
        "ruleId": failure.checker,
        "ruleIndex": rules.index(failure.checker),
        "level": "warning" if failure.unpatched else "error",
        "message": {"text": message(failure, facts)},
        "partialFingerprints": {FINGERPRINT: failure.signature},
        "occurrenceCount": failure.count,
        "properties": {"scenario": failure.scenario, "profile": failure.profile, "seed": failure.seed},
    }
    found |= {"locations": [first]} if first else {}
    if spots[1:]:
        found["relatedLocations"] = [{"id": at, **other(spot)} for at, spot in enumerate(spots[1:])]
    if failure.expected is not None:
        found["suppressions"] = [{"kind": "external", "status": "accepted", "justification": failure.expected}]
    return found


def message(failure: FindingFacts, facts: Facts) -> str:
    """Return what a failure says, and how to see it."""
    what = failure.message or failure.title
    seen = f"; first in {failure.scenario} on {failure.profile}, {failure.count} times in all"
    again = f"; in the results directory: {replay(failure, facts)}" if failure.trace else ""
    return f"{failure.title}: {what}{seen}{again}"


def logical(failure: FindingFacts) -> list[dict[str, Any]]:
    """Return the kernel's functions that a failure names."""
    names = [site.partition(":")[0] for site in (failure.accused, failure.victim) if site]
    return [{"name": name, "kind": "function"} for name in dict.fromkeys(names)]


def physical(spot: Spot) -> dict[str, Any]:
    """Return a place in the patch; a path that is absolute stays so. What a URI cannot have is
    written as RFC 3986 says.
    """
    uri = ("file://" if spot.path.startswith("/") else "") + quote(spot.path)
    return {"artifactLocation": {"uri": uri}, "region": {"startLine": spot.line, "endLine": spot.end}}


def other(spot: Spot) -> dict[str, Any]:
    """Return a further place, and what stands there."""
    return {"physicalLocation": physical(spot), "message": {"text": f"overrides {spot.method}"}}
