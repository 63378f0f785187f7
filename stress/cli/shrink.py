"""Find the smallest form of a failure: the fewest actors, switches and steps that keep its
signature.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stress.cli.options import duration, kernel_options, scenario_file_option
from stress.errors import CLEAN, INCONCLUSIVE
from stress.output import detail, put, put_json, tell
from stress.trace.explanation import SHRUNK

if TYPE_CHECKING:
    from stress.trace.record import Trace
    from stress.workers.causes.shrink import Shrunk

TRACE = "trace"
"""What a failure's trace is called in its folder."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("trace", metavar="TRACE", help="a trace, or the folder of a failure")
    add("--output", metavar="FILE", help="the trace of the smallest form (default: shrunk, beside the trace)")
    add(
        "--seconds",
        type=duration,
        default=30.0,
        metavar="TIME",
        help="stop after this time, with the best so far (default: 30s)",
    )
    add("--no-native", action="store_true", help="execute in Python only, without a compiler")
    kernel_options(parser, "", "another version in place of the trace's")
    scenario_file_option(parser)


def run(args: argparse.Namespace) -> int:
    """Shrink; the exit status is 0 if the form replays in a fresh process, else 5."""
    from stress.machine.driver import run_plain
    from stress.trace.file import save
    from stress.workers.causes.afresh import replayed_afresh
    from stress.workers.causes.attempts import Deadline, kernel_of
    from stress.workers.causes.shrink import Shrinking

    trace, output = composed(args), Path(args.output) if args.output else beside(Path(args.trace))
    deadline = Deadline(args.seconds)

    def keep(form: Trace) -> None:
        save(form, output)
        detail(f"{form.steps} steps, {form.switches} switches: {output}")

    library = None if args.no_native else kernel_of(trace.case, args.catalogue, build=True)
    found: Shrunk = run_plain(Shrinking(trace, deadline, library, args.catalogue, keep).run())
    save(found.trace, output)
    why = replayed_afresh(output, found.trace.case, trace.ending.signature)
    put_json(data(args.trace, output, found, why)) if args.json else put(text(output, found, why))
    return INCONCLUSIVE if why else CLEAN


def composed(args: argparse.Namespace) -> Trace:
    """Return the trace that the command line names, with the user's files that it names."""
    from stress.execution.vetting import vet
    from stress.trace.file import load
    from stress.trace.replay import Mode, case_of, patch_note

    trace = load(args.trace)
    mode = Mode("plain", kernel=args.kernel, patch=tuple(args.patch), scenario=args.scenario)
    case = case_of(trace, mode)
    vet(case, args.catalogue)
    if note := patch_note(trace, mode, args.catalogue):
        tell(f"zapstress: {note}")
    return replace(trace, case=case)


def beside(trace: Path) -> Path:
    """Return where the smallest form of a failure is put: in its folder, or beside its trace."""
    if trace.is_dir():
        return trace / SHRUNK
    return trace.with_name(SHRUNK if trace.name == TRACE else f"{trace.name}.{SHRUNK}")


def data(trace: str, output: Path, found: Shrunk, why: str) -> dict[str, Any]:
    """Return what was found as plain data."""
    case = found.trace.case
    return {
        "trace": trace,
        "output": str(output),
        "signature": found.trace.ending.signature,
        "before": found.before._asdict(),
        "after": found.after._asdict(),
        "scenario": case.scenario,
        "params": dict(case.params),
        "executions": found.executions,
        "ended": found.ended,
        "replays": not why,
        "why": why,
    }


def text(output: Path, found: Shrunk, why: str) -> str:
    """Return what was found, for people."""
    from stress.output import plural
    from stress.patch.typed import as_given

    case = found.trace.case
    typed = as_given(str(output), case)
    before, after = (
        f"{plural(size.actors, 'actor')}, {plural(size.steps, 'step')}, {size.switches} times another actor's turn"
        for size in (found.before, found.after)
    )
    params = ", ".join(f"{name} {value}" for name, value in case.params)
    return "\n".join(
        [
            f"from {before}",
            f"to   {after}",
            f"in {case.scenario} ({params})" if params else f"in {case.scenario}",
            f"ended: {found.ended}",
            why or f"replayed in a fresh process: signature {found.trace.ending.signature} again",
            f"zapstress show {typed.file}{typed.more}",
        ]
    )
