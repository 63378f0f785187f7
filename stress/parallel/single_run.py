"""One run of the parallel machine, with a gang of processes for that run alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stress.errors import StorageError, UsageError
from stress.parallel.gang import Gang
from stress.parallel.recording import OVER, replayed
from stress.parallel.settings import Settings

if TYPE_CHECKING:
    from stress.execution.outcome import Outcome
    from stress.execution.runner import Runner


def settings_of(runner: Runner, processes: int, actors_per_process: int | None, record: bool) -> Settings:
    """Return how the run is made.

    CPUs are dealt out in turn if ``actors_per_process`` is None. Raises UsageError if the actors do
    not fit into the processes.
    """
    if actors_per_process is None:
        return Settings(record=record)
    cpus = runner.kernel.slots // 2
    if actors_per_process * processes < cpus:
        raise UsageError(
            f"{runner.case.scenario} has {cpus} CPUs: {processes} processes of {actors_per_process} are too few"
        )
    return Settings(record=record, owners=tuple(cpu // actors_per_process for cpu in range(cpus)))


def run_recorded(runner: Runner, seed: int, processes: int, actors_per_process: int | None, catalogue: str) -> Outcome:
    """Run once, and return the outcome of the replay; ``catalogue`` says where the processes find
    names (``module:attribute``).
    """
    if runner.failed is not None:
        return runner.failed
    with Gang(processes, catalogue) as gang:
        recording = gang.run(runner, seed, settings_of(runner, processes, actors_per_process, record=True))
    return replayed(recording, runner, seed)


def run_unrecorded(
    runner: Runner, seed: int, processes: int, actors_per_process: int | None, catalogue: str, dump: str
) -> dict[str, Any]:
    """Run once without a record, and return what the run itself has seen, as data for JSON.

    The arena is dumped to the file ``dump``, unless that is empty. Raises UsageError if the setup
    violates, StorageError if the file cannot be written.
    """
    case = runner.case
    if runner.failed is not None:
        raise UsageError(f"the setup of {case.scenario} violates: run it with a record")
    with Gang(processes, catalogue) as gang:
        recording = gang.run(runner, seed, settings_of(runner, processes, actors_per_process, record=False))
    if dump:
        try:
            runner.arena.dump(dump)
        except OSError as error:
            raise StorageError(f"{dump}: cannot be written ({error.strerror}); give --save another file") from error
    return {
        "scenario": case.scenario,
        "params": dict(case.params),
        "profile": case.profile,
        "geometry": case.geometry,
        "kernel": case.kernel,
        "faults": list(case.faults),
        "seed": seed,
        "verdict": "violation" if recording.symptom else "clean" if recording.ended == OVER else "inconclusive",
        "symptom": recording.symptom or None,
        "ended": recording.ended,
        "steps": recording.steps,
        "recorded": False,
        "dump": dump or None,
    }
