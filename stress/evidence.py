"""What is kept of a failure: its trace, a report for people, and where it was found."""

from __future__ import annotations

import base64
import importlib.metadata
import platform
import sys
from typing import TYPE_CHECKING, Any

from stress.trace import Trace, capture, encode

if TYPE_CHECKING:
    from stress.outcome import Outcome


def evidence(outcome: Outcome, strategy: str, whole: bool) -> dict[str, Any]:
    """Return the failure's checker and title, and, if ``whole``, its trace (base64), environment and report, as plain data."""
    violation = outcome.verdict.violation
    assert violation is not None
    found: dict[str, Any] = {"checker": violation.checker, "title": violation.title}
    if whole:
        trace = capture(outcome, strategy)
        found |= {"trace": base64.b64encode(encode(trace)).decode(), "environment": environment(trace), "report": report(trace)}
    return found


def encoded_trace(outcome: Outcome, strategy: str) -> str:
    """Return the trace of an execution, in base64."""
    return base64.b64encode(encode(capture(outcome, strategy))).decode()


def environment(trace: Trace) -> dict[str, Any]:
    """Return where and with what a failure was found: enough to find it again elsewhere, and no names of machines or people."""
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


def version() -> str:
    """Return the installed version, or ``source`` where it runs from a tree that is not installed."""
    try:
        return importlib.metadata.version("zapstress")
    except importlib.metadata.PackageNotFoundError:
        return "source"


def report(trace: Trace) -> str:
    """Return a few lines about a failure; ``zapstress show`` draws the whole."""
    case, ending = trace.case, trace.ending
    params = " ".join(f"{name}={value}" for name, value in case.params)
    victim = f" / {ending.victim}" if ending.victim else ""
    return (
        f"BUG: {ending.title} in {ending.accused}{victim}\n"
        f"  signature {ending.signature}   scenario {case.scenario} {params}  profile {case.profile} ({case.geometry})   kernel {case.kernel}"
        f"   faults {', '.join(case.faults) or 'none'}\n"
        f"  seed {trace.seed}, strategy {trace.strategy}; {trace.steps} steps, {trace.switches} switches\n\n"
        f"  {ending.checker}: {ending.message}\n\n"
        f"  show    zapstress show failures/{ending.signature}/trace\n"
        f"  replay  zapstress replay failures/{ending.signature}/trace\n"
    )
