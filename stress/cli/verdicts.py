"""The verdict of one execution, as an exit status and as a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stress.errors import CLEAN, INCONCLUSIVE, USAGE, VIOLATED
from stress.trace.record import ending_of

if TYPE_CHECKING:
    from stress.case import Case
    from stress.execution.outcome import Outcome

STATUS = {"clean": CLEAN, "violation": VIOLATED, "inconclusive": INCONCLUSIVE, "error": USAGE}
"""Kind of verdict -> exit status."""


def ending_line(outcome: Outcome, case: Case) -> str:
    """Return the verdict in a line."""
    ending = ending_of(outcome)
    what = ending.reason
    if ending.kind == "violation":
        what = f"{ending.checker} {ending.title}: {ending.message} (signature {ending.signature})"
    where = f"{case.scenario} on {case.profile}, kernel {case.kernel}, {outcome.steps} steps"
    return f"{ending.kind}{': ' + what if what else ''}; {where}"
