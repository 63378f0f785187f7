"""Processes that prove cases side by side, and the time that each case has.

Every case is given a little time first, so that all small spaces are finished; what is left goes to
those that need more, in equal parts. Cases of one kernel are neighbours, so that a process seldom
loads another one. What a process has finished is on disk; one that dies costs the case that it was
at.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from stress.case import Case
from stress.errors import ZapstressError
from stress.native.kernels import KernelKey
from stress.native.proofs.process import written
from stress.native.proofs.proof import Job
from stress.native.proofs.result import UNFINISHED, Answer
from stress.sources import child

FIRST_SECONDS = 2.0
"""What a case has in the first round, if there are several."""

GRACE_SECONDS = 3.0
"""How long an answer is waited for when the time is over."""

TABLE_SHARE = 2 / 3
"""How much of the memory may be the table of states: while it grows, the old one is there too."""


class ProverError(ZapstressError):
    """What a process met is a mistake of the tool or of a user's component, or the disk is full."""

    def __init__(self, words: str, status: int) -> None:
        super().__init__(words)
        self.exit_status = status


@dataclass
class Provers:
    """Proves ``cases`` within so many seconds; ``hear`` is told each result, as it comes."""

    cases: Sequence[Case]
    seconds: float
    workers: int
    memory_mib: int
    directory: str
    catalogue: str
    hear: Callable[[Answer], None]
    check: bool = False
    results: dict[Case, Answer] = field(default_factory=dict)
    doing: dict[int, str] = field(default_factory=dict)
    """What each process is at."""
    at: dict[int, KernelKey] = field(default_factory=dict)
    """The kernel that each process has taken last."""

    async def run(self) -> list[Answer]:
        """Prove; return the results in the order of the cases. Raises ProverError, in a group."""
        self.ends = time.monotonic() + self.seconds
        self.scenarios = sorted({case.scenario for case in self.cases})
        several = len(self.cases) > self.workers
        await self._round(list(self.cases), FIRST_SECONDS if several else self.seconds)
        if several:
            left = [case for case in self.cases if self._needs_more(case)]
            each = (self.ends - time.monotonic()) * self.workers / max(1, len(left))
            await self._round(left, each)
        return [self.results.get(case, Answer(case, UNFINISHED, "it had no time")) for case in self.cases]

    def _needs_more(self, case: Case) -> bool:
        found = self.results.get(case)
        return found is None or found.time_was_up

    async def _round(self, cases: list[Case], seconds: float) -> None:
        """Give each of ``cases`` so much time."""
        waiting = list(cases)
        async with trio.open_nursery() as nursery:
            for number in range(min(self.workers, len(cases))):
                nursery.start_soon(self._work, number, waiting, seconds)

    async def _work(self, number: int, waiting: list[Case], seconds: float) -> None:
        """Have a process prove what is waiting, one case after the other, while there is time."""
        while waiting and time.monotonic() < self.ends:
            async with prover(self.catalogue, self.scenarios) as process:
                lines = lines_of(process)
                while waiting and (left := self.ends - time.monotonic()) > 0:
                    case = self._next(number, waiting)
                    result, why = None, "there was no time for it, or for compiling its kernel"
                    with trio.move_on_after(left + GRACE_SECONDS):
                        result = await self._ask(number, process, lines, self.job(case, min(seconds, left)))
                        why = "its process died"
                    self.results[case] = result or Answer(case, UNFINISHED, why)
                    self.hear(self.results[case])
                    if result is None:
                        break
        self.doing.pop(number, None)

    def _next(self, number: int, waiting: list[Case]) -> Case:
        """Take the next case of the process's own kernel, or of one that no other process is at: a
        kernel is compiled once.
        """
        others = {kernel for at, kernel in self.at.items() if at != number}
        kernels = [KernelKey.of(case) for case in waiting]
        mine, free = self.at.get(number), [kernel for kernel in kernels if kernel not in others]
        wanted = mine if mine in kernels else (free or kernels)[0]
        self.at[number] = wanted
        return waiting.pop(kernels.index(wanted))

    def job(self, case: Case, seconds: float) -> Job:
        """Return the job that a case is."""
        words = int(self.memory_mib * TABLE_SHARE / self.workers * (1 << 20)) // 8
        return Job(case, seconds, 1 << words.bit_length() - 1, self.directory, self.check, kept=True, ends=self.ends)

    async def _ask(self, number: int, process: trio.Process, lines: AsyncIterator[bytes], job: Job) -> Answer | None:
        """Return what a process answers to a job; None if it dies over it."""
        assert process.stdin is not None
        try:
            await process.stdin.send_all(written(job))
            async for line in lines:
                said = json.loads(line)
                if "result" in said:
                    return Answer.of(said["result"])
                if "failed" in said:
                    raise ProverError(said["failed"]["words"], said["failed"]["status"])
                self.doing[number] = f"{job.case.scenario} {job.case.profile} {job.case.kernel}: {said['progress']}"
        except trio.BrokenResourceError:
            pass
        return None


@asynccontextmanager
async def prover(catalogue: str, scenarios: Iterable[str]) -> AsyncIterator[trio.Process]:
    """Yield a process that proves; it is gone afterwards."""
    command, environment = child("stress.native.proofs.process", catalogue, *scenarios)
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


async def lines_of(process: trio.Process) -> AsyncIterator[bytes]:
    """Yield the lines that a process writes."""
    assert process.stdout is not None
    rest = b""
    async for data in process.stdout:
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line
