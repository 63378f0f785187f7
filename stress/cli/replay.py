"""Execute a trace again, step for step, and compare; or go through it forward and back."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import trio

from stress.cli.options import driver_option, kernel_options, scenario_file_option
from stress.cli.verdicts import STATUS, ending_line, judged
from stress.errors import UsageError
from stress.execution.signature import signature_of
from stress.execution.vetting import vet
from stress.output import put, put_json, tell
from stress.trace import report
from stress.trace.file import load
from stress.trace.record import ending_of
from stress.trace.replay import Mode, Replayed, case_of, compare, patch_note, replay

if TYPE_CHECKING:
    from stress.trace.record import Ending, Trace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("trace", metavar="TRACE", help="a trace, or the folder of a failure")
    _looking(parser)
    add(
        "--tolerant",
        action="store_true",
        help="go on where the tape cannot be followed, and compare only the signature",
    )
    add(
        "--without-faults",
        action="store_true",
        help="tolerant, on the kernel without the trace's faults: expects a clean end",
    )
    add(
        "--continue-with",
        default="",
        metavar="STRATEGY",
        help="let a strategy go on when the tape ends; compare nothing",
    )
    driver_option(parser)
    kernel_options(parser, "", "another version in place of the trace's")
    scenario_file_option(parser)


def _looking(parser: argparse.ArgumentParser) -> None:
    """Declare the options that show more than the end."""
    show = parser.add_mutually_exclusive_group()
    show.add_argument("--steps", action="store_true", help="print each step: actor, kernel function, location, value")
    show.add_argument("--shell", action="store_true", help="step forward and back, with the commands of gdb and rr")
    parser.add_argument(
        "--command",
        action="append",
        default=[],
        metavar="COMMAND",
        help="a command for --shell, which ends after the last; may be repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Replay; the exit status is that of the execution, or 5 if it diverged."""
    trace = load(args.trace)
    if args.shell or args.command:
        return _shell(args, trace)
    return trio.run(_replay, args, trace, restrict_keyboard_interrupt_to_checkpoints=True)


def _shell(args: argparse.Namespace, trace: Trace) -> int:
    """Go through the trace by commands. Raises UsageError if there is nothing to go through."""
    if not args.shell:
        raise UsageError("--command is for --shell")
    if trace.setup:
        raise UsageError(f"{args.trace}: it ended in the setup, so there are no steps to go through; zapstress show it")
    if args.json and not args.command:
        raise UsageError("--shell talks to people; with --json, give it each --command")
    from stress.trace.shell.film import filmed
    from stress.trace.shell.session import answers, converse, transcript

    film = trio.run(filmed, trace, _mode(args, trace), args.catalogue, restrict_keyboard_interrupt_to_checkpoints=True)
    ending = judged(film.ending, film.case, film.override_runs, args.catalogue)
    said = answers(film, args.command)
    if args.json:
        put_json({"trace": args.trace, "verdict": vars(ending), "steps": film.last, "commands": said})
    elif args.command:
        put(transcript(said))
    else:
        converse(film)
    return STATUS[ending.kind]


def _mode(args: argparse.Namespace, trace: Trace) -> Mode:
    """Return how to replay, once the user's files have been looked over."""
    then = args.catalogue.strategy(args.continue_with) if args.continue_with else None
    mode = Mode(
        args.driver,
        args.tolerant or then is not None,
        args.without_faults,
        args.kernel,
        tuple(args.patch),
        args.scenario,
        then,
    )
    vet(case_of(trace, mode), args.catalogue)
    if note := patch_note(trace, mode, args.catalogue):
        tell(f"zapstress: {note}")
    return mode


async def _replay(args: argparse.Namespace, trace: Trace) -> int:
    mode = _mode(args, trace)
    exact = not (mode.tolerant or mode.without_faults)
    async with replay(trace, mode, args.catalogue) as replayed:
        if exact:
            compare(trace, replayed.outcome)
        outcome = replayed.outcome
        ending = judged(ending_of(outcome), outcome.finished.case, replayed.override_runs, args.catalogue)
        if args.json:
            put_json(_data(args, replayed, exact) | {"verdict": vars(ending)})
        else:
            _print(args, replayed, exact, ending)
        return STATUS[ending.kind]


def _data(args: argparse.Namespace, replayed: Replayed, exact: bool) -> dict[str, Any]:
    outcome, trace = replayed.outcome, replayed.trace
    found = {
        "trace": args.trace,
        "driver": args.driver,
        "mode": "strict" if exact else "tolerant",
        "override_runs": replayed.override_runs,
        "signature": signature_of(outcome),
        "same": signature_of(outcome) == trace.ending.signature and outcome.verdict.kind == trace.ending.kind,
        "left_tape_at": replayed.diverged + 1 if replayed.diverged >= 0 else None,
        "steps": outcome.steps,
        "digest": outcome.digest(),
        "model_hash": outcome.model_hash(),
    }
    return found | ({"listing": report.step_data(replayed)} if args.steps else {})


def _print(args: argparse.Namespace, replayed: Replayed, exact: bool, ending: Ending) -> None:
    outcome = replayed.outcome
    if args.steps:
        put("\n".join(report.listing(replayed)))
    put(ending_line(ending, outcome))
    if exact:
        put(f"as recorded: {outcome.steps} steps, digest {outcome.digest()}, {args.driver} driver")
    elif replayed.diverged >= 0:
        put(f"the tape was left at step {replayed.diverged + 1}")
