"""Where in a patch's text an override stands. The text is read, and never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from stress.campaign.report.facts import Facts, FindingFacts, PatchText

Method = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Spot:
    """Lines of a file of the patch: a method that overrides one of a component."""

    method: str
    """As ``memory.batch_limit``."""
    path: str
    line: int
    end: int


def spots(facts: Facts) -> list[Spot]:
    """Return where the overrides of the patch stand, in the order of the overrides."""
    methods = [row.method for row in facts.overrides]
    found = [spot for file in facts.texts for spot in spots_in(file, methods)]
    return sorted(found, key=lambda spot: methods.index(spot.method))


def spots_in(file: PatchText, methods: list[str]) -> Iterator[Spot]:
    """Yield where the overrides stand that a file defines; none if it cannot be parsed."""
    try:
        tree = ast.parse(file.text)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]:
        told = component(node)
        for member in node.body:
            for name in names_of(member):
                wanted = [method for method in methods if method.partition(".")[2] == name]
                for method in [method for method in wanted if method.partition(".")[0] == told] or wanted[:1]:
                    yield Spot(method, file.path, member.lineno, member.end_lineno or member.lineno)


def names_of(member: ast.stmt) -> list[str]:
    """Return the names that a statement of a class defines."""
    if isinstance(member, Method):
        return [member.name]
    targets = member.targets if isinstance(member, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def component(node: ast.ClassDef) -> str:
    """Return the component that a class names; ``""`` if it inherits it."""
    for member in node.body:
        if isinstance(member, ast.Assign) and "component" in names_of(member):
            return str(member.value.value) if isinstance(member.value, ast.Constant) else ""
    return ""


def spots_of(failure: FindingFacts, facts: Facts) -> list[Spot]:
    """Return where the patch is to be looked at for a failure, the likeliest place first: the
    override that has the name of the function that is accused, then those that ran in a scenario
    that shows the failure, then all others that ran.
    """
    functions = [site.partition(":")[0] for site in (failure.accused, failure.victim)]
    ran = {row.method: row.scenarios for row in facts.overrides if row.runs}
    scenarios = [place.scenario for place in failure.where]

    def rank(spot: Spot) -> int:
        if (name := spot.method.partition(".")[2]) in functions:
            return functions.index(name)
        return 2 if any(scenario in ran[spot.method] for scenario in scenarios) else 3

    return sorted((spot for spot in spots(facts) if spot.method in ran), key=rank)
