"""What is kept of a failure: its trace, a report for people, and where it was found."""

from __future__ import annotations

import base64
import platform
import sys
from typing import TYPE_CHECKING, Any

from stress.errors import Divergence
from stress.sources import version
from stress.trace.file import encode
from stress.trace.record import Trace, capture
from stress.trace.replay import Mode, compare, replay
from stress.trace.report import headline, page

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.execution.outcome import Outcome


async def evidence(trace: Trace, path: str, catalogue: Catalogue) -> dict[str, Any]:
    """Return the trace (base64), the environment and the report of a failure, as plain data;
    ``path`` is where its trace will be.
    """
    try:
        async with replay(trace, Mode(kernel=trace.case.kernel), catalogue) as again:
            report, replays = page(again, path), "as recorded"
            compare(trace, again.outcome)
    except Divergence as error:
        report, replays = (
            f"{headline(trace)}\n\n  {trace.ending.message}\n\n  It does not replay: {error}\n",
            str(error),
        )
    return {
        "trace": base64.b64encode(encode(trace)).decode(),
        "environment": {**environment(trace), "replays": replays},
        "report": report,
    }


def encoded_trace(outcome: Outcome, strategy: str) -> str:
    """Return the trace of an execution, in base64."""
    return base64.b64encode(encode(capture(outcome, strategy))).decode()


def environment(trace: Trace) -> dict[str, Any]:
    """Return where and with what a failure was found: enough to find it again elsewhere, and no
    names of machines or people.
    """
    return {
        "zapstress": version(),
        "model": trace.sources,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "byteorder": sys.byteorder,
        "case": {**vars(trace.case), "params": dict(trace.case.params), "faults": list(trace.case.faults)},
        "strategy": trace.strategy,
        "seed": trace.seed,
    }
