"""Execute a scenario once."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

import trio

from stress.case import Case
from stress.cli.options import positive
from stress.cli.output import put, put_json
from stress.errors import CLEAN, INCONCLUSIVE, VIOLATED, UsageError
from stress.execution.runner import open_runner
from stress.execution.vetting import vet
from stress.machine.chance import RandomData
from stress.trace.file import save
from stress.trace.record import Trace, capture, ending_of
from stress.trace.replay import Mode, replay
from stress.trace.report import page

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.execution.outcome import Outcome
    from stress.execution.runner import Runner

STATUS = {"clean": CLEAN, "violation": VIOLATED, "inconclusive": INCONCLUSIVE}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("scenario", metavar="SCENARIO", help="see zapstress list scenarios")
    parser.add_argument("--profile", default="x86-64", help="architecture profile (default: %(default)s)")
    parser.add_argument(
        "--geometry",
        choices=("small", "real"),
        default="small",
        help="scaled-down sizes, or the kernel's own (default: small)",
    )
    parser.add_argument(
        "--kernel",
        default="6.9",
        metavar="VERSION|FILE.py:CLASS",
        help="kernel version, or your component (default: %(default)s)",
    )
    parser.add_argument("--fault", action="append", default=[], metavar="ID", help="plant a fault; may be repeated")
    parser.add_argument("--strategy", default="random", help="who chooses (default: %(default)s)")
    parser.add_argument(
        "--param", action="append", default=[], metavar="K=V", help="a parameter of the scenario; may be repeated"
    )
    parser.add_argument("--seed", type=number, default=0, metavar="N", help="default: 0")
    parser.add_argument(
        "--steps-max",
        type=int,
        metavar="N",
        help="step budget (default: 20,000, and 16 more for each page of the world)",
    )
    parser.add_argument(
        "--driver",
        choices=("fast", "reference"),
        default="fast",
        help="how actors are resumed; both give equal digests",
    )
    parser.add_argument(
        "--save", default="", metavar="TRACE", help="write the execution's trace; with --no-record, the arena's dump"
    )
    parser.add_argument(
        "--machine",
        choices=("lockstep", "parallel"),
        default="lockstep",
        help="one actor at a time, or processes at once (default: lockstep)",
    )
    together = parser.add_argument_group("with --machine parallel")
    together.add_argument("--processes", type=positive, metavar="N", help="how many (default: 2)")
    together.add_argument(
        "--actors-per-process", type=positive, metavar="M", help="threads in each (default: dealt out in turn)"
    )
    together.add_argument(
        "--no-record", action="store_true", help="raw speed: no trace, no replay, and only what the run itself sees"
    )


def number(text: str) -> int:
    """Parse a number, decimal or 0x."""
    return int(text, 0)


def run(args: argparse.Namespace) -> int:
    """Execute once, print the verdict, and the failure page of a violation."""
    return trio.run(_run, args, restrict_keyboard_interrupt_to_checkpoints=True)


async def _run(args: argparse.Namespace) -> int:
    case = case_of(args, args.catalogue)
    if args.machine == "parallel":
        if args.driver != "fast" or args.strategy != "random":
            raise UsageError("--driver and --strategy are lockstep's: on the parallel machine the cores decide")
        args.strategy = "parallel"
        if args.no_record:
            return await _run_unrecorded(args, case)
    elif args.no_record or args.actors_per_process is not None or args.processes is not None:
        raise UsageError(
            "--no-record, --processes and --actors-per-process are the parallel machine's: say --machine parallel"
        )
    async with open_runner(case, args.driver, args.steps_max, args.catalogue) as runner:
        outcome = await _execute(args, runner)
        trace = capture(outcome, args.strategy)
        data = _data(outcome, trace) | ({"symptom": outcome.symptom or None} if args.machine == "parallel" else {})
        line = ending_line(outcome, case)
        status = STATUS[outcome.verdict.kind]
    if args.save:
        save(trace, args.save)
    if args.json:
        put_json(data | {"trace": args.save or None})
    elif status == VIOLATED:
        put((await _page(args, trace)).rstrip())
    else:
        put(f"{line}\nseed {args.seed:#x}, strategy {args.strategy}, {trace.switches} switches, digest {trace.digest}")
    for fault in case.faults:
        reason = getattr(args.catalogue.fault_class(fault), "silent", {}).get(case.profile)
        if reason:
            print(f"zapstress: {fault} is expected to be silent on {case.profile}: {reason}", file=sys.stderr)
    return status


async def _run_unrecorded(args: argparse.Namespace, case: Case) -> int:
    """Run once without a record: there is no trace, and the verdict is what the run itself saw."""
    from stress.parallel.single_run import run_unrecorded

    async with open_runner(case, args.driver, args.steps_max, args.catalogue) as runner:
        data = run_unrecorded(args, runner)
    seen = f": {data['symptom']}" if data["symptom"] else ""
    kept = f"the arena is in {data['dump']}" if data["dump"] else "--save FILE keeps the arena"
    line = f"{data['verdict']}{seen}; {case.scenario} on {case.profile}, kernel {case.kernel}, {data['steps']} steps"
    put_json(data) if args.json else put(f"{line}\nnot recorded, so there is no trace; {kept}")
    return STATUS[data["verdict"]]


async def _execute(args: argparse.Namespace, runner: Runner) -> Outcome:
    """Execute once on the machine that is asked for."""
    if args.machine == "lockstep":
        return await runner.execute(args.catalogue.strategy(args.strategy), args.seed, RandomData(args.seed))
    from stress.parallel.single_run import run_recorded

    return run_recorded(args, runner)


async def _page(args: argparse.Namespace, trace: Trace) -> str:
    async with replay(trace, Mode(kernel=args.kernel), args.catalogue) as replayed:
        return page(replayed, args.save or "TRACE   (after the same run with --save TRACE)")


def case_of(args: argparse.Namespace, catalogue: Catalogue) -> Case:
    """Return the case that the options name. Raises UsageError."""
    if args.seed < 0:
        raise UsageError("--seed is a number from 0")
    profile = catalogue.profile(args.profile).at(args.kernel)
    known = catalogue.scenario_class(args.scenario).parameters(profile, args.geometry)
    params = dict(known[0] if known else {})
    for word in args.param:
        name, _, value = word.partition("=")
        try:
            params[name] = int(value, 0)
        except ValueError:
            raise UsageError(f"--param {word}: write NAME=NUMBER") from None
    if args.steps_max is not None and args.steps_max < 1:
        raise UsageError("--steps-max must be at least 1")
    case = Case(
        args.scenario,
        tuple(sorted(params.items())),
        args.profile,
        args.geometry,
        args.kernel,
        tuple(fault.upper() for fault in args.fault),
    )
    vet(case, catalogue)
    return case


def ending_line(outcome: Outcome, case: Case) -> str:
    """Return the verdict in a line."""
    ending = ending_of(outcome)
    what = (
        f"{ending.checker} {ending.title}: {ending.message} (signature {ending.signature})"
        if ending.kind == "violation"
        else ending.reason
    )
    return f"{ending.kind}{': ' + what if what else ''}; {case.scenario} on {case.profile}, kernel {case.kernel}, {outcome.steps} steps"


def _data(outcome: Outcome, trace: Trace) -> dict[str, Any]:
    case, ending = trace.case, trace.ending
    return {
        "scenario": case.scenario,
        "params": dict(case.params),
        "profile": case.profile,
        "geometry": case.geometry,
        "kernel": case.kernel,
        "faults": list(case.faults),
        "seed": trace.seed,
        "strategy": trace.strategy,
        "verdict": vars(ending),
        "signature": ending.signature or None,
        "steps": trace.steps,
        "switches": trace.switches,
        "conflicts": len(outcome.conflicts()),
        "digest": trace.digest,
        "model_hash": trace.model_hash,
    }
