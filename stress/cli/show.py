"""Draw the interleaving of a trace: one column per actor, ending at the violation."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from stress.cli.options import kernel_options
from stress.errors import CLEAN, Divergence, UsageError
from stress.output import columns, put, put_json

if TYPE_CHECKING:
    from stress.trace.record import Trace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("trace", metavar="TRACE", help="a trace, or the folder of a failure")
    kernel_options(parser, "", "another version in place of the trace's")

    parser.add_argument(
        "--patch-text", action="store_true", help="print the patch that the trace keeps for reading, and run nothing"
    )


def put_patch(trace: Trace, json: bool) -> int:
    """Print the text of the patch that a trace was made with. Raises UsageError if there was none."""
    if not trace.patch.files:
        raise UsageError("the trace was made without a patch")
    if json:
        put_json({"patch": trace.header()["patch"]})
    else:
        put("\n".join(f"# {name}\n{text}" for name, text in trace.patch.files).rstrip())
    return CLEAN


def run(args: argparse.Namespace) -> int:
    """Execute the trace again, and print the page."""
    from stress.execution.vetting import vet
    from stress.machine.driver import run_plain
    from stress.trace.file import load

    trace = load(args.trace)
    if args.patch_text:
        return put_patch(trace, args.json)
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
    from stress.trace.replay import Mode, patch_note, replay

    mode = Mode("plain", kernel=args.kernel, patch=tuple(args.patch))
    if note := patch_note(trace, mode, args.catalogue):
        print(f"zapstress: {note}", file=sys.stderr)
    async with replay(trace, mode, args.catalogue) as replayed:
        found = (replayed.outcome.verdict.kind, signature_of(replayed.outcome), replayed.outcome.steps)
        if found != (trace.ending.kind, trace.ending.signature, trace.steps):
            raise Divergence(
                f"{args.trace}: its replay ends differently ({' '.join(map(str, found))});"
                " zapstress replay says at which step"
            )
        return report.page(replayed, args.trace, None if args.json else columns())
