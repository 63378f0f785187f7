"""What a campaign does beside its search: errands, each a few executions that answer a question.

retrial     is an old failure still there under the new code? Its trace is replayed, tolerantly
search      is a new failure the patch's own? It is looked for in the unpatched kernel: first its
            trace is replayed there, then as many executions of its case are made as have found it,
            and SEARCH_COUNT_MIN at least
reduction   what does a new failure come down to? It is shrunk and explained, for some seconds, in
            campaigns that last for a time: what they find depends on how fast anything is, anyway
follow      do other patches fail on the same seeds? What a lease has executed is executed again,
            with each of them (``--versus``)

None of these executions counts as the campaign's.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import msgspec

from stress.campaign.directory import has_form, keep_form, side_folder, trace_of
from stress.campaign.store import Store
from stress.case import Case
from stress.output import detail
from stress.parallel.settings import PROCESSES
from stress.workers.messages import (
    FOREVER_S,
    Answer,
    Batch,
    LeaseOrder,
    Order,
    ReduceAnswer,
    ReduceOrder,
    RetrialAnswer,
    RetrialOrder,
)
from stress.workers.settings import LOCKSTEP, PARALLEL, Settings, beginning, machine_of

SEARCH_COUNT_MIN = 64
"""Executions of a search at least: a failure may be found by luck in the first."""

SEARCH_COUNT_MAX = 256
"""Executions of a search that are one order: a campaign's end waits for no more."""


REDUCE_SECONDS = 3.0
"""How long a failure is shrunk, and explained as long again at most; less near a campaign's end."""

REDUCE_SECONDS_MIN = 0.5
"""If there is no more time than that, it is left."""

REDUCE_SHARE = 0.2
"""The share of a campaign's time in which a worker may be at that."""


class Errand(Protocol):
    """A question, and the orders that answer it, one after the other."""

    @property
    def machine(self) -> str:
        """The machine that executes the next order."""

    def order(self) -> Order:
        """Return the next order."""

    def answer(self, answer: Answer) -> bool:
        """Take an answer; return whether the order is carried out."""

    @property
    def over(self) -> bool:
        """Whether no further order is to follow."""


@dataclass
class Retrial:
    """An old failure's trace, under the new code."""

    store: Store
    signature: str
    number: int
    case: Case
    machine: str = LOCKSTEP
    over: bool = True

    def order(self) -> Order:
        return retrial_order(self.store, self.signature, self.number, self.case)

    def answer(self, answer: Answer) -> bool:
        assert isinstance(answer, RetrialAnswer)
        self.store.retried(self.signature, answer.kind, answer.failure)
        return True


@dataclass
class UnpatchedSearch:
    """A new failure, in the unpatched kernel; ``row`` is of :meth:`Results.unsearched`."""

    store: Store
    settings: Settings
    row: Mapping[str, Any]
    case: Case
    """Without the patch."""
    traced: bool
    """The failure's trace is kept, so it is replayed first."""
    done: int = 0
    """Executions of the order in hand."""
    over: bool = False

    def __post_init__(self) -> None:
        self.machine = LOCKSTEP if self.traced else machine_of(self.row["strategy"])
        self.searched: int = self.row["searched"]
        self.needed: int = max(self.row["needed"], SEARCH_COUNT_MIN)

    def order(self) -> Order:
        if self.traced:
            return retrial_order(self.store, self.row["signature"], self.row["case_id"], self.case)
        self.done = 0
        left = self.needed - self.searched
        first = beginning(self.settings.seed, self.machine) + self.searched
        count = min(left, SEARCH_COUNT_MAX)
        return errand_lease(self.settings, self.row["case_id"], self.case, self.row["strategy"], first, count)

    def answer(self, answer: Answer) -> bool:
        if isinstance(answer, RetrialAnswer):
            self.traced, self.machine = False, machine_of(self.row["strategy"])
            return self._look([answer.failure.signature] if answer.failure is not None else [], 0)
        assert isinstance(answer, Batch)
        return self._look([failure.signature for failure in answer.failures], answer.done) and answer.last

    def _look(self, signatures: list[str], done: int) -> bool:
        """Note what was seen in so many executions."""
        self.searched += done
        seen = self.row["signature"] in signatures
        self.over = self.over or seen or self.searched >= self.needed
        unpatched = True if seen else False if self.over else None
        self.store.searched(self.row["signature"], done, unpatched)
        return True


@dataclass
class Reduction:
    """A new failure, shrunk and explained."""

    store: Store
    signature: str
    number: int
    case: Case
    until: float
    """When the campaign ends, in seconds of the monotonic clock."""
    machine: str = LOCKSTEP
    over: bool = True

    def order(self) -> Order:
        trace = trace_of(self.store.directory, self.signature).read_bytes()
        return ReduceOrder(number=self.number, case=self.case, trace=trace, seconds=reduce_seconds(self.until))

    def answer(self, answer: Answer) -> bool:
        assert isinstance(answer, ReduceAnswer)
        if not answer.why:
            keep_form(self.store.directory, self.signature, answer)
        detail(f"shrunk {self.signature}: {answer.why or answer.explanation['sentence']}")
        return True


@dataclass
class Follow:
    """What a lease has executed, once more on another side of a comparison."""

    store: Store
    side: int
    lease: LeaseOrder
    """The same seeds, under the side's code."""
    over: bool = True

    @property
    def machine(self) -> str:
        """Return the machine of the lease."""
        return self.lease.machine

    def order(self) -> Order:
        return self.lease

    def answer(self, answer: Answer) -> bool:
        assert isinstance(answer, Batch)
        self.store.record_side(self.side, self.lease.number, answer)
        return answer.last


def reduce_seconds(until: float) -> float:
    """Return how long a failure may be shrunk now in a campaign that ends at ``until``."""
    return min(REDUCE_SECONDS, (until - time.monotonic()) / 3)


def retrial_order(store: Store, signature: str, number: int, case: Case) -> RetrialOrder:
    """Return the order that has the kept trace of a signature replayed under ``case``."""
    trace = trace_of(store.directory, signature).read_bytes()
    return RetrialOrder(number=number, case=case, trace=trace)


def errand_lease(settings: Settings, number: int, case: Case, strategy: str, first: int, count: int) -> LeaseOrder:
    """Return an order for executions that are no lease of the plan's."""
    return LeaseOrder(
        lease=0,
        number=number,
        case=case,
        strategy=strategy,
        options=settings.options,
        machine=machine_of(strategy),
        processes=PROCESSES if machine_of(strategy) == PARALLEL else 0,
        first=first,
        count=count,
        slice_s=FOREVER_S,
        left_s=FOREVER_S,
        twin_every=0,
        stop_on_first=False,
        evidence=False,
        afresh=False,
    )


class Errands:
    """The errands of a campaign: those that wait, and those that workers have in hand.

    ``until`` is when it ends, in seconds of the monotonic clock; without that nothing is reduced.
    """

    def __init__(self, store: Store, settings: Settings, cases: Mapping[int, Case], until: float | None = None) -> None:
        self.store, self.settings, self.cases, self.until = store, settings, cases, until
        self.first: deque[Errand] = deque(self._retrials())
        """Retrials, which come before anything else."""
        self.follows: deque[Errand] = deque()
        """They are made whatever the time: a comparison is of the same seeds."""
        self.searches: deque[Errand] = deque()
        self.known: set[str] = set()
        """Signatures of which there was a search."""
        self.reductions: deque[Errand] = deque()
        """Made one at a time, and not waited for."""
        self.reduced: set[str] = set()
        """Signatures of which there was one."""
        self.began, self.reducing_since, self.reducing_s = time.monotonic(), 0.0, 0.0
        self.out: dict[int, Errand] = {}
        """Those in hand, by worker."""
        self.wanted: dict[str, set[int]] = {}
        """By machine: cases of old failures that want more clean executions."""
        self.look()
        self.want()

    def _retrials(self) -> Iterator[Errand]:
        for old in self.store.old_failures():
            case = self.cases.get(old["case_id"])
            if not old["retried"] and old["trace"] is not None and case is not None:
                yield Retrial(self.store, old["signature"], old["case_id"], case)

    def look(self) -> None:
        """Have new signatures reduced, and searched for in the unpatched kernel, if there is a
        patch.
        """
        for signature, number in self.store.traced() if self.until is not None else ():
            case = self.cases.get(number)
            if signature not in self.reduced and case is not None and not has_form(self.store.directory, signature):
                self.reduced.add(signature)
                self.reductions.append(Reduction(self.store, signature, number, case, self.until or 0.0))
        if not self.settings.patch:
            return
        for row in self.store.unsearched():
            case = self.cases.get(row["case_id"])
            if row["signature"] not in self.known and case is not None:
                self.known.add(row["signature"])
                traced = not row["searched"] and trace_of(self.store.directory, row["signature"]).is_file()
                self.searches.append(UnpatchedSearch(self.store, self.settings, row, replace(case, patch=()), traced))

    def want(self) -> None:
        """See which cases old failures want executed: until enough executions were clean, or twice
        as many were made.
        """
        self.wanted = {}
        for old in self.store.old_failures():
            left = old["clean"] < old["clean_needed"] and old["executions"] < 2 * old["clean_needed"]
            if left and old["retried"] == "clean":
                self.wanted.setdefault(machine_of(old["strategy"]), set()).add(old["case_id"])

    def follow(self, order: LeaseOrder, done: int) -> None:
        """Have the first ``done`` seeds of a lease executed on the other sides, if there are any."""
        for number, patch in enumerate(self.settings.sides(), 1):
            if done:
                case = replace(order.case, patch=patch)
                folder = str(side_folder(Path(), number))
                lease = msgspec.structs.replace(
                    order, lease=0, case=case, count=done, slice_s=FOREVER_S, left_s=FOREVER_S, folder=folder
                )
                self.follows.append(Follow(self.store, number, lease))

    # -- the boss's share ------------------------------------------------------------------------------------------

    def left(self, late: bool) -> bool:
        """Return whether there is something in hand or to be handed out; ``late`` says that the
        campaign's time has passed.
        """
        return bool(self.out or self.follows or (not late and (self.first or self.searches)))

    def order(self, worker: int, late: bool, eager: bool) -> Order | None:
        """Return the worker's next errand, or None; ``eager`` wants searches and reductions too."""
        queues = [] if late else [self.first]
        queues += [self.follows]
        queues += [self.searches] if eager and not late else []
        queues += [self.reductions] if eager and not late and self._may_reduce() else []
        for queue in queues:
            for errand in queue:
                if not worker or errand.machine == LOCKSTEP:
                    queue.remove(errand)
                    self.out[worker] = errand
                    self.reducing_since = time.monotonic() if queue is self.reductions else self.reducing_since
                    return errand.order()
        return None

    def _may_reduce(self) -> bool:
        """Return whether no worker is at a reduction, and they have not had their share."""
        if self.until is None or reduce_seconds(self.until) < REDUCE_SECONDS_MIN:
            return False
        idle = not any(isinstance(errand, Reduction) for errand in self.out.values())
        return idle and self.reducing_s <= REDUCE_SHARE * (time.monotonic() - self.began)

    def no_more_reductions(self) -> None:
        """Leave failures as they are from now on: the campaign is to end."""
        self.until = None
        self.reductions.clear()

    def answer(self, worker: int, answer: Answer) -> bool:
        """Take an answer to an errand in hand; return whether its order is carried out."""
        errand = self.out[worker]
        if not errand.answer(answer):
            return False
        del self.out[worker]
        if isinstance(errand, Reduction):
            self.reducing_s += time.monotonic() - self.reducing_since
        if not errand.over:
            self.searches.append(errand)
        self.look()
        self.want()
        return True

    def died(self, worker: int) -> None:
        """Drop the errand that a dead worker had in hand: its question stays open."""
        self.out.pop(worker, None)

    def again(self, worker: int) -> None:
        """What a worker had in hand was lost on its way: it waits again, before the others."""
        errand = self.out.pop(worker)
        queues: dict[type, deque[Errand]] = {Retrial: self.first, Follow: self.follows, Reduction: self.reductions}
        queues.get(type(errand), self.searches).appendleft(errand)
