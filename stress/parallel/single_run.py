"""One run of the parallel machine, for ``zapstress run``: a gang for one run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from stress.catalogue import spec_of
from stress.errors import StorageError, UsageError
from stress.parallel.gang import Gang
from stress.parallel.recording import OVER, replayed
from stress.parallel.settings import PROCESSES, Settings

if TYPE_CHECKING:
    from stress.execution.outcome import Outcome
    from stress.execution.runner import Runner


def processes_of(args: argparse.Namespace) -> int:
    """Return how many processes are wanted."""
    return int(args.processes or PROCESSES)


def settings_of(args: argparse.Namespace, runner: Runner) -> Settings:
    """Return how the run is made. Raises UsageError if the actors do not fit into the processes."""
    if args.actors_per_process is None:
        return Settings(record=not args.no_record)
    cpus = runner.kernel.slots // 2
    if args.actors_per_process * processes_of(args) < cpus:
        raise UsageError(
            f"{runner.case.scenario} has {cpus} CPUs: {processes_of(args)} processes of {args.actors_per_process} are too few"
        )
    return Settings(record=not args.no_record, owners=tuple(cpu // args.actors_per_process for cpu in range(cpus)))


def run_recorded(args: argparse.Namespace, runner: Runner) -> Outcome:
    """Run once, and return the outcome of the replay."""
    if runner.failed is not None:
        return runner.failed
    with Gang(processes_of(args), spec_of(args.catalogue)) as gang:
        recording = gang.run(runner, args.seed, settings_of(args, runner))
    return replayed(recording, runner, args.seed)


def run_unrecorded(args: argparse.Namespace, runner: Runner) -> dict[str, Any]:
    """Run once without a record; dump the arena where ``--save`` says.

    Raises StorageError if it cannot be written.
    """
    if runner.failed is not None:
        raise UsageError(f"the setup of {runner.case.scenario} violates: run it with a record")
    with Gang(processes_of(args), spec_of(args.catalogue)) as gang:
        recording = gang.run(runner, args.seed, settings_of(args, runner))
    verdict = "violation" if recording.symptom else "clean" if recording.ended == OVER else "inconclusive"
    if args.save:
        try:
            runner.arena.dump(args.save)
        except OSError as error:
            raise StorageError(
                f"{args.save}: cannot be written ({error.strerror}); give --save another file"
            ) from error
    return {
        "scenario": runner.case.scenario, "params": dict(runner.case.params), "profile": runner.case.profile, "geometry": runner.case.geometry,
        "kernel": runner.case.kernel, "faults": list(runner.case.faults), "seed": args.seed, "verdict": verdict, "symptom": recording.symptom or None,
        "ended": recording.ended, "steps": recording.steps, "recorded": False, "dump": args.save or None,
    }  # fmt: skip
