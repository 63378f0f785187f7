"""Execute a scenario once: print the verdict, and the page of a failure."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import trio

from stress.case import DEFAULT_KERNEL, Case
from stress.catalogue import spec_of
from stress.cli.options import GEOMETRIES, driver_option, kernel_options, number, positive
from stress.cli.verdicts import STATUS, ending_line, judged
from stress.errors import VIOLATED, StorageError, UsageError
from stress.execution.runner import BUDGET_STEPS_MAX, open_runner
from stress.execution.vetting import vet
from stress.fault import silent_on
from stress.machine.chance import RandomData
from stress.output import columns, put, put_json, tell
from stress.parallel.settings import why_not_executed
from stress.patch.guard import PatchError
from stress.patch.typed import as_given
from stress.trace.file import SEED_MAX, save
from stress.trace.record import Trace, capture
from stress.trace.replay import replay, trusted
from stress.trace.report import page

if TYPE_CHECKING:
    from sim.core.arena import Arena
    from stress.catalogue import Catalogue
    from stress.execution.outcome import Outcome
    from stress.execution.runner import Runner
    from stress.parallel.recording import Recording


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    case_options(parser)
    execution_options(parser)
    machine_options(parser)


def case_options(parser: argparse.ArgumentParser) -> None:
    """Declare what is executed: scenario, parameters, profile, geometry, kernel, faults."""
    add = parser.add_argument
    add("scenario", metavar="SCENARIO", help="see zapstress list scenarios; or a file of your own, FILE.py")
    add("--profile", default="x86-64", help="architecture profile (default: %(default)s)")
    add(
        "--geometry",
        choices=GEOMETRIES,
        default=GEOMETRIES[0],
        help="scaled-down sizes, or the kernel's own (default: small)",
    )
    kernel_options(parser, DEFAULT_KERNEL, "kernel version (default: %(default)s)")
    add("--fault", action="append", default=[], metavar="ID", help="plant a fault; may be repeated")
    add("--param", action="append", default=[], metavar="K=V", help="a parameter of the scenario; may be repeated")


def execution_options(parser: argparse.ArgumentParser) -> None:
    """Declare how it is executed, and what is kept."""
    add = parser.add_argument
    add("--strategy", default="random", help="what chooses the next actor (default: %(default)s)")
    add("--seed", type=number, default=0, metavar="N", help="default: 0")
    add(
        "--steps-max",
        type=int,
        metavar="N",
        help="step budget (default: 20,000, and 16 more for each page of the world)",
    )
    driver_option(parser)
    add("--save", default="", metavar="TRACE", help="write the execution's trace; with --no-record, the arena's dump")


def machine_options(parser: argparse.ArgumentParser) -> None:
    """Declare the machine, and what is the parallel machine's alone."""
    parser.add_argument(
        "--machine",
        choices=("lockstep", "parallel"),
        default="lockstep",
        help="one actor at a time, or processes at once (default: lockstep)",
    )
    add = parser.add_argument_group("with --machine parallel").add_argument
    add("--processes", type=positive, metavar="N", help="how many (default: 2)")
    add("--actors-per-process", type=positive, metavar="M", help="threads in each (default: dealt out in turn)")
    add("--no-record", action="store_true", help="raw speed: no trace, no replay, and only what the run itself sees")


def run(args: argparse.Namespace) -> int:
    """Execute once, print the verdict, and the failure page of a violation."""
    return trio.run(_run, args, restrict_keyboard_interrupt_to_checkpoints=True)


def check_machine(args: argparse.Namespace, case: Case) -> None:
    """Raise UsageError for an option of the other machine, and for a case that it does not execute."""
    if args.machine == "parallel":
        if why := why_not_executed(case):
            raise UsageError(
                f"--machine parallel executes no case with the parameter speculation: {why}; leave one out"
            )
        if args.driver != "fast" or args.strategy != "random":
            raise UsageError("--driver and --strategy are lockstep's: on the parallel machine the cores decide")
    elif args.no_record or args.actors_per_process is not None or args.processes is not None:
        raise UsageError(
            "--no-record, --processes and --actors-per-process are the parallel machine's: say --machine parallel"
        )


async def _run(args: argparse.Namespace) -> int:
    case = case_of(args, args.catalogue)
    check_machine(args, case)
    if args.no_record:
        return await _run_unrecorded(args, case)
    strategy = "parallel" if args.machine == "parallel" else args.strategy
    async with open_runner(case, args.driver, args.steps_max, args.catalogue) as runner:
        outcome = await _executed(args, runner)
        trace, runs = capture(outcome, strategy), runner.override_runs()
        ending = judged(trace.ending, case, runs, args.catalogue)
        data = _data(outcome, trace) | {"verdict": vars(ending), "override_runs": runs}
        data |= {"symptom": outcome.symptom or None} if args.machine == "parallel" else {}
        line, status = ending_line(ending, outcome), STATUS[ending.kind]
    if args.save:
        save(trace, args.save)
    if args.json:
        put_json(data | {"trace": args.save or None})
    elif status == VIOLATED:
        put((await _page(args, trace)).rstrip())
    else:
        put(f"{line}\nseed {args.seed:#x}, strategy {strategy}, {trace.switches} switches, digest {trace.digest}")
    tell_silence(case, args.catalogue)
    return status


def tell_silence(case: Case, catalogue: Catalogue) -> None:
    """Say on standard error which planted faults are expected to show nothing on this profile, and
    why.
    """
    for fault in case.faults:
        reason = silent_on(catalogue.fault_class(fault), case.profile, case.kernel)
        if reason:
            tell(f"zapstress: {fault} is expected to be silent on {case.profile}: {reason}")


async def _run_unrecorded(args: argparse.Namespace, case: Case) -> int:
    """Run once without a record: there is no trace, and the verdict is what the run itself saw."""
    from stress.parallel.recording import check_raised

    async with open_runner(case, args.driver, args.steps_max, args.catalogue) as runner:
        if runner.failed is not None:
            raise UsageError(f"the setup of {case.scenario} violates: run it with a record")
        recording = _recording(args, runner)
        check_raised(recording)
        data = _unrecorded_data(args, case, recording)
        if args.save:
            _dump(runner.arena, args.save)
    seen = f": {data['symptom']}" if data["symptom"] else ""
    kept = f"the arena is in {data['dump']}" if data["dump"] else "--save FILE keeps the arena"
    line = f"{data['verdict']}{seen}; {case.scenario} on {case.profile}, kernel {case.kernel}, {data['steps']} steps"
    uncounted = ", and whether the patch ran is not known" if case.patch else ""
    put_json(data) if args.json else put(f"{line}\nnot recorded, so there is no trace{uncounted}; {kept}")
    return STATUS[data["verdict"]]


async def _executed(args: argparse.Namespace, runner: Runner) -> Outcome:
    """Execute once. Raises PatchError after the trace of what raised it is saved, if it is to be."""
    try:
        return await _execute(args, runner)
    except PatchError as error:
        if not args.save:
            raise PatchError(f"{error}; the same command with --save FILE keeps a trace") from error
        save(capture(runner.error_outcome(args.seed), args.strategy), args.save)
        typed = as_given(args.save, runner.case)
        raise PatchError(f"{error}; zapstress show {typed.file}{typed.more}") from error


async def _execute(args: argparse.Namespace, runner: Runner) -> Outcome:
    """Execute once on the machine that is asked for.

    Raises ProcessRaised if a process of the parallel machine raised what no checker accounts for.
    """
    if args.machine == "lockstep":
        return await runner.execute(args.catalogue.strategy(args.strategy), args.seed, RandomData(args.seed))
    from stress.parallel.recording import check_raised, replayed

    if runner.failed is not None:
        return runner.failed
    recording = _recording(args, runner)
    outcome = replayed(recording, runner, args.seed)
    check_raised(recording, outcome)
    return outcome


def _recording(args: argparse.Namespace, runner: Runner) -> Recording:
    """Run once on the parallel machine, by a gang for one run.

    Raises UsageError if the CPUs do not fit into the processes.
    """
    from stress.parallel.gang import Gang
    from stress.parallel.settings import PROCESSES, USUAL, RunSettings, owners_of

    processes, owners = args.processes or PROCESSES, USUAL.owners
    if args.actors_per_process is not None:
        owners = owners_of(runner.case.scenario, runner.kernel.slots // 2, processes, args.actors_per_process)
    with Gang(processes, spec_of(args.catalogue)) as gang:
        return gang.run(runner, args.seed, RunSettings(record=not args.no_record, owners=owners))


def _unrecorded_data(args: argparse.Namespace, case: Case, recording: Recording) -> dict[str, Any]:
    """Return a run without a record as plain data; its verdict is what the run itself saw.

    Where overrides run is counted in the replay alone, so of a patch there is no clean verdict.
    """
    ended = "clean" if recording.ended == "over" and not case.patch else "inconclusive"
    return {
        "scenario": case.scenario,
        "params": dict(case.params),
        "profile": case.profile,
        "geometry": case.geometry,
        "kernel": case.kernel,
        "patch": list(case.patch),
        "faults": list(case.faults),
        "seed": args.seed,
        "verdict": "violation" if recording.symptom else ended,
        "symptom": recording.symptom or None,
        "ended": recording.ended,
        "steps": recording.steps,
        "recorded": False,
        "dump": args.save or None,
    }


def _dump(arena: Arena, file: str) -> None:
    """Write the arena to ``file``. Raises StorageError."""
    try:
        arena.dump(file)
    except OSError as error:
        raise StorageError(f"{file}: cannot be written ({error.strerror}); give --save another file") from error


async def _page(args: argparse.Namespace, trace: Trace) -> str:
    typed = as_given(args.save, trace.case) if args.save else None
    async with replay(trace, trusted(trace.case), args.catalogue) as replayed:
        return page(replayed, typed, columns())


def case_of(args: argparse.Namespace, catalogue: Catalogue) -> Case:
    """Return the case that the options name. Raises UsageError."""
    if not 0 <= args.seed <= SEED_MAX:
        raise UsageError(f"--seed is a number from 0 to {SEED_MAX}")
    profile = catalogue.profile(args.profile).at(args.kernel)
    known = catalogue.parameters(args.scenario, profile, args.geometry)
    params = dict(known[0] if known else {})
    for word in args.param:
        name, _, value = word.partition("=")
        try:
            params[name] = int(value, 0)
        except ValueError:
            raise UsageError(f"--param {word}: write NAME=NUMBER") from None
    if args.steps_max is not None and not 1 <= args.steps_max <= BUDGET_STEPS_MAX:
        raise UsageError(f"--steps-max is a number from 1 to {BUDGET_STEPS_MAX}")
    case = Case(
        args.scenario,
        tuple(sorted(params.items())),
        args.profile,
        args.geometry,
        args.kernel,
        tuple(fault.upper() for fault in args.fault),
        tuple(args.patch),
    )
    catalogue.check_patch(case.patch, (case.profile,), case.kernel)
    vet(case, catalogue)
    return case


def _data(outcome: Outcome, trace: Trace) -> dict[str, Any]:
    case = trace.case
    return {
        "scenario": case.scenario,
        "params": dict(case.params),
        "profile": case.profile,
        "geometry": case.geometry,
        "kernel": case.kernel,
        "patch": list(case.patch),
        "faults": list(case.faults),
        "seed": trace.seed,
        "strategy": trace.strategy,
        "signature": trace.ending.signature or None,
        "steps": trace.steps,
        "switches": trace.switches,
        "conflicts": len(outcome.touches().conflicts()),
        "digest": trace.digest,
        "model_hash": trace.model_hash,
    }
