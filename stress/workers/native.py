"""The worker's native side: compiled kernels as they come to be, and seeds executed with them.

Whatever is not clean is judged by the Python machine, which makes it again along its tapes. A share
of the time goes into executing the same seeds both ways and comparing all that there is: a
difference is a failure of its own, and that kernel runs in Python from then on.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from sim.core.machine import site_info
from stress.case import Case
from stress.execution.outcome import Outcome
from stress.execution.runner import Runner
from stress.native.comparison import along_tapes, by_native, by_python, difference
from stress.native.compilers import FAST, QUICK
from stress.native.kernels import KernelKey, kept, manifest_file, search_file
from stress.native.runner import BATCH_MAX, BUDGET, Library, NativeCase, NotCovered, Ran
from stress.native.search.classes import NativeClasses
from stress.native.search.space import StateSpace
from stress.trace.evidence import encoded_trace
from stress.workers.clock import COMPARING, EXECUTING, MEASURING, REPORTING, Clock
from stress.workers.measure.blocks import FIRST
from stress.workers.measure.sampler import SHARE, Sampler
from stress.workers.measure.shown import in_c
from stress.workers.messages import Failure, LeaseOrder
from stress.workers.settings import NATIVE

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.strategies import Strategy
    from stress.workers.tally import Tally

LOOK_SECONDS = 0.2
"""How often a worker looks whether a kernel has been compiled by now."""

COMPARED_SHARE = 0.05
"""The share of a lease's time that goes into executing seeds both ways."""

JUDGED_FIRST, JUDGED_EVERY = 8, 64
"""Of the executions of a case that one check gives up after steps at one site so many are judged,
and then one in so many: else a kernel that fails would run at Python's speed.
"""

BATCH_SECONDS = 0.01
"""What a batch of executions may take: whether the lease is over is asked in between."""

MEASURED_AT_ONCE, MEASURED_FIRST = 8, 2 * FIRST
"""Executions that are measured one after the other; and of each case before others, so that its
first lease has two blocks.
"""

TWINNED_EVERY = 16
"""Of the executions that are made both ways one in so many is given to another worker too."""


class Shelf:
    """The kernels that are compiled by now, in one flavour, each at the best level that was found.

    ``file`` says where a kernel is kept; ``changed`` hears of each that was found.
    """

    def __init__(
        self,
        file: Callable[[KernelKey, Sequence[str], Catalogue, str], Path],
        catalogue: Catalogue,
        changed: Callable[[KernelKey], None],
    ) -> None:
        self.file, self.catalogue, self.changed = file, catalogue, changed
        self.scenarios = list(catalogue.scenarios())
        self.libraries: dict[KernelKey, Library] = {}
        self.levels: dict[KernelKey, str] = {}
        self.looked: dict[KernelKey, float] = {}

    def find(self, key: KernelKey, at_once: bool = False) -> Library | None:
        """Return a kernel if it is there; look for it now and then, or ``at_once``."""
        now = perf_counter()
        due = at_once or now - self.looked.get(key, -LOOK_SECONDS) >= LOOK_SECONDS
        if due and self.levels.get(key) != FAST:
            self.looked[key] = now
            for level in (FAST, QUICK)[: 1 if key in self.libraries else 2]:
                found = kept(self.file(key, self.scenarios, self.catalogue, level))
                if found is not None:
                    self.libraries[key], self.levels[key] = found, level
                    self.changed(key)
                    break
        return self.libraries.get(key)


class Natives:
    """The compiled kernels of this process, and the cases that run on them."""

    def __init__(self, catalogue: Catalogue, seed_at: int = 0) -> None:
        self.seed_at = seed_at
        """Where the seed that runs is written down (:class:`stress.native.runner.NativeCase`)."""
        self.plain = Shelf(manifest_file, catalogue, self._changed)
        self.single = Shelf(search_file, catalogue, self._changed)
        """Kernels that execute, and those that make single transitions and tell footprints."""
        self.cases: dict[Case, NativeCase | None] = {}
        self.given_up: set[KernelKey] = set()
        """Kernels that were found to differ."""
        self.bailed: Counter[tuple[Case, int, int]] = Counter()
        self.compared: Counter[Case] = Counter()
        """Executions that were made both ways."""
        self.classes: dict[Case, NativeClasses | None] = {}
        self.busy_s = self.compared_s = self.measured_s = 0.0
        """Seconds of native leases, of them those for executions made both ways, and those for
        naming classes.
        """

    def case(self, order: LeaseOrder, runner: Runner) -> NativeCase | None:
        """Return the case of an order as it runs natively; None while it does not."""
        key = KernelKey.of(order.case)
        library = self.library(key) if runner.failed is None else None
        if library is None:
            return None
        if order.strategy not in library.manifest.strategies:
            return None
        if order.case not in self.cases:
            try:
                self.cases[order.case] = NativeCase(library, runner, self.seed_at)
            except NotCovered:
                self.cases[order.case] = None
        return self.cases[order.case]

    def library(self, key: KernelKey) -> Library | None:
        """Return a kernel if it is there by now. None if it was found to differ."""
        found = self.plain.find(key)
        return found if key not in self.given_up else None

    def searching(self, key: KernelKey) -> Library | None:
        """Return a kernel that can make single transitions, and tells footprints, if it is there."""
        return self.single.find(key, at_once=key not in self.single.libraries)

    def _changed(self, key: KernelKey) -> None:
        """Have the cases of a kernel, which was compiled, run on that from now on."""
        for case in [case for case in self.cases if KernelKey.of(case) == key]:
            self.forget(case)

    def classes_of(self, case: Case, runner: Runner) -> NativeClasses | None:
        """Return what names the classes of a case; None while its kernel cannot tell footprints."""
        library = self.single.find(KernelKey.of(case))
        if library is not None and case not in self.classes:
            try:
                self.classes[case] = NativeClasses(StateSpace(library, runner))
            except NotCovered:
                self.classes[case] = None
        return self.classes.get(case)

    def is_judged(self, case: Case, ran: Ran) -> bool:
        """Count an execution that was given up; return whether Python is to make it again."""
        which = case, ran.why, ran.site
        self.bailed[which] += 1
        nr = self.bailed[which]
        return nr <= JUDGED_FIRST or nr % JUDGED_EVERY == 0

    def give_up(self, case: Case) -> None:
        """Run the kernel of ``case`` in Python from now on."""
        self.given_up.add(KernelKey.of(case))

    def forget(self, case: Case) -> None:
        """Let go of a case, whose runner is about to be closed."""
        native = self.cases.pop(case, None)
        if native is not None and native.library.in_use is native:
            native.library.in_use = None
        classes = self.classes.pop(case, None)
        if classes is not None and classes.space.library.in_use is classes.space:
            classes.space.library.in_use = None


class NativeLease:
    """Executes the seeds of one lease; :meth:`go_on` until it is over."""

    def __init__(
        self,
        natives: Natives,
        native: NativeCase,
        strategy: Strategy,
        order: LeaseOrder,
        tally: Tally,
        clock: Clock,
        sampler: Sampler,
    ) -> None:
        self.natives, self.native, self.strategy, self.order = natives, native, strategy, order
        self.sampler = sampler
        self.tally, self.clock = tally, clock
        self.batch = 1

    def go_on(self, seed: int, end: int) -> int:
        """Execute from ``seed`` on, for a moment; return the next seed."""
        natives = self.natives
        if not natives.compared[self.order.case] or natives.compared_s < COMPARED_SHARE * natives.busy_s:
            began = self.clock.to(COMPARING)
            self.compare(seed)
            now, after = self.clock.to(REPORTING), seed + 1
            natives.compared_s += now - began
        elif self.is_measured() and (classes := self.classes()):
            began = self.clock.to(EXECUTING)
            after, now = self.measure(seed, end, classes), self.clock.to(REPORTING)
        else:
            began = self.clock.to(EXECUTING)
            after = self.execute(seed, end, began)
            now = self.clock.to(REPORTING)
        natives.busy_s += now - began
        return after

    def is_measured(self) -> bool:
        """Return whether the next executions are measured: so that a share of the time goes into
        that, and at the beginning of each case.
        """
        few = self.sampler.blocks(self.order.case).before < MEASURED_FIRST
        return bool(self.order.shares) and (few or self.natives.measured_s < SHARE * self.natives.busy_s)

    def classes(self) -> NativeClasses | None:
        """Return what names the classes of the lease's case, if that can be done by now."""
        return self.natives.classes_of(self.order.case, self.native.runner)

    def measure(self, seed: int, end: int, classes: NativeClasses) -> int:
        """Execute some seeds whose classes are named, each under a strategy that is drawn; return
        the next seed.
        """
        order, sampler, after = self.order, self.sampler, min(end, seed + MEASURED_AT_ONCE)
        for one in range(seed, after):
            strategy = sampler.strategy(order, one)
            ran = self.native.run(strategy, one)
            self.tally.add_native(self.native, ran)
            began = self.clock.to(MEASURING)
            found = sampler.add(order, in_c(self.native, ran, classes))
            self.tally.add_measured(found, sampler.blocks(order.case).newest())
            self.natives.measured_s += self.clock.to(EXECUTING) - began
            if ran.why not in (0, BUDGET):
                self.judge(one, ran, strategy.name)
        return after

    def execute(self, seed: int, end: int, now: float) -> int:
        """Execute a batch from ``seed`` on; return the next seed."""
        ran = self.native.run(self.strategy, seed, min(self.batch, end - seed))
        self.tally.add_native(self.native, ran)
        if perf_counter() - now < BATCH_SECONDS:
            self.batch = min(2 * self.batch, BATCH_MAX)
        if ran.why not in (0, BUDGET):
            self.judge(seed + ran.clean, ran, self.strategy.name)
        return seed + ran.clean + (ran.why > 0)

    def judge(self, seed: int, ran: Ran, strategy: str) -> None:
        """Have the Python machine make the last native execution again, which was given up."""
        if not self.natives.is_judged(self.order.case, ran):
            self.tally.add_unjudged()
            return
        outcome, words = along_tapes(self.native, seed)
        self.tally.add(outcome, seed, strategy=strategy)
        if outcome.verdict.kind == "clean" and not self.native.is_limit(ran.why):
            words = words or f"Python says clean, and the native core: {self.native.reason(ran.why)}"
        if words:
            self.differs(outcome, words)

    def compare(self, seed: int) -> None:
        """Execute a seed both ways, and compare."""
        self.tally.take_native()
        learned = self.strategy.learned()
        made, outcome = by_python(self.native.runner, self.strategy, seed)
        self.tally.add(outcome, seed, compared=True)
        natives = self.natives
        if self.order.twin_every and natives.compared.total() % TWINNED_EVERY == 0:
            self.tally.twin(outcome, seed, learned)
        natives.compared[self.order.case] += 1
        words = difference(self.native, made, *by_native(self.native, self.fresh(self.strategy, learned), seed))
        if words:
            self.differs(outcome, words)

    def fresh(self, strategy: Strategy, learned: dict[str, int]) -> Strategy:
        """Return a strategy as it was when it had learned that."""
        kind: Any = type(strategy)
        found: Strategy = kind(**self.order.options)
        found.recall(learned)
        return found

    def differs(self, outcome: Outcome, words: str) -> None:
        """Tell that the native core has just made another execution than ``outcome``, which is
        Python's; run this kernel in Python from now on.
        """
        self.natives.give_up(self.order.case)
        failure = native_differs(self.order, outcome, self.native, words)
        self.tally.failures.setdefault(failure.signature, failure)


def differs_name(case: Case) -> str:
    """Return the signature of executions of a case that the native core makes otherwise."""
    return hashlib.blake2b(f"native {case.scenario} {case.profile}".encode(), digest_size=4).hexdigest()


def native_differs(order: LeaseOrder, outcome: Outcome, native: NativeCase, words: str) -> Failure:
    """Return the failure that a difference is, with both executions: Python's as the trace, the
    native one's tapes in its environment.
    """
    case = order.case
    report = (
        f"BUG: native-differs in {case.scenario} on {case.profile}\n"
        f"  {case}, seed {outcome.finished.seed}, strategy {order.strategy}\n  {words}\n"
        "  The native core is wrong, and its kernel runs in Python from here on; please report this.\n"
    )
    sites = [site_info(code).name for code in native.log()[::2]]
    tapes = {str(slot): tape for slot, tape in native.tapes().items()}
    return Failure(
        signature=differs_name(case),
        checker=NATIVE,
        title="native-differs",
        strategy=order.strategy,
        seed=outcome.finished.seed,
        kind="nondeterminism",
        trace=encoded_trace(outcome, order.strategy),
        report=report,
        environment={"native": {"schedule": native.turns(), "tapes": tapes, "sites": sites}},
    )
