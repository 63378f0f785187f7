"""A worker process: executes leases, and says what came of them.

Started by the supervisor as ``python -m stress.workers.worker``. Orders come on standard input and
answers go to standard output, one JSON object a line (docs/file-formats.md); whatever the model
prints goes to standard error. Before each execution its case and seed are in the pulse
(:mod:`stress.workers.flight_recorder`). A worker whose supervisor is gone ends itself, also in
mid-lease.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import AsyncExitStack
from time import perf_counter
from typing import TYPE_CHECKING, Any

import trio

from sim.core.errors import SimError
from sim.core.machine import SITES
from stress.case import Case
from stress.catalogue import find_catalogue, spec_of
from stress.errors import FAILED, Divergence
from stress.execution.runner import Runner, open_runner
from stress.machine.chance import RandomData
from stress.trace.evidence import encoded_trace
from stress.trace.file import decode
from stress.trace.replay import Mode, compare, replay
from stress.workers.flight_recorder import CASE, LEASE, SEED, STARTED, Pulse
from stress.workers.tally import Tally, twin_digest, twinned

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.parallel.gang import Gang
    from stress.strategies import Strategy

RUNNERS_MAX = 256
"""Cases that a worker keeps open: each holds an arena, a descriptor and a nursery."""

FLUSH_SECONDS_MAX = 0.5
"""How long results may stay unsent within a lease."""

Order = dict[str, Any]


class Worker:
    """The state of one worker: its open runners, its strategies, and what it has told already."""

    def __init__(self, answers: Any, pulse: Pulse, catalogue: Catalogue) -> None:
        self.answers, self.pulse, self.catalogue = answers, pulse, catalogue
        self.runners: dict[Case, Runner] = {}
        self.stack = AsyncExitStack()
        self.strategies: dict[tuple[Case, str, str], tuple[Strategy, tuple[str, ...]]] = {}
        self.strategy_classes: dict[str, type[Strategy]] = {}
        self.gang: Gang | None = None
        """The processes of the parallel machine, once they are wanted."""
        self.traced: set[str] = set()
        """Signatures of which a trace was sent: one is enough."""
        self.sites_told = 0

    def say(self, answer: Order) -> None:
        """Send one answer."""
        self.answers.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
        self.answers.flush()

    async def runner(self, case: Case) -> Runner:
        """Return the open runner of ``case``.

        Nurseries close in the order opposite to their opening, so all go at once.
        """
        found = self.runners.get(case)
        if found is None:
            if len(self.runners) >= RUNNERS_MAX:
                await self.close()
            found = self.runners[case] = await self.stack.enter_async_context(
                open_runner(case, catalogue=self.catalogue)
            )
            self.tell_sites()
        return found

    def lockstep(self, order: Order, runner: Runner, tally: Tally) -> Callable[[int], None]:
        """Return what executes a seed under the order's strategy and counts it."""
        strategy, learns = self.strategy(runner.case, order)

        def execute(seed: int) -> None:
            twin = twinned(seed, order["number"], order["twin_every"])
            learned = {name: getattr(strategy, name) for name in learns} if twin else {}
            outcome = runner.run(strategy, seed, RandomData(seed))
            tally.add(outcome, seed, learned if twin else None)

        return execute

    def together(self, order: Order, runner: Runner, tally: Tally) -> Callable[[int], None]:
        """Return what runs a seed on the parallel machine, replays what was recorded, and counts
        it.
        """
        from stress.parallel.gang import Gang
        from stress.parallel.recording import replayed

        gang = self.gang = self.gang or Gang(order["processes"], spec_of(self.catalogue))

        def execute(seed: int) -> None:
            if runner.failed is not None:
                tally.add(runner.failed, seed, None)
                return
            recording = gang.run(runner, seed)
            tally.parallel(recording, seed)
            tally.add(replayed(recording, runner, seed), seed, None)

        return execute

    async def close(self) -> None:
        """Close every runner, and what processes have of them."""
        if self.gang is not None:
            self.gang.forget()
        await self.stack.aclose()
        self.stack = AsyncExitStack()
        self.runners.clear()

    def tell_sites(self) -> None:
        """Tell the sites that modules have declared since the last time."""
        if len(SITES) > self.sites_told:
            self.say({"is": "sites", "names": [info.name for info in SITES[max(1, self.sites_told) :] if info.step]})
            self.sites_told = len(SITES)

    def strategy(self, case: Case, order: Order) -> tuple[Strategy, tuple[str, ...]]:
        """Return the strategy of an order, which learns from lease to lease, and the names of what
        it learns.
        """
        name, options = order["strategy"], order["options"]
        key = (case, name, json.dumps(options, sort_keys=True))
        if key not in self.strategies:
            strategy = self.new_strategy(name, options)
            self.strategies[key] = (strategy, tuple(vars(strategy)))
        return self.strategies[key]

    def new_strategy(self, name: str, options: dict[str, int]) -> Strategy:
        """Return a strategy that has learned nothing.

        The catalogue is asked once per name, as it walks a directory.
        """
        if name not in self.strategy_classes:
            self.strategy_classes[name] = type(self.catalogue.strategy(name, **options))
        return self.strategy_classes[name](**options)

    async def lease(self, order: Order) -> None:
        """Execute seeds from ``first`` on until ``count`` are done or ``slice_s`` seconds are over."""
        case = Case.of(order["case"])
        words = self.pulse.words
        words[LEASE], words[CASE], words[SEED] = order["lease"], order["number"], order["first"]
        if order.get("afresh"):
            await self.close()
            self.traced.clear()
        runner = await self.runner(case)
        tally = Tally(order, runner, self.traced)
        execute = self.together(order, runner, tally) if order.get("processes") else self.lockstep(order, runner, tally)
        began = now = perf_counter()
        for seed in range(order["first"], order["first"] + order["count"]):
            words[SEED] = seed
            words[STARTED] += 1
            execute(seed)
            now = perf_counter()
            if now - began >= order["slice_s"] or (order["stop"] and tally.failures):
                break
            if tally.fresh or now - tally.began > FLUSH_SECONDS_MAX:
                await self.flush(tally, now, last=False)
        await self.flush(tally, now, last=True)

    async def flush(self, tally: Tally, now: float, last: bool) -> None:
        """Send what has been counted since the last flush."""
        await tally.complete(self.catalogue)
        self.say(tally.message(now) | {"last": last})

    async def twin(self, order: Order) -> None:
        """Execute again what another worker has executed, and send the digest that it has here."""
        case, seed = Case.of(order["case"]), order["seed"]
        runner = await self.runner(case)
        strategy = self.new_strategy(order["strategy"], order["options"])
        vars(strategy).update(order["learned"])
        self.pulse.words[CASE], self.pulse.words[SEED] = order["number"], seed
        self.pulse.words[STARTED] += 1
        outcome = runner.run(strategy, seed, RandomData(seed))
        digest = twin_digest(outcome)
        answer: Order = {
            "is": "twin",
            "number": order["number"],
            "seed": seed,
            "strategy": order["strategy"],
            "digest": digest,
            "executions": 1,
        }
        if digest != order["digest"]:
            answer["trace"] = encoded_trace(outcome, order["strategy"])
        self.say(answer)

    async def check(self, order: Order) -> None:
        """Replay a trace that another worker has sent, with its faults and without them."""
        trace = decode(base64.b64decode(order["trace"]), "the trace")
        answer: Order = {"is": "check", "replays": True, "why": ""}
        try:
            async with replay(trace, Mode(kernel=trace.case.kernel), self.catalogue) as again:
                compare(trace, again.outcome)
        except Divergence as error:
            answer |= {"replays": False, "why": str(error)}
        async with replay(trace, Mode(without_faults=True), self.catalogue) as again:
            answer["without_faults"] = again.outcome.verdict.kind
        self.say(answer)

    async def serve(self) -> None:
        """Follow orders until the supervisor closes the pipe or says stop.

        Waiting blocks, as nothing else is to be done.
        """
        self.say({"is": "ready", "pid": os.getpid()})
        carry_out = {"lease": self.lease, "twin": self.twin, "check": self.check}
        for line in sys.stdin.buffer:
            order = json.loads(line)
            if order["do"] == "stop":
                break
            try:
                await carry_out[order["do"]](order)
            except Exception as error:  # noqa: BLE001 - the supervisor decides; see its exit status
                self.fail(order, error)
        await self.close()
        if self.gang is not None:
            self.gang.close()

    def fail(self, order: Order, error: Exception) -> None:
        """Tell of what is no verdict: a mistake in the tool, in a scenario or in a user's
        component.
        """
        status = getattr(error, "exit_status", FAILED)
        if not isinstance(error, SimError):
            traceback.print_exc()
        case = order["case"]
        where = f"{case['scenario']} on {case['profile']} ({case['geometry']}), seed {self.pulse.words[SEED]}"
        self.say(
            {
                "is": "error",
                "message": f"{where}: {error}" if isinstance(error, SimError) else f"{where}: {error!r}",
                "status": status,
            }
        )


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
    parser.add_argument("--pulse", type=int, required=True)
    parser.add_argument("--life", type=int, required=True)
    parser.add_argument("--catalogue", default="stress.catalogue:CATALOGUE")
    args = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    watch(args.life)
    try:
        trio.run(Worker(answers, Pulse(args.pulse), find_catalogue(args.catalogue)).serve)
    except BrokenPipeError:  # the supervisor is gone
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
