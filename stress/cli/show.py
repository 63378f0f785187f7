"""Draw the interleaving of a trace: one column per actor, ending at the violation."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from stress.cli.output import put, put_json
from stress.errors import CLEAN, Divergence

if TYPE_CHECKING:
    from stress.trace.record import Trace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("trace", metavar="TRACE", help="a trace, or the folder of a failure")
    parser.add_argument(
        "--kernel", default="", metavar="FILE.py:CLASS", help="run your file's class, if the trace was made with one"
    )


def run(args: argparse.Namespace) -> int:
    """Execute the trace again, and print the page."""
    from stress.execution.vetting import vet
    from stress.machine.driver import run_plain
    from stress.trace.file import load

    trace = load(args.trace)
    vet(trace.case, args.catalogue)
    page: str = run_plain(_page(args, trace))
    if args.json:
        put_json({**trace.header(), "page": page})
    else:
        put(page.rstrip())
    return CLEAN


async def _page(args: argparse.Namespace, trace: Trace) -> str:
    from stress.execution.signature import signature_of
    from stress.trace import report
    from stress.trace.replay import Mode, replay

    async with replay(trace, Mode("plain", kernel=args.kernel), args.catalogue) as replayed:
        found = (replayed.outcome.verdict.kind, signature_of(replayed.outcome), replayed.outcome.steps)
        if found != (trace.ending.kind, trace.ending.signature, trace.steps):
            raise Divergence(
                f"{args.trace}: its replay ends differently ({' '.join(map(str, found))});"
                " zapstress replay says at which step"
            )
        return report.page(replayed, args.trace)
