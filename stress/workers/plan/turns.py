"""Which machine a worker serves next, of a campaign that uses both."""

from __future__ import annotations

from collections.abc import Sequence

from stress.workers.plan.leases import Plan

PARALLEL_TIME = 0.1
"""With both machines, the parallel machine's share of the time that leases take."""

PARALLEL_SECONDS_MIN = 5.0
"""The parallel machine is started when its share has come to this: starting its processes takes
seconds, which a short campaign has better uses for.
"""


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
