"""How a run of the parallel machine is made."""

from __future__ import annotations

from dataclasses import dataclass

from stress.case import Case
from stress.errors import UsageError
from stress.patch.scenario.staging import SPECULATION

PROCESSES = 2
"""Processes of a gang, unless another number is asked for."""

NO_RECORD_OF_SPECULATION = "it keeps no record of when a CPU that speculates looks whether it may, and cannot replay it"
"""Why the parallel machine executes no case whose CPUs speculate."""

PAUSE_STEPS = 256
"""Steps from one pause to the next."""


@dataclass(frozen=True)
class RunSettings:
    """How a run is made."""

    record: bool = True
    """Each step takes a number and a row of the log, so that the run can be replayed and judged.

    Without, steps are bare atomic instructions, and only what the run itself sees is judged.
    """
    yields: bool = True
    """Actors give way after so many steps (:mod:`stress.parallel.pace`); without, only where they
    must wait.
    """
    pause_steps: int = PAUSE_STEPS
    """Steps from one pause, in which the arena is audited, to the next; 0 is no pauses."""
    plain_add: bool = False
    """An unrecorded addition is a load and a store, so that an update can be lost: for the test
    that shows that additions are otherwise atomic.
    """
    owners: tuple[int, ...] = ()
    """The process of each CPU; empty deals the CPUs out in turn, beginning with the seed."""


USUAL = RunSettings()
"""Recorded, with yields and pauses, CPUs dealt out in turn."""


def owners_of(scenario: str, cpus: int, processes: int, actors_per_process: int) -> tuple[int, ...]:
    """Return the process of each CPU if each process has as many threads as it may.

    Raises UsageError if the CPUs of ``scenario`` do not fit into the processes.
    """
    if actors_per_process * processes < cpus:
        raise UsageError(
            f"{scenario} has {cpus} CPUs: {processes} processes of {actors_per_process} are too few; "
            "give --processes or --actors-per-process a larger number"
        )
    return tuple(cpu // actors_per_process for cpu in range(cpus))


def why_not_executed(case: Case) -> str:
    """Return why the parallel machine executes no such case, or ``""`` if it does."""
    return NO_RECORD_OF_SPECULATION if dict(case.params).get(SPECULATION) else ""
