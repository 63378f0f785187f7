"""What a worker keeps from one lease to the next."""

from __future__ import annotations

import io
import time

import trio

from stress.case import Case
from stress.workers.clock import Clock
from stress.workers.flight_recorder import FlightRecorder
from stress.workers.messages import LeaseOrder
from stress.workers.worker import Worker
from tests.toy import TOYS

CASE = Case("counters", (("rounds", 2),), "toy")


def order(strategy: str) -> LeaseOrder:
    """Return the order to execute one seed."""
    return LeaseOrder(
        lease=1, number=1, case=CASE, strategy=strategy, options={}, machine="lockstep", processes=0, first=0, count=1,
        slice_s=1.0, left_s=1.0, twin_every=0, stop_on_first=False, directory="", afresh=False,
    )  # fmt: skip


def test_what_was_learned_of_a_case_outlives_it() -> None:
    """The strategies of a closed case are not kept, what they have learned is."""

    async def run() -> None:
        recorder = FlightRecorder()
        async with trio.open_nursery() as nursery:
            worker = Worker(io.BytesIO(), recorder, TOYS, Clock(time.perf_counter()), nursery)
            runner = await worker.runner(CASE)
            before, walk = worker.strategy(order("pct")), worker.strategy(order("random"))
            before.finish(500)
            assert (before, walk) == (worker.strategy(order("pct")), worker.strategy(order("random")))
            worker.closing(runner)
            after = worker.strategy(order("pct"))
            assert after is not before and {"length": 500} == after.learned()
            assert walk is not worker.strategy(order("random"))
            await worker.cases.close()
        recorder.close()

    trio.run(run)
