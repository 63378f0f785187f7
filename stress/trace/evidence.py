"""What is kept of a failure: its trace, a report for people, and where it was found."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stress.errors import Divergence
from stress.patch.typed import within
from stress.sources import version
from stress.trace.file import encode
from stress.trace.record import Trace, capture
from stress.trace.replay import compare, replay, trusted
from stress.trace.report import headline, page

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.execution.outcome import Outcome


@dataclass(frozen=True)
class Evidence:
    """What the folder of a failure holds."""

    trace: bytes
    """Encoded (:mod:`stress.trace.file`)."""
    report: str
    """The page that ``zapstress show`` prints."""
    environment: dict[str, Any]


async def evidence(trace: Trace, path: str, catalogue: Catalogue) -> Evidence:
    """Return the evidence of a failure; ``path`` is where its trace will be."""
    try:
        async with replay(trace, trusted(trace.case), catalogue) as again:
            report, replays = page(again, within(path, trace.case.patch, trace.case.scenario)), "as recorded"
            compare(trace, again.outcome)
    except Divergence as error:
        report, replays = (
            f"{headline(trace)}\n\n  {trace.ending.message}\n\n  It does not replay: {error}\n",
            str(error),
        )
    return Evidence(encode(trace), report, {**environment(trace), "replays": replays})


def encoded_trace(outcome: Outcome, strategy: str) -> bytes:
    """Return the trace of an execution, encoded."""
    return encode(capture(outcome, strategy))


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
        "case": {**trace.header()["case"], "params": dict(trace.case.params)},
        "patch": trace.patch.digest,
        "strategy": trace.strategy,
        "seed": trace.seed,
    }
