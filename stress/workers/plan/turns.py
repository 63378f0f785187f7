"""The plans of a campaign, and which machine a worker serves next if both are used."""

from __future__ import annotations

from collections.abc import Sequence

from stress.workers.plan.leases import Plan
from stress.workers.settings import BOTH, LOCKSTEP, PARALLEL, Settings

PARALLEL_SHARE = 4
"""With both machines and a budget of executions, one execution in so many is the parallel
machine's.
"""

PARALLEL_TIME = 0.1
"""With both machines, the parallel machine's share of the time that leases take."""

PARALLEL_SECONDS_MIN = 5.0
"""The parallel machine is started when its share has come to this: starting its processes takes
seconds, which a short campaign has better uses for.
"""


def plans_of(settings: Settings, executions: int | None, workers: int) -> list[Plan]:
    """Return a plan per machine, lockstep's first.

    Of a budget of executions the parallel machine has one in PARALLEL_SHARE. Of a duration it has
    what the campaign gives it.
    """
    if settings.machine != BOTH:
        return [Plan(settings, executions, workers, machine=settings.machine)]
    if executions is None:
        return [Plan(settings, None, workers, machine=machine) for machine in (LOCKSTEP, PARALLEL)]
    share = executions // PARALLEL_SHARE
    return [Plan(settings, executions - share, workers), Plan(settings, share, 1, machine=PARALLEL)]


def turns(plans: Sequence[Plan], worker: int) -> Sequence[Plan]:
    """Return the plans that the worker may serve, the one whose turn it is first.

    With both machines only the first worker serves the parallel one: its processes need the cores,
    and a second worker's would only contend with them.
    """
    if len(plans) < 2:
        return plans
    if worker:
        return plans[:1]
    lockstep, parallel = plans
    if parallel.counts:
        due = parallel.issued <= lockstep.issued
    else:
        share_s = PARALLEL_TIME * (lockstep.spent + parallel.spent)
        due = not lockstep.first_round and parallel.spent + PARALLEL_SECONDS_MIN <= share_s
    return [parallel, lockstep] if due else [lockstep, parallel]
