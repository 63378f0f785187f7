"""Say why a failure comes about: the fewest steps that must come before others, from where on there
is no way back, and what was taken for true and was so no more.
"""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stress.cli.options import duration, kernel_options, scenario_file_option
from stress.cli.shrink import composed
from stress.errors import CLEAN
from stress.files import write_atomically
from stress.output import columns, put, put_json
from stress.trace.explanation import EXPLANATION, SHRUNK
from stress.trace.record import Trace

if TYPE_CHECKING:
    from stress.trace.explanation import Explanation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("trace", metavar="TRACE", help="a trace, or the folder of a failure")
    add("--as-it-is", action="store_true", help="explain the trace itself, not its smallest form")
    add("--seconds", type=duration, default=30.0, metavar="TIME", help="stop after this time (default: 30s)")
    add("--no-native", action="store_true", help="execute in Python only, without a compiler")
    kernel_options(parser, "", "another version in place of the trace's")
    scenario_file_option(parser)


def run(args: argparse.Namespace) -> int:
    """Explain; the exit status is 0, or 5 if the trace does not fail any more."""
    from stress.machine.driver import run_plain
    from stress.workers.causes.attempts import kernel_of

    folder = Path(args.trace) if Path(args.trace).is_dir() else None
    if folder is not None and not args.as_it_is and (folder / SHRUNK).is_file():
        args.trace = str(folder / SHRUNK)
    trace = composed(args)
    library = None if args.no_native else kernel_of(trace.case, args.catalogue, build=True)
    kept = args.as_it_is or is_form(trace)
    trace, found = run_plain(explained(trace, args, library))
    if folder is not None:
        write_atomically(folder / EXPLANATION, json.dumps(found.plain(), indent=1).encode())
    width = None if args.json else columns()
    page = run_plain(page_of(trace, found, args, args.trace if kept else "", width))
    case = trace.case
    if args.json:
        where = {"scenario": case.scenario, "params": dict(case.params), "steps": trace.steps}
        put_json({"trace": args.trace, "signature": trace.ending.signature, **where, **found.plain(), "page": page})
    else:
        put(f"{found.sentence}\n\n{page.rstrip()}")
    return CLEAN


async def explained(trace: Trace, args: argparse.Namespace, library: Any) -> tuple[Trace, Explanation]:
    """Return why a trace fails, and the form of it of which that is said: its smallest, which half
    of the time is for, unless it is one already.
    """
    from stress.workers.causes.attempts import Deadline
    from stress.workers.causes.explain import explain
    from stress.workers.causes.shrink import Shrinking

    if not args.as_it_is and not is_form(trace):
        trace = (await Shrinking(trace, Deadline(args.seconds / 2), library, args.catalogue).run()).trace
    return trace, await explain(trace, Deadline(args.seconds / 2), library, args.catalogue)


def is_form(trace: Trace) -> bool:
    """Return whether a trace is the smallest form of one."""
    from stress.workers.causes.attempts import STRATEGY

    return trace.strategy == STRATEGY


async def page_of(trace: Trace, found: Explanation, args: argparse.Namespace, path: str, width: int | None) -> str:
    """Return the page of a trace with why it fails; ``path`` is its file, if it is in one."""
    from stress.patch.typed import as_given
    from stress.trace.replay import replay, trusted
    from stress.trace.report import page

    unkept = f"zapstress shrink {shlex.quote(args.trace)} keeps such a form"
    async with replay(trace, trusted(trace.case, driver="plain"), args.catalogue) as again:
        return page(again, as_given(path, trace.case) if path else None, width, found, unkept)
