"""The verdict of one execution, as an exit status and as a line; and what keeps a patch from having
one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from stress.errors import CLEAN, INCONCLUSIVE, USAGE, VIOLATED
from stress.trace.record import Ending

if TYPE_CHECKING:
    from stress.case import Case
    from stress.catalogue import Catalogue
    from stress.execution.outcome import Outcome

STATUS = {"clean": CLEAN, "violation": VIOLATED, "inconclusive": INCONCLUSIVE, "error": USAGE}
"""Kind of verdict -> exit status."""


def judged(ending: Ending, case: Case, runs: Mapping[str, int], catalogue: Catalogue) -> Ending:
    """Return what an execution that ended so says of its case; ``runs`` is how often each override
    of the patch has run. A clean one says nothing of an override that could have run and did not.
    """
    if ending.kind != "clean":
        return ending
    idle = catalogue.never_ran(case.patch, (case.profile,), case.kernel, runs)
    return Ending("inconclusive", never_ran(idle)) if idle else ending


def never_ran(idle: Sequence[str]) -> str:
    """Return in words that overrides never ran."""
    return f"{', '.join(idle)} never ran, so nothing is known of {'it' if len(idle) == 1 else 'them'}"


def ending_line(ending: Ending, outcome: Outcome) -> str:
    """Return the verdict in a line."""
    case = outcome.finished.case
    what = ending.reason
    if ending.kind == "violation":
        what = f"{ending.checker} {ending.title}: {ending.message} (signature {ending.signature})"
    where = f"{case.scenario} on {case.profile}, kernel {case.kernel}, {outcome.steps} steps"
    return f"{ending.kind}{': ' + what if what else ''}; {where}"
