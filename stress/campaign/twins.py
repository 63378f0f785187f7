"""Executions that are run twice, and what it means if their digests differ."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from stress.case import Case
from stress.workers.messages import Failure, LeaseOrder, Twin, TwinAnswer, TwinOrder

TWINS_MAX = 256
"""Executions that may wait for their second run; beyond that no more are chosen."""


class Waiting(NamedTuple):
    """An execution that waits for its second run, and the place where the first one was."""

    order: TwinOrder
    place: int


class Twins:
    """The executions that wait for their second run, each with the worker that is to make it.

    A worker is at a place, which it may share with others: the second run is at another place than
    the first. A worker gives what it has executed to the next one, which opens a case for several
    of them. What nobody can take, as there is no other place, waits until there is one.
    """

    def __init__(self, workers: Iterable[int] = ()) -> None:
        self.places: dict[int, int] = {}
        self.queues: dict[int, deque[Waiting]] = {}
        self.left: list[Waiting] = []
        """Those that nobody can take."""
        self.out: dict[int, Waiting] = {}
        """Those in hand, by worker."""
        for worker in workers:
            self.join(worker, worker)

    def join(self, worker: int, place: int) -> None:
        """There is a worker more."""
        self.places[worker], self.queues[worker] = place, deque()
        left, self.left = self.left, []
        for waiting in left:
            self._queue(worker, waiting)

    def leave(self, worker: int) -> None:
        """A worker is there no more: others take what it was to run."""
        del self.places[worker]
        for waiting in self.queues.pop(worker):
            self._queue(worker, waiting)

    def add(self, worker: int, orders: Iterable[TwinOrder]) -> None:
        """Have repeated what ``worker`` has executed."""
        for order in orders:
            self._queue(worker, Waiting(order, self.places[worker]))

    def _queue(self, worker: int, waiting: Waiting) -> None:
        """Give an execution to the first worker after ``worker`` that is at another place."""
        fit = [other for other, place in self.places.items() if place != waiting.place]
        if fit:
            self.queues[min(fit, key=lambda other: (other <= worker, other))].append(waiting)
        else:
            self.left.append(waiting)

    def take(self, worker: int) -> TwinOrder | None:
        """Return what the worker is to run next, or None."""
        if not self.queues[worker]:
            return None
        self.out[worker] = self.queues[worker].popleft()
        return self.out[worker].order

    def done(self, worker: int) -> None:
        """What a worker had in hand needs no second run any more: it was made, or ended it."""
        del self.out[worker]

    def again(self, worker: int) -> None:
        """What a worker had in hand was not run."""
        self._queue(worker, self.out.pop(worker))

    @property
    def room(self) -> bool:
        """Whether more may be chosen."""
        return len(self.left) + sum(map(len, self.queues.values())) < TWINS_MAX

    @property
    def any(self) -> bool:
        """Whether a worker has one in hand, or can take one."""
        return bool(self.out) or any(self.queues.values())


def twin_order(order: LeaseOrder, twin: Twin) -> TwinOrder:
    """Return the order that has an execution of a lease repeated."""
    return TwinOrder(
        number=order.number,
        case=order.case,
        strategy=order.strategy,
        options=order.options,
        seed=twin.seed,
        learned=twin.learned,
        digest=twin.digest,
    )


def nondeterminism_name(case: Case) -> str:
    """Return the signature of executions of a case that had two digests."""
    return hashlib.blake2b(f"nondeterminism {case.scenario} {case.profile}".encode(), digest_size=4).hexdigest()


def nondeterminism(order: TwinOrder, answer: TwinAnswer) -> Failure:
    """Return the failure that two differing digests are; its trace is of the second run."""
    case = order.case
    report = (
        f"BUG: nondeterminism in {case.scenario} on {case.profile}\n"
        f"  seed {order.seed}, strategy {order.strategy};"
        f" in one worker {order.digest}, in another {answer.digest}\n"
        "  Something besides the tapes decides:"
        " iteration over a set, a hash, a clock, an id, or state outside the arena.\n"
    )
    return Failure(
        signature=nondeterminism_name(case),
        checker="nondeterminism",
        title="nondeterminism",
        strategy=order.strategy,
        seed=order.seed,
        kind="nondeterminism",
        trace=answer.trace,
        report=report,
    )
