"""What came of a worker's executions, between one answer to the supervisor and the next.

Metrics are measured as they are declared (:mod:`stress.workers.metrics`). Beside them stand the
failures, the executions that another worker is to repeat, and processes that have died.
"""

from __future__ import annotations

from pathlib import PurePath
from time import perf_counter
from typing import TYPE_CHECKING

from msgspec.structs import replace

from stress.execution.signature import signature_of
from stress.native.runner import BUDGET
from stress.patch.counting import add_runs
from stress.trace.evidence import evidence
from stress.trace.record import Trace, capture
from stress.workers.clock import Clock
from stress.workers.measure.bound import Block
from stress.workers.messages import Batch, Death, Failure, LeaseOrder, Twin
from stress.workers.metrics import METRICS, Execution, Measured, Stretch

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.execution.outcome import Outcome
    from stress.execution.runner import Runner
    from stress.native.runner import NativeCase, Ran
    from stress.parallel.recording import Recording
    from stress.workers.measure.shown import Shown

_GOLDEN, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1
"""2**64 divided by the golden ratio, made odd (Knuth, TAOCP 6.4)."""

_SHARE_BITS = 24

BLOCK_BITS, NEAR = 5, 8
"""Executions are chosen to be run twice in blocks of 2**BLOCK_BITS seeds: one in NEAR of the
executions of some blocks, so that another worker opens a case for several of them.
"""


def twinned(seed: int, case: int, every: int) -> bool:
    """Return whether an execution is one of the share, 1 / ``every``, that is run twice; 0 is none.

    Whether it is depends on its case and its seed alone, so that a campaign can be repeated. Some
    blocks of seeds are chosen, and some seeds of those, as opening a case in another worker costs
    more than an execution.
    """
    near = min(NEAR, every)
    return every > 0 and _one_in(every / near, (seed >> BLOCK_BITS) + case) and _one_in(near, seed + case)


def _one_in(every: float, number: int) -> bool:
    """Return whether ``number`` is one of the share 1 / ``every``, evenly spread over all numbers.

    Taking every ``every``-th number would do that too. But all cases count their seeds from the
    same base, so the first execution of each lease would be chosen again and again. Multiplied by
    2**64 / phi, successive numbers are spread evenly over the range, and a number is chosen if the
    upper bits of its product are below the share.
    """
    return (number * _GOLDEN & _MASK) >> (64 - _SHARE_BITS) < (1 << _SHARE_BITS) / every


def twin_digest(outcome: Outcome) -> str:
    """Return what must be equal when an execution is run again: steps, verdict and final state."""
    return f"{outcome.verdict.kind} {outcome.digest()} {outcome.model_hash()}"


def bare(outcome: Outcome, strategy: str, seed: int) -> Failure:
    """Return the failure that an outcome shows, without evidence."""
    violation = outcome.verdict.violation
    assert violation is not None
    return Failure(
        signature=signature_of(outcome),
        checker=violation.checker,
        title=violation.title,
        strategy=strategy,
        seed=seed,
    )


async def with_evidence(failure: Failure, trace: Trace, symptom: str, folder: str, catalogue: Catalogue) -> Failure:
    """Return a failure with its evidence, to be kept in ``folder`` of the results directory."""
    path = PurePath(folder, "failures", failure.signature, "trace").as_posix()
    found = await evidence(trace, path, catalogue)
    environment = found.environment | ({"symptom": symptom} if symptom else {})
    return replace(failure, trace=found.trace, report=found.report, environment=environment)


async def failure_of(outcome: Outcome, trace: Trace, catalogue: Catalogue) -> Failure:
    """Return the failure that an outcome shows, with its evidence; ``trace`` is the outcome's."""
    failure = bare(outcome, trace.strategy, trace.seed)
    return await with_evidence(failure, trace, outcome.symptom, "", catalogue)


class Tally:
    """What came of one lease since the last answer.

    ``traced`` are the signatures of which a trace has been sent: one is enough. None sends none.
    ``clock`` has the worker's time.
    """

    def __init__(self, order: LeaseOrder, runner: Runner, traced: set[str] | None, clock: Clock) -> None:
        self.order, self.runner, self.traced, self.clock = order, runner, traced, clock
        mine = [metric for metric in METRICS.values() if metric.machine in (None, order.machine)]
        self.each = [(metric, metric.each, metric.every) for metric in mine if metric.each is not None]
        self.stretch = [(metric, metric.stretch) for metric in mine if metric.stretch is not None]
        self.measured = Measured()
        self.native: NativeCase | None = None
        """The case that has made executions natively of which the counts are still to be taken."""
        self.sampled = 0
        """Executions of this lease, by which a metric takes one in so many."""
        self.begin()
        self.codes += runner.setup_steps
        runner.setup_steps.clear()

    def begin(self) -> None:
        """Begin to count anew."""
        self.began = perf_counter()
        self.done = 0
        self.measured.begin()
        self.codes: list[int] = []
        self.failures: dict[str, Failure] = {}
        self.twins: list[Twin] = []
        self.deaths: list[Death] = []
        self.block: Block | None = None
        self.fresh: dict[str, tuple[Trace, str]] = {}
        """Trace and symptom of signatures that are new: their evidence is to be made before the
        answer is sent.
        """

    def add(
        self,
        outcome: Outcome,
        seed: int,
        recording: Recording | None = None,
        compared: bool = False,
        strategy: str = "",
    ) -> None:
        """Count an execution; ``recording`` is the parallel run that it replays, if it does;
        ``compared``: it is made natively too; ``strategy``: another one than the lease's.
        """
        execution = Execution(outcome, self.order.number, recording)
        if compared:
            METRICS["compared"].add(1, self.measured)
        for metric, measure, every in self.each:
            if self.sampled % every == 0:
                metric.add(measure(execution), self.measured)
        self.done += 1
        self.sampled += 1
        self.codes += self.runner.machine.log[::2]
        if recording is not None:
            self.deaths += [Death(pid, status, seed) for pid, status in recording.killed]
        if outcome.verdict.kind == "violation":
            self._fail(outcome, seed, strategy or self.order.strategy)

    def add_native(self, native: NativeCase, ran: Ran) -> None:
        """Count the executions that the native core has made, clean or inconclusive. What they
        visited it counts itself, until :meth:`take_native`: that costs as much as dozens of them.
        """
        inconclusive = int(ran.why == BUDGET)
        made = ran.clean + inconclusive
        if not made:
            return
        self.native = native
        found = {"executions": made, "native": made, "steps": ran.steps, "inconclusive": inconclusive}
        for name, value in found.items():
            METRICS[name].add(value, self.measured)
        self.done += made

    def take_native(self) -> None:
        """Add what native executions have visited since this was last done."""
        if self.native is None:
            return
        counts, self.native = self.native.take_counts(), None
        add_runs(self.runner.kernel, counts.runs)
        METRICS["visits"].add(counts.visits, self.measured)
        METRICS["pairs"].add(counts.overlaps, self.measured)

    def add_measured(self, found: Shown, newest: Block | None) -> None:
        """Count what a measured execution has shown; ``newest`` is the block that says most by now."""
        METRICS["measured"].add(1, self.measured)
        for name, hashes in found.hashes(self.order.number).items():
            for value in hashes:
                METRICS[name].add(value, self.measured)
        self.block = newest

    def add_unjudged(self) -> None:
        """Count an execution that the native core gave up, and that Python does not make again."""
        METRICS["unjudged"].add(1, self.measured)
        self.done += 1

    def twin(self, outcome: Outcome, seed: int, learned: dict[str, int]) -> None:
        """Have an execution repeated; ``learned`` is what its strategy knew before it."""
        self.twins.append(Twin(seed, learned, twin_digest(outcome)))

    def _fail(self, outcome: Outcome, seed: int, strategy: str) -> None:
        """Count a failure; the first of each signature is traced, to be sent whole."""
        name = signature_of(outcome)
        failure = self.failures.get(name)
        if failure is not None:
            self.failures[name] = replace(failure, count=failure.count + 1)
            return
        self.failures[name] = bare(outcome, strategy, seed)
        if self.traced is not None and name not in self.traced:
            self.traced.add(name)
            self.fresh[name] = capture(outcome, strategy), outcome.symptom

    async def complete(self, catalogue: Catalogue) -> None:
        """Add the evidence of the signatures that are new."""
        for name, (trace, symptom) in self.fresh.items():
            self.failures[name] = await with_evidence(self.failures[name], trace, symptom, self.order.folder, catalogue)

    def batch(self, last: bool) -> Batch:
        """Return the answer and begin anew; ``last`` says that the lease is carried out."""
        self.take_native()
        runs = self.runner.fresh_override_runs()
        stretch = Stretch(self.clock.take(), self.codes, self.order.case.scenario, runs)
        for metric, measure in self.stretch:
            metric.add(measure(stretch), self.measured)
        batch = Batch(
            done=self.done,
            last=last,
            numbers=self.measured.numbers,
            counts={name: dict(found) for name, found in self.measured.counts.items()},
            hashes=dict(self.measured.hashes),
            failures=list(self.failures.values()),
            twins=self.twins,
            deaths=self.deaths,
            block=self.block,
        )
        self.begin()
        return batch
