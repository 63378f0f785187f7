"""A report as Markdown, for a merge request; pages are folded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from stress.campaign.report.content import Point, sections, title
from stress.campaign.report.facts import Facts
from stress.trace.markdown import escaped, fenced


def markdown(facts: Facts) -> str:
    """Return the report as Markdown."""
    lines = [f"# {escaped(title(facts))}"]
    for section in sections(facts):
        lines += ["", f"## {section.title}", ""]
        for point in section.points:
            lines += lines_of(point)
    lines += ["", "## All scenarios and profiles", "", *table(facts)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def lines_of(point: Point) -> Iterator[str]:
    """Yield the lines of a point."""
    yield f"- {escaped(point.text)}"
    if point.why:
        yield from ("", f"  {escaped(point.why)}")
    if point.command:
        yield from fenced(point.command, "  ")
    if point.page:
        yield from ("", "  <details><summary>the interleaving</summary>", *fenced(point.page, "  "), "  </details>", "")


def table(facts: Facts) -> Iterator[str]:
    """Yield the table of cells: executions per scenario and profile, and how often each failed."""
    failed: dict[tuple[str, str], int] = {}
    for found in facts.findings:
        for seen in found.where:
            place = seen.scenario, seen.profile
            failed[place] = failed.get(place, 0) + seen.count
    cells = {(cell.scenario, cell.profile): cell for cell in facts.cells}
    yield "How many executions of each were made. What a search for a proof executes is none of them; what it has found"
    yield "is among the failures."
    yield ""
    yield "| scenario | " + " | ".join(map(escaped, facts.profiles)) + " |"
    yield "| --- |" + " ---: |" * len(facts.profiles)
    for scenario in dict.fromkeys(cell.scenario for cell in facts.cells):
        row = []
        for profile in facts.profiles:
            cell, count = cells.get((scenario, profile)), failed.get((scenario, profile), 0)
            made = "-" if cell is None else str(cell.executions)
            row.append(f"{made}, **{count} failed**" if count else made)
        yield f"| {escaped(scenario)} | {' | '.join(row)} |"
