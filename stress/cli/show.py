"""Draw the interleaving of a trace: one column per actor, ending at the violation."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from stress.cli.options import kernel_options, scenario_file_option
from stress.errors import CLEAN, Divergence, UsageError
from stress.files import read_plain
from stress.output import columns, put, put_json, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from stress.machine.scheduler import Scheduler
    from stress.trace.explanation import Explanation
    from stress.trace.record import Trace
    from stress.trace.replay import Replayed

Made = TypeVar("Made")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("trace", metavar="TRACE", help="a trace, or the folder of a failure")
    kernel_options(parser, "", "another version in place of the trace's")
    scenario_file_option(parser)
    parser.add_argument(
        "--patch-text",
        action="store_true",
        help="print the patch, and the scenario of yours, that the trace keeps for reading, and run nothing",
    )


def put_patch(trace: Trace, json: bool) -> int:
    """Print the text of the patch that a trace was made with. Raises UsageError if there was none."""
    files = (*trace.patch.files, *trace.scenario_file.files)
    if not files:
        raise UsageError("the trace was made without a patch")
    if json:
        put_json({name: trace.header()[name] for name in ("patch", "scenario_file")})
    else:
        put("\n".join(f"# {name}\n{text}" for name, text in files).rstrip())
    return CLEAN


def run(args: argparse.Namespace) -> int:
    """Execute the trace again, and print the page."""
    from stress.machine.driver import run_plain
    from stress.patch.typed import as_given
    from stress.trace import report
    from stress.trace.file import load

    explained, whole = smallest(args)
    trace, width = load(args.trace), None if args.json else columns()
    if args.patch_text:
        return put_patch(trace, args.json)

    def draw(found: Replayed) -> str:
        return report.page(found, as_given(args.trace, found.outcome.finished.case), width, explained)

    page: str = run_plain(again(args, trace, draw))
    if args.json:
        plain = explained.plain() if explained is not None else None
        put_json({**trace.header(), "page": page, "explanation": plain, "whole": whole})
    else:
        put(
            page.rstrip()
            + (f"\n  {'found':<8}zapstress show {shlex.quote(whole)} has it as it was found" if whole else "")
        )
    return CLEAN


def smallest(args: argparse.Namespace) -> tuple[Explanation | None, str]:
    """Have ``args`` name the smallest form of a failure, if they name the folder of one that has
    it; return why that fails, if it is known, and where the failure's own trace is.
    """
    from stress.trace.explanation import EXPLANATION, SHRUNK, explanation_of

    folder = Path(args.trace)
    if not (folder / SHRUNK).is_file():
        return None, ""
    args.trace = str(folder / SHRUNK)
    try:
        found = explanation_of(json.loads(read_plain(folder / EXPLANATION, 1)))
    except (OSError, ValueError, RecursionError):
        found = None
    return found, str(folder / "trace")


async def again(
    args: argparse.Namespace,
    trace: Trace,
    make: Callable[[Replayed], Made],
    look: Callable[[Scheduler], None] | None = None,
) -> Made:
    """Execute a trace again, with the files that the command line names; return what ``make`` makes
    of it. ``look`` is called before each step.

    Raises Divergence if it ends differently.
    """
    from stress.execution.signature import signature_of
    from stress.execution.vetting import vet
    from stress.trace.replay import Mode, case_of, patch_note, replay

    mode = Mode("plain", kernel=args.kernel, patch=tuple(args.patch), scenario=args.scenario)
    vet(case_of(trace, mode), args.catalogue)
    if note := patch_note(trace, mode, args.catalogue):
        tell(f"zapstress: {note}")
    async with replay(trace, mode, args.catalogue, look) as replayed:
        found = (replayed.outcome.verdict.kind, signature_of(replayed.outcome), replayed.outcome.steps)
        if found != (trace.ending.kind, trace.ending.signature, trace.steps):
            raise Divergence(
                f"{args.trace}: its replay ends differently ({' '.join(map(str, found))});"
                " zapstress replay says at which step"
            )
        return make(replayed)
