"""What a worker keeps from one lease to the next."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
import trio

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.workers.clock import ERRANDS, EXECUTING, IDLE, Clock
from stress.workers.flight_recorder import FlightRecorder
from stress.workers.messages import LeaseOrder
from stress.workers.worker import CodeEdited, Worker
from tests.toy import TOYS

CASE = Case("counters", (("rounds", 2),), "toy")


def order(strategy: str) -> LeaseOrder:
    """Return the order to execute one seed."""
    return LeaseOrder(
        lease=1, number=1, case=CASE, strategy=strategy, options={}, machine="lockstep", processes=0, first=0, count=1,
        slice_s=1.0, left_s=1.0, twin_every=0, stop_on_first=False, afresh=False,
    )  # fmt: skip


def test_what_was_learned_of_a_case_outlives_it() -> None:
    """The strategies of a closed case are not kept, what they have learned is."""

    async def run() -> None:
        recorder = FlightRecorder()
        async with trio.open_nursery() as nursery:
            worker = Worker(io.BytesIO(), recorder, TOYS, Clock(time.perf_counter()), nursery)
            runner = await worker.runner(CASE)
            before, walk = worker.strategies.of(order("pct")), worker.strategies.of(order("random"))
            before.finish(500)
            assert (before, walk) == (worker.strategies.of(order("pct")), worker.strategies.of(order("random")))
            worker.closing(runner)
            after = worker.strategies.of(order("pct"))
            assert after is not before and {"length": 500} == after.learned()
            assert walk is not worker.strategies.of(order("random"))
            await worker.cases.close()
        recorder.close()

    trio.run(run)


def test_a_file_that_was_edited_since_the_campaign_began_is_told(tmp_path: Path) -> None:
    """Once per file, as a process reads each once; in one line that asks for the command again."""
    path = str(tmp_path / "mine.py")
    Path(path).write_text("class Mine:\n    component = 'memory'\n    def rss_nr(self, nr):\n        return nr\n")
    case = Case("storm", (), "x86-64", patch=(path,))
    recorder = FlightRecorder()

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            for digest, edited in ((CATALOGUE.patch((path,)).digest, False), ("0123456789abcdef", True)):
                worker = Worker(io.BytesIO(), recorder, CATALOGUE, Clock(), nursery, {path: digest, "storm": ""})
                if edited:
                    with pytest.raises(CodeEdited, match="mine.py has been edited since the campaign began"):
                        worker.check_code(case)
                worker.check_code(case)
                assert path not in worker.code

    trio.run(run)
    recorder.close()


def test_all_time_of_an_errand_is_on_its_account() -> None:
    """Whoever takes the time meanwhile gets none; it is there for the next who asks."""
    clock = Clock()
    with clock.all_on(ERRANDS):
        clock.to(EXECUTING)
        assert {} == clock.take()
    clock.to(IDLE)
    taken = clock.take()
    assert taken[ERRANDS] > 0 == taken[EXECUTING]
