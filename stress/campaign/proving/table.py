"""The table of a campaign: of every scenario on every profile, what is proved, what was sampled and
with which risk, and what was never opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stress.output import chance_words

PROVED, NEVER, NOTHING = "proved", "-", ""
"""A cell of which every case is proved, one that was never opened, and one without cases."""

EXPLAINED = (
    "per scenario and profile: proved + sampled of all cases, and the risk of the sampled ones (the chance that the"
    " next execution of these shows a class not seen before is at most so large); proved, if all are; - never opened"
)


def lines(coverage: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the table: a row per scenario, a column per profile."""
    cells = {(row["scenario"], row["profile"]): cell(row) for row in coverage}
    scenarios, profiles = sorted({name for name, _ in cells}), sorted({name for _, name in cells})
    rows = [["", *profiles], *([name, *(cells.get((name, p), NOTHING) for p in profiles)] for name in scenarios)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(profiles) + 1)]
    yield EXPLAINED
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def cell(row: Mapping[str, Any]) -> str:
    """Return what is known of a scenario on a profile, in few characters."""
    if row["proved"] == row["cases"]:
        return PROVED
    if not row["proved"] and not row["sampled"]:
        return NEVER
    risk = f" {chance_words(row['sampled_risk'])}" if row["sampled"] else ""
    return f"{row['proved']}+{row['sampled']}/{row['cases']}{risk}"
