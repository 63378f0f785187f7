"""A worker process: executes leases, and says what came of them.

Started by the supervisor as ``python -m stress.workers.worker``. Orders come on standard input and
answers go to standard output (:mod:`stress.workers.messages`); whatever the model prints goes to
standard error. The case and the seed of each execution are in the flight recorder
(:mod:`stress.workers.flight_recorder`) before it begins. A worker whose supervisor is gone ends
itself, also in the middle of a lease.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

import trio

from sim.core.errors import SimError
from stress.case import Case, without_additions
from stress.catalogue import find_catalogue, spec_of
from stress.errors import FAILED, Divergence, UsageError
from stress.execution.calls import NOTHING, measure, probes, violates
from stress.execution.reach import sites_of
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.native.kernels import KernelKey
from stress.patch.guard import PatchError
from stress.trace.evidence import encoded_trace
from stress.trace.file import decode
from stress.trace.record import capture
from stress.trace.replay import compare, replay, trusted
from stress.workers.causes.reduce import reduced
from stress.workers.clock import (
    ERRANDS,
    EXECUTING,
    IDLE,
    OPENING,
    PROVING,
    REPORTING,
    STARTING,
    SURVEYING,
    TWINS,
    Clock,
)
from stress.workers.flight_recorder import FlightRecorder
from stress.workers.measure.proving import proved
from stress.workers.measure.sampler import Sampler
from stress.workers.messages import (
    CheckAnswer,
    CheckOrder,
    LeaseOrder,
    Message,
    Order,
    ProveOrder,
    ReachAnswer,
    ReachOrder,
    Ready,
    ReduceOrder,
    RetrialAnswer,
    RetrialOrder,
    Sites,
    TwinAnswer,
    TwinOrder,
    WorkerFailed,
    encode,
    read_order,
)
from stress.workers.native import NativeLease, Natives
from stress.workers.open_cases import OpenCases, Strategies
from stress.workers.settings import PARALLEL
from stress.workers.tally import Tally, failure_of, twin_digest, twinned

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.execution.runner import Runner
    from stress.parallel.gang import Gang

LEASE_SECONDS_MAX = 15.0
"""Opening makes no lease longer than this: a world of thousands of pages takes seconds to open."""

NOTED_BYTES_MAX = 8 << 20
"""Bytes of the open cases that note footprints."""

FLUSH_SECONDS_MAX = 0.5
"""How long results may stay unsent within a lease."""


class CodeEdited(UsageError):
    """A file of the user's is not what it was when the campaign began."""


class Worker:
    """The state of one worker: its open runners, its strategies, and what it has told already."""

    def __init__(
        self,
        answers: BinaryIO,
        recorder: FlightRecorder,
        catalogue: Catalogue,
        clock: Clock,
        nursery: trio.Nursery,
        code: Mapping[str, str] | None = None,
    ) -> None:
        self.code = dict(code or {})
        """The digests of the user's files that were not read here yet: as the campaign began."""
        self.answers, self.recorder, self.catalogue, self.clock = answers, recorder, catalogue, clock
        self.cases = OpenCases(nursery, catalogue, self.closing)
        self.strategies = Strategies(catalogue)
        self.natives = Natives(catalogue, recorder.seed_at)
        self.sampler = Sampler(self.strategies)
        self.noted = OpenCases(nursery, catalogue, bytes_max=NOTED_BYTES_MAX, noted=True)
        self.gang: Gang | None = None
        """The processes of the parallel machine, once they are wanted."""
        self.traced: dict[tuple[str, ...], set[str]] = {}
        """Signatures of which a trace was sent, by the patch that was run: one is enough."""
        self.sites_told: set[str] = set()
        self.kinds_told: set[tuple[str, str]] = set()
        """Scenarios and profiles whose sites were told."""

    def say(self, answer: Message) -> None:
        """Send one answer."""
        self.answers.write(encode(answer))
        self.answers.flush()

    async def runner(self, case: Case) -> Runner:
        """Return the open runner of ``case``, and tell what sites it can visit."""
        found = await self.cases.runner(case)
        self.tell_sites(found)
        return found

    def closing(self, runner: Runner) -> None:
        """A runner is about to be closed: whoever has its arena open lets go of it."""
        self.natives.forget(runner.case)
        self.strategies.closing(runner.case)
        if self.gang is not None and runner in self.gang.numbers:
            self.gang.forget()

    async def executor(self, order: LeaseOrder, runner: Runner, tally: Tally) -> Callable[[int, int], int]:
        """Return what executes one seed or, natively, several from it on, before an end, and
        returns the next.
        """
        native = self.natives.case(order, runner) if order.native else None
        if native is not None:
            strategy = self.strategies.of(order)
            return NativeLease(self.natives, native, strategy, order, tally, self.clock, self.sampler).go_on
        if order.machine == PARALLEL:
            execute = self.parallel(order, runner, tally)
        else:
            measured = runner.failed is None and self.sampler.wants(order)
            noted = await self.noted.runner(order.case) if measured else None
            execute = self.lockstep(order, runner, tally, noted)

        def one(seed: int, end: int) -> int:
            execute(seed)
            return seed + 1

        return one

    def lockstep(self, order: LeaseOrder, runner: Runner, tally: Tally, noted: Runner | None) -> Callable[[int], None]:
        """Return what executes a seed under the order's strategy and counts it; ``noted`` is the
        case on a machine that notes footprints, if some are to be measured.
        """
        strategy = self.strategies.of(order)

        def execute(seed: int) -> None:
            if self.sampler.is_next(order) and noted is not None:
                self.sampler.measure(order, (runner, noted), seed, tally, self.clock)
                return
            learned = strategy.learned() if twinned(seed, order.number, order.twin_every) else None
            self.clock.to(EXECUTING)
            outcome = runner.run(strategy, seed, RandomData(seed))
            self.clock.to(REPORTING)
            tally.add(outcome, seed)
            if learned is not None:
                tally.twin(outcome, seed, learned)

        return execute

    def parallel(self, order: LeaseOrder, runner: Runner, tally: Tally) -> Callable[[int], None]:
        """Return what runs a seed on the parallel machine, replays what was recorded, and counts
        it.
        """
        from stress.parallel.gang import Gang
        from stress.parallel.recording import replayed

        if self.gang is None:
            self.clock.to(STARTING)
            self.gang = Gang(order.processes, spec_of(self.catalogue))
            self.clock.to(OPENING)
        gang = self.gang
        gang.open(runner)

        def execute(seed: int) -> None:
            if runner.failed is not None:
                tally.add(runner.failed, seed)
                return
            self.clock.to(EXECUTING)
            recording = gang.run(runner, seed)
            outcome = replayed(recording, runner, seed)
            self.clock.to(REPORTING)
            tally.add(outcome, seed, recording)

        return execute

    def tell_sites(self, runner: Runner) -> None:
        """Tell the sites that this kernel and scenario can visit, if they were not told yet.

        The parameters of a case change none.
        """
        kind = (runner.case.scenario, runner.case.profile)
        if kind in self.kinds_told:
            return
        self.kinds_told.add(kind)
        names = sites_of(runner.scenario, runner.kernel) - self.sites_told
        self.sites_told |= names
        self.say(Sites(names=sorted(names)))

    async def lease(self, order: LeaseOrder) -> None:
        """Execute the seeds of a lease, and tell what came of them now and then."""
        self.clock.to(OPENING)
        self.recorder.hold(order.number, order.first)
        if order.afresh:
            await self.cases.close()
            await self.noted.close()
            self.traced.clear()
        runner = await self.runner(order.case)
        traced = self.traced.setdefault(order.case.patch, set()) if order.evidence else None
        tally = Tally(order, runner, traced, self.clock)
        go_on = await self.executor(order, runner, tally)
        began = self.clock.to(REPORTING)
        ends = began + min(order.left_s, self.slice_of(order))
        seed, end = order.first, order.first + order.count
        while seed < end:
            self.recorder.begin(seed)
            after = go_on(seed, end)
            self.recorder.made(after - seed - 1)
            seed, now = after, self.clock.to(REPORTING)
            if now >= ends or (order.stop_on_first and tally.failures):
                break
            if tally.fresh or now - tally.began > FLUSH_SECONDS_MAX:
                await self.flush(tally, last=False)
        await self.flush(tally, last=True)

    def slice_of(self, order: LeaseOrder) -> float:
        """Return how many seconds a lease has: more than it was given, if its case was slow to
        open.
        """
        return max(order.slice_s, min(LEASE_SECONDS_MAX, order.openings * self.clock.spent(OPENING)))

    async def flush(self, tally: Tally, last: bool) -> None:
        """Send what has been counted since the last flush."""
        await tally.complete(self.catalogue)
        self.say(tally.batch(last))

    async def twin(self, order: TwinOrder) -> None:
        """Execute again what another worker has executed, and send the digest that it has here."""
        self.clock.to(TWINS)
        self.recorder.hold(order.number, order.seed)
        runner = await self.runner(order.case)
        strategy = self.strategies.new(order.strategy, order.options)
        strategy.recall(order.learned)
        self.recorder.begin(order.seed)
        outcome = runner.run(strategy, order.seed, RandomData(order.seed))
        digest = twin_digest(outcome)
        trace = encoded_trace(outcome, order.strategy) if digest != order.digest else None
        self.say(TwinAnswer(digest=digest, trace=trace))

    async def check(self, order: CheckOrder) -> None:
        """Replay a trace that another worker has sent, with its faults and without them."""
        self.clock.to(TWINS)
        trace, why = decode(order.trace, "the trace"), ""
        try:
            async with replay(trace, trusted(order.case), self.catalogue) as again:
                compare(trace, again.outcome)
        except Divergence as error:
            why = str(error)
        async with replay(trace, trusted(order.case, without_faults=True), self.catalogue) as again:
            without_faults = again.outcome.verdict.kind
        self.say(CheckAnswer(replays=not why, why=why, without_faults=without_faults))

    async def retry(self, order: RetrialOrder) -> None:
        """Replay an old failure's trace, tolerantly, and send how it has ended."""
        old = decode(order.trace, "the trace")
        self.recorder.hold(order.number, old.seed)
        self.recorder.begin(old.seed)
        mode = trusted(order.case, tolerant=True, kernel=order.case.kernel)
        async with replay(replace(old, case=order.case), mode, self.catalogue) as again:
            kind, failure = again.outcome.verdict.kind, None
            if kind == "violation":
                trace = capture(again.outcome, old.strategy)
                failure = await failure_of(again.outcome, trace, self.catalogue)
        self.say(RetrialAnswer(kind=kind, failure=failure))

    async def reduce(self, order: ReduceOrder) -> None:
        """Find the smallest form of a failure, and why it comes about."""
        trace = replace(decode(order.trace, "the trace"), case=order.case)
        self.recorder.hold(order.number, trace.seed)
        self.recorder.begin(trace.seed)
        library = self.natives.library(KernelKey.of(order.case))
        self.say(await reduced(trace, order.seconds, library, self.catalogue))

    async def survey(self, order: ReachOrder) -> None:
        """Find out what a case reaches, and whether it does anything else than without its faults
        and its patch.
        """
        began, bare, reach, plain = self.clock.to(SURVEYING), without_additions(order.case), NOTHING, order.plain
        self.recorder.hold(order.number, 0)
        if order.reach:
            reach = await measure(bare, self.catalogue)
            plain = list(reach.probes)
        elif not plain:
            async with open_runner(bare, catalogue=self.catalogue) as runner:
                plain = probes(runner)
        found = [probes(await self.runner(case)) for case in (order.case, *order.sides)]
        differs, violating = any(one != plain for one in found), any(map(violates, found))
        seconds = self.clock.to(SURVEYING) - began
        self.say(ReachAnswer(differs=differs, violates=violating, seconds=seconds, **reach.lists()))

    async def serve(self) -> None:
        """Follow orders until the supervisor closes the pipe.

        Waiting for an order blocks the process, which has nothing else to do.
        """
        self.say(Ready())
        self.clock.to(IDLE)
        while (order := read_order(sys.stdin.buffer)) is not None:
            try:
                await self.carry_out(order)
            except Exception as error:  # noqa: BLE001 - the supervisor decides; see its exit status
                self.fail(order, error)
            self.clock.to(IDLE)
        await self.cases.close()
        await self.noted.close()
        if self.gang is not None:
            self.gang.close()

    def check_code(self, case: Case) -> None:
        """Raise CodeEdited if the case's patch or scenario, which are about to be read for the
        first time here, are not what they were when the campaign began.
        """
        for name, own in (("\n".join(case.patch), case.patch), (case.scenario, ())):
            digest = self.code.pop(name, "")
            read = self.catalogue.patch(own) if own else self.catalogue.scenario_file(name) if digest else None
            if digest and read is not None and read.digest != digest:
                words = "has been edited since the campaign began; give the command again"
                raise CodeEdited(f"{' '.join(own) or name} {words}")

    async def carry_out(self, order: Order) -> None:
        """Do what an order says, and answer."""
        self.check_code(order.case)
        match order:
            case LeaseOrder():
                with self.clock.all_on("" if order.lease else ERRANDS):
                    await self.lease(order)
            case TwinOrder():
                await self.twin(order)
            case CheckOrder():
                await self.check(order)
            case RetrialOrder():
                with self.clock.all_on(ERRANDS):
                    await self.retry(order)
            case ReduceOrder():
                with self.clock.all_on(ERRANDS):
                    await self.reduce(order)
            case ReachOrder():
                await self.survey(order)
            case ProveOrder():
                self.recorder.hold(order.number, 0)
                self.clock.to(PROVING)
                self.say(await proved(order, self.natives.searching(KernelKey.of(order.case)), self.catalogue))

    def fail(self, order: Order, error: Exception) -> None:
        """Tell of what is no verdict: a mistake in the tool, in a scenario or in a user's
        component.
        """
        if not isinstance(error, SimError):
            traceback.print_exc()
        case = order.case
        where = f"{case.scenario} on {case.profile} ({case.geometry}), seed {self.recorder.seed}"
        what = str(error) if isinstance(error, SimError) else repr(error)
        if isinstance(error, CodeEdited):
            where = "the code"
        trace = self.error_trace(order) if isinstance(error, PatchError) else None
        self.say(WorkerFailed(message=f"{where}: {what}", status=getattr(error, "exit_status", FAILED), trace=trace))

    def error_trace(self, order: Order) -> bytes | None:
        """Return the trace of the execution that the patch has ended with an error, if one had
        begun.
        """
        held = self.cases.held.get(order.case)
        if held is None or isinstance(order, CheckOrder | RetrialOrder | ReduceOrder):
            return None
        strategy = held.runner.machine.strategy.name
        return encoded_trace(held.runner.error_outcome(self.recorder.seed), strategy)


async def run(worker: Callable[[trio.Nursery], Worker]) -> None:
    """Be the worker that is made with a nursery, for the tasks that hold its cases open."""
    async with trio.open_nursery() as nursery:
        await worker(nursery).serve()


def watch(life: int) -> None:
    """End this process when the supervisor, the only writer of the pipe ``life``, is gone."""

    def wait() -> None:
        while os.read(life, 1):
            pass
        os._exit(FAILED)

    threading.Thread(target=wait, daemon=True).start()


def main(argv: list[str] | None = None) -> int:
    """Run a worker. Not for people: its arguments are descriptors that the supervisor has made."""
    parser = argparse.ArgumentParser(prog="python -m stress.workers.worker")
    parser.add_argument("--recorder", type=int, required=True)
    parser.add_argument("--life", type=int, required=True)
    parser.add_argument("--catalogue", required=True)
    parser.add_argument("--began", type=float, required=True)
    parser.add_argument("--code", type=json.loads, default={})
    args = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    watch(args.life)
    try:
        recorder, catalogue = FlightRecorder(args.recorder), find_catalogue(args.catalogue)
        clock = Clock(args.began, recorder.turn_to)
        trio.run(run, lambda nursery: Worker(answers, recorder, catalogue, clock, nursery, args.code))
    except BrokenPipeError:  # the supervisor is gone
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
