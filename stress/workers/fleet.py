"""Worker processes, kept at work from trio: started, given orders, heard, replaced when they die.

What is to be done is a :class:`Boss`'s business (a campaign, a selfcheck). The fleet knows only
that a worker has at most one order in hand. Each worker gets a hash seed of its own, so that an
execution that depends on the hash seed shows. Workers hold the reading end of a pipe whose only
writer is this process: when it closes, because this process has ended in whatever way, they end
themselves.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import trio

from stress.catalogue import DEFAULT_CATALOGUE
from stress.errors import FAILED, ZapstressError, foremost
from stress.native.builder import compile_beside
from stress.native.kernels import KernelKey
from stress.sources import child, end_overdue
from stress.workers.clock import NAMES, STARTING
from stress.workers.flight_recorder import FlightRecorder
from stress.workers.messages import Answer, Order, Ready, WorkerFailed, encode, executed, take_answer

DEATHS_MAX = 64
"""Workers that may die in one run before it is given up."""

STILLBORN_MAX, STILLBORN_SECONDS = 16, 60.0
"""Workers in a row that are killed before they are ready, and for how long none has become ready,
when it is given up: more than somebody kills by hand, and longer than a busy machine needs to start
one.
"""

HANG_SECONDS_MAX = 120.0
"""Silence from a worker with an order in hand after which it is ended; an execution takes
milliseconds.
"""

START_SECONDS_MAX = 120.0
"""Silence from a worker that is not ready yet: it imports the model."""

LEAVE_SECONDS_MAX = 2.0
"""How long a worker that was told to stop may take."""

READ_BYTES_MAX = 1 << 20
"""How much is read from a worker at once."""


class FleetError(ZapstressError):
    """Workers cannot be kept running."""

    exit_status = FAILED


class WorkerError(ZapstressError):
    """What a worker met is a mistake of the tool, of a scenario or of a user's component."""

    def __init__(self, answer: WorkerFailed, more: str = "") -> None:
        super().__init__(answer.message + more)
        self.exit_status = answer.status


class DeadWorker(NamedTuple):
    """What is left of a worker that died."""

    pid: int
    exit_status: int
    """Negative if by a signal."""
    held: tuple[int, int] | None
    """The (case, seed) that it was executing, if it had begun any."""
    unrecorded: int
    """How many executions began of which no answer has told."""


class Boss(Protocol):
    """Gives orders and takes answers."""

    def order(self, worker: int) -> Order | None:
        """Return what the worker should do next, or None if there is nothing for it now."""

    def over(self) -> bool:
        """Return whether no order will come any more."""

    def answer(self, worker: int, order: Order, answer: Answer) -> bool:
        """Take one answer; return whether it was the last to this order, as ``WorkerFailed`` is."""

    def died(self, worker: int, order: Order | None, dead: DeadWorker) -> None:
        """Take note that the worker died, with ``order`` in hand."""


class RoamingBoss(Boss, Protocol):
    """A boss that can do with workers that come and go."""

    def joined(self, worker: int, place: int) -> None:
        """There is a worker more; those at the same place share a process."""

    def left(self, worker: int) -> None:
        """A worker is there no more; it has nothing in hand."""

    def lost(self, worker: int, order: Order) -> None:
        """An order was lost on its way, and nothing of it was answered."""


class Workforce(Protocol):
    """Keeps workers at work for a boss, wherever they are."""

    workers: int
    """How many there are from the beginning."""
    catalogue: str
    deaths: int
    kernels: Sequence[KernelKey]
    """To be compiled beside the workers, in this order."""

    def at_work(self) -> list[tuple[str, int]]:
        """Return what each worker is at, an account of its clock, and the case's number."""

    def wake(self) -> None:
        """Ask the boss again on behalf of idle workers."""

    async def run(self, boss: RoamingBoss, *companions: Callable[[], Awaitable[None]]) -> None:
        """Keep workers at work until the boss is through; ``companions`` run meanwhile."""


class WorkerProcess:
    """One process, its flight recorder and its pipes."""

    def __init__(self, process: trio.Process, recorder: FlightRecorder) -> None:
        self.process, self.recorder = process, recorder
        self.ready = False
        self._buffer = bytearray()
        self.recorded = 0
        """Executions of which an answer has told."""

    @property
    def unrecorded(self) -> int:
        """How many executions began of which no answer has told."""
        return max(0, self.recorder.started - self.recorded)

    @property
    def remains(self) -> DeadWorker:
        """What is left of it, once it is dead."""
        held, status = self.recorder.held, self.process.returncode
        return DeadWorker(self.process.pid, status if status is not None else 0, held, self.unrecorded)

    async def send(self, order: Order) -> None:
        """Send one order. Raises trio.BrokenResourceError if the worker is gone."""
        assert self.process.stdin is not None
        await self.process.stdin.send_all(encode(order))

    async def receive(self) -> Answer | None:
        """Return the next answer, or None if the worker is gone."""
        assert self.process.stdout is not None
        while (answer := take_answer(self._buffer)) is None:
            data = await self.process.stdout.receive_some(READ_BYTES_MAX)
            if not data:
                return None
            self._buffer += data
        self.ready = True
        self.recorded += executed(answer)
        return answer


class Fleet:
    """So many workers, with the catalogue that ``catalogue`` names; ``code`` has the digests of the
    user's files (:meth:`stress.workers.worker.Worker.check_code`).

    The user's files are named from ``folder``, by default the current one. The first worker's hash
    seed is ``hash_seed``. ``processes`` holds those that run now, by worker: for the live view, and
    for tests that kill.
    """

    def __init__(
        self,
        workers: int,
        catalogue: str = DEFAULT_CATALOGUE,
        code: Mapping[str, str] | None = None,
        folder: Path | None = None,
        hash_seed: int = 1,
    ) -> None:
        self.workers, self.catalogue, self.code = workers, catalogue, dict(code or {})
        self.folder, self.hash_seed = folder, hash_seed
        self.kernels: Sequence[KernelKey] = ()
        """To be compiled beside the workers, in this order."""
        self.processes: dict[int, WorkerProcess] = {}
        self.deaths = 0
        self.stillborn = 0
        """Workers in a row that were killed before they were ready."""
        self._changed = trio.Event()

    def at_work(self) -> list[tuple[str, int]]:
        """Return what each worker is at, an account of its clock, and the case's number."""
        doing = [process.recorder.doing for _, process in sorted(self.processes.items())]
        return [(NAMES.get(what, STARTING), case) for what, case in doing]

    def wake(self) -> None:
        """Ask the boss again on behalf of idle workers."""
        self._changed.set()
        self._changed = trio.Event()

    async def run(self, boss: Boss, *companions: Callable[[], Awaitable[None]]) -> None:
        """Keep the workers at work until the boss is through; ``companions`` run meanwhile, and are
        cancelled then.

        Of several exceptions one is raised: the user's to mend, if there is one.
        """
        life, self._life_end = os.pipe()
        self.since = trio.current_time()
        """When a worker that was ready has died last, or the first was started."""
        self._life = life
        try:
            async with trio.open_nursery() as beside:
                for companion in companions:
                    beside.start_soon(companion)
                if self.kernels:
                    beside.start_soon(compile_beside, self.catalogue, self.kernels)
                async with trio.open_nursery() as nursery:
                    for index in range(self.workers):
                        nursery.start_soon(self._tend, index, boss)
                beside.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise foremost(group) from None
        finally:
            os.close(self._life_end)
            os.close(life)

    async def _tend(self, index: int, boss: Boss) -> None:
        """Keep one worker, and its successors, at work."""
        while not boss.over():
            async with self._process(index) as worker:
                await self._employ(index, worker, boss)
        self.wake()

    async def _employ(self, index: int, worker: WorkerProcess, boss: Boss) -> None:
        """Give orders to ``worker`` until there are none, or it dies."""
        while not boss.over():
            order = boss.order(index)
            if order is None:
                if not await self._idle(worker):
                    return self._bury(index, worker, None, boss)
                continue
            if not await self._carry_out(index, worker, order, boss):
                await worker.process.wait()
                return self._bury(index, worker, order, boss)
            self.wake()

    async def _idle(self, worker: WorkerProcess) -> bool:
        """Wait until the boss may have something; return False if the worker died meanwhile."""
        changed, alive = self._changed, True

        async def mourn(scope: trio.CancelScope) -> None:
            nonlocal alive
            await worker.process.wait()
            alive = False
            scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(mourn, nursery.cancel_scope)
            await changed.wait()
            nursery.cancel_scope.cancel()
        return alive

    async def _carry_out(self, index: int, worker: WorkerProcess, order: Order, boss: Boss) -> bool:
        """Send an order and take its answers; return False if the worker died over it."""
        try:
            await worker.send(order)
            while True:
                with trio.move_on_after(HANG_SECONDS_MAX if worker.ready else START_SECONDS_MAX) as waiting:
                    answer = await worker.receive()
                if waiting.cancelled_caught:
                    end_overdue(worker.process.pid)
                    return False
                if answer is None:
                    return False
                if not isinstance(answer, Ready) and boss.answer(index, order, answer):
                    return True
        except trio.BrokenResourceError:
            return False

    def _bury(self, index: int, worker: WorkerProcess, order: Order | None, boss: Boss) -> None:
        """A worker is dead: tell the boss, and see whether it makes sense to go on.

        One that was killed is replaced, also before it was ready; one that ended by itself before
        that would do so again.
        """
        boss.died(index, order, worker.remains)
        self.deaths += 1
        self.wake()
        now = trio.current_time()
        if worker.ready:
            self.stillborn, self.since = 0, now
        else:
            self.stillborn += 1
        status = worker.process.returncode or 0
        hopeless = self.stillborn > STILLBORN_MAX and now - self.since > STILLBORN_SECONDS
        if not worker.ready and (status >= 0 or hopeless):
            raise FleetError(f"a worker ended with status {status} before it was ready; its last words are above")
        if self.deaths >= DEATHS_MAX:
            raise FleetError(
                f"{self.deaths} workers died; the seeds they held are in the results directory (table deaths)"
            )

    @asynccontextmanager
    async def _process(self, index: int) -> AsyncIterator[WorkerProcess]:
        """Start a worker; whatever happens, it is gone afterwards."""
        recorder = FlightRecorder()
        try:
            process = await self._start(index, recorder)
            worker = self.processes[index] = WorkerProcess(process, recorder)
            try:
                yield worker
            finally:
                del self.processes[index]
                with trio.CancelScope(shield=True):
                    await _end(process)
        finally:
            recorder.close()

    async def _start(self, index: int, recorder: FlightRecorder) -> trio.Process:
        command, environment = child(
            "stress.workers.worker",
            *("--recorder", str(recorder.fd), "--life", str(self._life), "--catalogue", self.catalogue),
            *("--began", repr(time.perf_counter()), "--code", json.dumps(self.code)),
            PYTHONHASHSEED=str(self.hash_seed + index),
        )
        try:
            return await trio.lowlevel.open_process(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(recorder.fd, self._life),
                env=environment,
                cwd=self.folder,
                start_new_session=True,
            )
        except OSError as error:
            raise FleetError(f"cannot start a worker ({error.strerror}); give --workers a smaller number") from error


async def _end(process: trio.Process) -> None:
    """Let a worker leave by closing its standard input; kill it if it takes too long."""
    assert process.stdin is not None and process.stdout is not None
    await process.stdin.aclose()
    with trio.move_on_after(LEAVE_SECONDS_MAX):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
    await process.stdout.aclose()
