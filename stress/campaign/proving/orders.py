"""Which case is to be searched to its end next, and for how long.

At most a third of the workers' time goes into that, or the share that is asked for, in slices, from
the moment on at which a kernel is compiled. What is expected to end soonest is next
(:mod:`stress.campaign.proving.levels`); among what is expected to take as long, the first parameter
set of each scenario on each profile, then the second, and so on, those with the shortest executions
before others. A slice begins anew, so that what slices waste is less than half of what the last one
takes. The share shrinks as slices do not end: where nothing does, proving comes to next to nothing.
What is proved is not sampled any more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from stress.campaign.proving.levels import LEVELS, Levels, level_of, seconds_of
from stress.campaign.store import Store
from stress.case import Case
from stress.native.kernels import KernelKey
from stress.native.proofs.result import PROVED, UNFINISHED
from stress.workers.messages import Failure, ProveAnswer, ProveOrder
from stress.workers.plan.leases import Plan
from stress.workers.settings import PROVE_SHARE

PROMISE_MIN = 1 / 16
"""What is left of that part at least, where slices do not end."""

SLICES, TRUSTED_SECONDS = 32, 10.0
"""The latest slices, by which the part shrinks; and seconds that are taken to have come to an end
before them.
"""


FILL_EVERY = 16
"""Leases that may have sampled what can be tried then."""


class Proving:
    """The proofs of a campaign. ``cases`` are those of the store, by number; ``plans`` have what is
    sampled of them; ``is_compiled`` says whether a kernel can make single transitions by now;
    ``share`` of the workers' time goes into proving at most.
    """

    def __init__(
        self,
        store: Store,
        cases: Mapping[int, Case],
        plans: Sequence[Plan],
        is_compiled: Callable[[KernelKey], bool],
        share: float = PROVE_SHARE,
    ) -> None:
        self.share = share
        self.store, self.cases, self.plans, self.is_compiled = store, cases, plans, is_compiled
        self.levels = Levels(cases)
        self.of_kernel: dict[KernelKey, list[int]] = {}
        for number, case in sorted(cases.items()):
            self.of_kernel.setdefault(KernelKey.of(case), []).append(number)
        self.settled: set[int] = set()
        """Cases that are not tried any more."""
        self.out: dict[int, int] = {}
        """Those that workers have in hand, each with the level of its slice."""
        self.spent_s = self.promised_s = 0.0
        """What slices took; and what those that are out may take."""
        self.slices: deque[tuple[float, bool]] = deque(maxlen=SLICES)
        """The seconds of each, and whether it came to an end."""
        self.queue: deque[int] = deque()
        """The cases of the lowest level, in their order."""
        self.queued, self.queued_of, self.stale = 0, list[KernelKey](), True
        """That level; the kernels that were compiled then; and whether a slice has ended since."""
        self.filled = 0
        """How many leases there had been."""
        for number, kind, seconds in store.proofs():
            if number in cases:
                self._take(number, kind, level_of(seconds) + (kind == UNFINISHED))

    def _take(self, number: int, kind: str, level: int) -> None:
        """Take note of what came of a slice, and of the level at which the case has ended or is
        expected to.
        """
        self.stale = True
        self.levels.learn(number, level)
        if kind != UNFINISHED:
            self.settled.add(number)
        if kind == PROVED:
            for plan in self.plans:
                plan.retire(number)

    def order(self, left_s: float) -> ProveOrder | None:
        """Return the next slice, if proving is behind its share; the campaign ends in ``left_s``,
        and what is not expected to end by then is not begun.
        """
        if self._room_s() < seconds_of(0):
            return None
        number = self._next()
        if number is None:
            return None
        level = self.levels.level(number)
        seconds = seconds_of(level)
        if seconds > min(self._room_s(), left_s):
            self.queue.appendleft(number)
            return None
        self.out[number] = level
        self.promised_s += seconds
        return ProveOrder(number=number, case=self.cases[number], seconds=seconds, left_s=left_s)

    def _room_s(self) -> float:
        """Return how long a slice may be now."""
        share = self.share * self.promise
        others_s, mine_s = sum(plan.spent for plan in self.plans), self.spent_s + self.promised_s
        return share / (1 - share) * others_s - mine_s

    @property
    def promise(self) -> float:
        """How much of the time of the latest slices went into those that came to an end."""
        made_s = sum(seconds for seconds, _ in self.slices)
        ended_s = sum(seconds for seconds, ended in self.slices if ended)
        return max(PROMISE_MIN, (TRUSTED_SECONDS + ended_s) / (TRUSTED_SECONDS + made_s))

    def _next(self) -> int | None:
        """Return the case of the next slice, if there is one."""
        compiled = [key for key in self.of_kernel if self.is_compiled(key)]
        if compiled != self.queued_of:
            self._fill(compiled)
        found = self._pick()
        if found is None and (self.stale or self.plans[0].issued >= self.filled + FILL_EVERY):
            self._fill(compiled)
            found = self._pick()
        return found

    def _pick(self) -> int | None:
        """Take a case from the queue; of a scenario of which nothing is known one at a time."""
        looking = {self.levels.scenarios[number] for number in self.out if self.levels.is_new(number)}
        waiting, found = list[int](), None
        while self.queue and found is None:
            number = self.queue.popleft()
            if self.levels.is_new(number) and self.levels.scenarios[number] in looking:
                waiting.append(number)
            elif self._may(number) and self.levels.level(number) == self.queued:
                found = number
        self.queue.extendleft(reversed(waiting))
        return found

    def _fill(self, compiled: list[KernelKey]) -> None:
        """Queue the cases of the lowest level that may be tried on the kernels that are compiled."""
        self.queued_of, self.stale, self.filled = compiled, False, self.plans[0].issued
        self.levels.lengths = self.plans[0].lengths()
        levels = {n: self.levels.level(n) for key in compiled for n in self.of_kernel[key] if self._may(n)}
        self.queued = min(levels.values(), default=LEVELS)

        def order(number: int) -> tuple[int, float, int]:
            return self.levels.ranks[number], self.levels.length(number), number

        self.queue = deque(sorted((n for n, level in levels.items() if level == self.queued < LEVELS), key=order))

    def _may(self, number: int) -> bool:
        return number not in self.settled and number not in self.out

    def again(self, order: ProveOrder) -> None:
        """A slice was not made, or nobody heard of it."""
        del self.out[order.number]
        self.stale = True
        self.promised_s -= order.seconds

    def died(self, order: ProveOrder) -> None:
        """The worker died that had a slice: the case is left to sampling."""
        self.again(order)
        self.spent_s += order.seconds
        self.settled.add(order.number)

    def took(self, order: ProveOrder, answer: ProveAnswer) -> list[Failure]:
        """Record what came of a slice; return the failure that was found, if one was."""
        level = self.out[order.number]
        self.again(order)
        self.spent_s += answer.seconds
        ended = answer.kind != UNFINISHED
        self.slices.append((answer.seconds, ended))
        if not ended and not answer.time_was_up:
            self.settled.add(order.number)
        level = min(level, level_of(answer.seconds)) if ended else level + 1 if answer.time_was_up else LEVELS
        self._take(order.number, answer.kind, level)
        self.store.proved(order.number, answer)
        return [answer.failure] if answer.failure is not None else []
