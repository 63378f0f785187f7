"""Has the supervisor of a campaign serve as many workers as a cluster may have, none of which
executes anything, and says how much of their time they wait for it.

``python -m tests.robustness.crowd --workers 64 1024`` runs a real campaign first, and keeps what
its leases have brought. Then each crowd gets a campaign of its own: the plan hands out leases, the
store records what leases of the same cases have brought, and both are timed. The workers' time is
made up: a lease takes as long as it was given, a message ``--latency``, and while the supervisor is
at one worker the others wait. ``--task`` adds what a task costs the supervisor's process besides,
dask's client above all. For each crowd it prints the share of the workers' time that goes into
leases, once the crowd has warmed up and from the start on, and what a lease costs the supervisor.
It ends with 3 if a seed was handed out twice, or if less than LINEAR of the time of a crowd goes
into leases once it is warm.
"""

from __future__ import annotations

import argparse
import heapq
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import msgspec
import trio

from stress.campaign.cluster.batches import joined
from stress.campaign.cluster.crew import SEATS_PER_THREAD
from stress.campaign.store import Store
from stress.campaign.supervisor import Budget, Campaign
from stress.catalogue import CATALOGUE, DEFAULT_CATALOGUE
from stress.errors import CLEAN, FAILED
from stress.output import tell
from stress.workers.fleet import Workforce
from stress.workers.messages import Answer, Batch, LeaseOrder, Order
from stress.workers.settings import Settings

LINEAR = 0.9
"""The share of the workers' time that goes into leases at least, where throughput is linear."""

Brought = dict[str, list[Batch]]
"""What leases have brought, by scenario."""


class Recording(Campaign):
    """A campaign that keeps what its leases bring."""

    def __init__(self, store: Store, settings: Settings, budget: Budget) -> None:
        super().__init__(store, settings, budget)
        self.brought: Brought = defaultdict(list)
        self._open: dict[int, list[Batch]] = defaultdict(list)

    def answer(self, worker: int, order: Order, answer: Answer) -> bool:
        if isinstance(order, LeaseOrder) and order.lease and isinstance(answer, Batch):
            self._open[order.lease].append(msgspec.structs.replace(answer, failures=[], twins=[]))
            if answer.last:
                self.brought[order.case.scenario] += joined(self._open.pop(order.lease))
        return super().answer(worker, order, answer)


class Crowd(Workforce):
    """Workers who execute nothing."""

    workers, catalogue, deaths, kernels = 0, DEFAULT_CATALOGUE, 0, ()


class Share:
    """Which share of a processor this process has had of late, where others want it too: a second
    of the wall is so much of its own.
    """

    EVERY = 64
    """Looks: asking takes time."""

    def __init__(self) -> None:
        self.share, self._looks = 1.0, 0
        self._wall, self._own = time.perf_counter(), time.process_time()

    def look(self) -> None:
        """Find it out again, now and then."""
        self._looks += 1
        if self._looks % self.EVERY == 0:
            wall, own = time.perf_counter(), time.process_time()
            self.share = min(1.0, (own - self._own) / (wall - self._wall))
            self._wall, self._own = wall, own


class Simulation:
    """A crowd of ``workers`` at one campaign. Times are seconds, and made up but for ``cost_s``,
    what the supervisor has really taken.
    """

    def __init__(self, campaign: Campaign, workers: int, brought: Brought, latency_s: float, task_s: float) -> None:
        self.campaign, self.workers, self.brought = campaign, workers, brought
        self.latency_s, self.task_s = latency_s, task_s
        self.random, self.clock = Random(workers), Share()
        self.free = [0.0] * workers
        """When each worker has nothing to do any more."""
        self.supervisor_free = self.cost_s = 0.0
        self.leases = 0
        self.used: dict[tuple[int, str], list[tuple[int, int]]] = defaultdict(list)
        """Seeds that were executed, as (first, count), by case and machine."""
        self.busy: list[tuple[float, float]] = []
        """From when to when a worker executed a lease."""

    def run(self, seconds: float) -> None:
        """Simulate so many seconds."""
        seats = self.workers * SEATS_PER_THREAD
        for seat in range(seats):
            self.campaign.joined(seat, seat % self.workers)
        events: list[tuple[float, int, Order | None]] = [(0.0, seat, None) for seat in range(seats)]
        while events[0][0] < seconds:
            now, seat, order = heapq.heappop(events)
            following = self._serve(seat, order)
            begun = max(now, self.supervisor_free)
            self.supervisor_free = begun + following[1] + self.task_s
            heapq.heappush(events, (self._execute(seat, following[0], self.supervisor_free), seat, following[0]))

    def _serve(self, seat: int, order: Order | None) -> tuple[LeaseOrder, float]:
        """Have the supervisor take an answer and give the next order; return it, and the cost."""
        batch = self._brought(order) if isinstance(order, LeaseOrder) else None
        began = time.perf_counter()
        if order is not None and batch is not None:
            self.campaign.answer(seat, order, batch)
        following = self.campaign.order(seat)
        cost = self.clock.share * (time.perf_counter() - began)
        assert isinstance(following, LeaseOrder)
        self.cost_s += cost
        self.leases += 1
        self.clock.look()
        return following, cost

    def _brought(self, order: LeaseOrder) -> Batch:
        """Return what a lease of the same scenario has brought, with hashes of its own."""
        known = self.brought.get(order.case.scenario) or self.random.choice(list(self.brought.values()))
        batch = self.random.choice(known)
        self.used[order.number, order.machine].append((order.first, batch.done))
        hashes = {name: [self.random.getrandbits(63) for _ in found] for name, found in batch.hashes.items()}
        return msgspec.structs.replace(batch, hashes=hashes)

    def _execute(self, seat: int, order: LeaseOrder, sent: float) -> float:
        """Return when the answer to an order is there that was sent then."""
        worker = seat % self.workers
        begun = max(sent + self.latency_s, self.free[worker])
        self.free[worker] = begun + order.slice_s
        self.busy.append((begun, self.free[worker]))
        return self.free[worker] + self.latency_s

    def share(self, after: float, before: float) -> float:
        """Return the share of the workers' time in a window that went into leases."""
        inside = sum(max(0.0, min(end, before) - max(begun, after)) for begun, end in self.busy)
        return inside / (self.workers * (before - after))

    def twice(self) -> Iterator[str]:
        """Yield the cases of which a seed was executed twice."""
        for (case, machine), ranges in self.used.items():
            ranges.sort()
            for (first, count), (following, _) in pairwise(ranges):
                if first + count > following:
                    yield f"case {case} on {machine}: seed {following} was executed twice"


def what_leases_bring(folder: Path, settings: Settings, executions: int) -> Brought:
    """Run a real campaign; return what its leases have brought."""
    with Store(folder, settings.plain()) as store:
        campaign = Recording(store, settings, Budget(executions=executions, workers=2))
        trio.run(campaign.run)
        return campaign.brought


def crowd(workers: int, brought: Brought, settings: Settings, args: argparse.Namespace) -> list[str]:
    """Simulate a crowd, and print what came of it; return what was wrong."""
    where = tempfile.TemporaryDirectory(prefix="zapstress-crowd-")
    with where as folder, Store(Path(folder) / "dir", settings.plain()) as store:
        campaign = Campaign(store, settings, Budget(duration_s=1e9, twin_every=0), DEFAULT_CATALOGUE, Crowd())
        simulation = Simulation(campaign, workers, brought, args.latency / 1000, args.task / 1000)
        simulation.run(args.seconds)
        wrong = list(simulation.twice())
    share, whole = simulation.share(args.seconds * args.warm, args.seconds), simulation.share(0.0, args.seconds)
    each = 1000 * simulation.cost_s / simulation.leases
    rate = simulation.leases / args.seconds
    words = f"{share:.1%} of their time, {whole:.1%} from the start on"
    print(f"{workers:5} workers: {words}; {rate:.0f} leases a second, {each:.2f} ms each", flush=True)
    return wrong + ([f"{workers} workers wait for more than {1 - LINEAR:.0%} of their time"] if share < LINEAR else [])


def main() -> int:
    """Simulate the crowds that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.crowd", description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[64, 1024], metavar="N")
    parser.add_argument("--seconds", type=float, default=60, help="made-up seconds of each crowd (default: 60)")
    parser.add_argument("--warm", type=float, default=0.5, help="the share of them that is not looked at")
    parser.add_argument("--sample", type=int, default=4000, help="executions of the real campaign (default: 4000)")
    parser.add_argument("--latency", type=float, default=5, help="ms of a message (default: 5)")
    parser.add_argument("--task", type=float, default=3, help="ms that a task costs besides (default: 3)")
    args = parser.parse_args()
    settings = Settings(seed=1, scenarios=tuple(CATALOGUE.scenarios()), profiles=tuple(CATALOGUE.profiles()))
    with tempfile.TemporaryDirectory(prefix="zapstress-crowd-") as folder:
        brought = what_leases_bring(Path(folder) / "dir", settings, args.sample)
    tell(f"{sum(map(len, brought.values()))} leases of {len(brought)} scenarios were kept")
    wrong = [words for workers in args.workers for words in crowd(workers, brought, settings, args)]
    for words in wrong:
        print(words)
    return FAILED if wrong else CLEAN


if __name__ == "__main__":
    sys.exit(main())
