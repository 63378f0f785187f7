"""A run as the supervisor sees it: pauses with their audits, processes that end, die or hang, and
what the run itself shows to be wrong.

What is wrong is put in words, the *symptom*. The verdict on the run is the replay's.
"""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from sim.core.machine import Violation, site_info
from stress.machine.deadlock import explain
from stress.parallel.board import (
    ABORT,
    FLAG,
    FLAG_VALUE,
    FULL,
    HUNG,
    KILLED,
    PAUSE,
    PAUSED,
    READERS_MAX,
    READS,
    SEQ,
    SYMPTOM,
    WAITS,
    Board,
)
from stress.parallel.recording import OVER
from stress.parallel.settings import RunSettings
from stress.sources import end_overdue

if TYPE_CHECKING:
    from stress.execution.runner import Runner

WATCH_MS, HANG_SECONDS_MAX, LEAVE_SECONDS_MAX = 1, 8.0, 8.0
"""How often a run is looked at; after how long without a step it is hung; how long a process may
take to leave a run that is over, which it does at once unless other processes have the cores.
"""

MESSAGE_BYTES_MAX = 1 << 18


@dataclass
class Mate:
    """One process of the gang, as the supervisor knows it."""

    process: int
    pid: int
    socket: socket.socket
    open: set[int] = field(default_factory=set)
    """The numbers of the cases that are open there."""
    sites: list[int] = field(default_factory=list)
    """The number that each of its sites has here."""


class Processes(Protocol):
    """What a watch asks of the gang."""

    board: Board
    mates: list[Mate | None]
    """The processes, by their numbers; None for one that is dead."""

    def await_death(self, process: int) -> None:
        """Wait until the zygote has told of a death that is known already."""


class Watch:
    """One run, from its order to its end."""

    def __init__(self, gang: Processes, runner: Runner, settings: RunSettings) -> None:
        self.gang, self.runner, self.settings = gang, runner, settings
        self.words = gang.board.words
        self.waiting: set[int] = set()
        self.symptom = ""
        self.raised = (0, "")
        self.pauses = 0
        self.paused_at: list[int] = []
        self.next_pause = settings.pause_steps
        self.steps_max = min(gang.board.steps_max, runner.machine.steps_max)
        self.seen, self.since = -1, monotonic()
        self.left = 0.0

    def give(self, order: bytes) -> None:
        """Hand the order to every process.

        While the death of one is awaited the zygote may tell of another's, so a process that is
        still to have its order can be gone by then.
        """
        for process in range(len(self.gang.mates)):
            self.waiting.add(process)
            mate = self.gang.mates[process]
            try:
                if mate is None:
                    raise BrokenPipeError
                mate.socket.send(order)
            except OSError:
                self._died(process)

    def until_over(self) -> None:
        """Watch until every process has told how the run ended for it, or is dead."""
        poll = select.poll()
        sockets = {mate.socket.fileno(): mate.process for mate in self.gang.mates if mate is not None}
        for descriptor in sockets:
            poll.register(descriptor, select.POLLIN)
        while self.waiting:
            for descriptor, _ in poll.poll(WATCH_MS):
                poll.unregister(descriptor)
                self._hear(sockets[descriptor])
            self._look()

    def _hear(self, process: int) -> None:
        mate = self.gang.mates[process]
        data = b""
        if mate is not None:
            with suppress(ConnectionError):
                data = mate.socket.recv(MESSAGE_BYTES_MAX)
        if not data:
            return self._died(process)
        answer = json.loads(data)
        self.waiting.discard(process)
        if answer["words"] and not self.symptom:
            self.symptom = answer["words"]
        if answer["ended"] == "error" and mate is not None and not self.raised[0]:
            self.raised = mate.pid, answer["words"]

    def _died(self, process: int) -> None:
        """Take note that a process is dead: the others leave the run, and the zygote tells its exit
        status.
        """
        self.waiting.discard(process)
        self.gang.board.abort(KILLED)
        self.gang.await_death(process)

    def _look(self) -> None:
        """Begin and end pauses; give up a run that makes no progress; kill the processes that do
        not leave a run that is given up.
        """
        words, now = self.words, monotonic()
        if words[ABORT]:
            self.left = self.left or now
            if now - self.left > LEAVE_SECONDS_MAX:
                self._kill()
            return
        made = self.gang.board.progress(len(self.gang.mates))
        if words[PAUSE] & 1:
            if words[PAUSED] == words[PAUSE]:
                self._audit(made)
                words[PAUSE] += 1
        elif self.settings.pause_steps and made >= self.next_pause:
            words[PAUSE] += 1
        if not self.settings.record and made > self.steps_max:
            words[ABORT] = FULL
        elif made != self.seen:
            self.seen, self.since = made, now
        elif now - self.since > HANG_SECONDS_MAX:
            words[ABORT] = HUNG

    def _audit(self, made: int) -> None:
        """Judge the arena: all actors stand still, and no thread is inside an operation."""
        self.next_pause = made + self.settings.pause_steps
        self.pauses += 1
        if self.settings.record:
            self.paused_at.append(self.words[SEQ])
        try:
            self.runner.kernel.audit(drained=False)
        except Violation as violation:
            self.symptom = str(violation)
            self.words[ABORT] = SYMPTOM

    def _kill(self) -> None:
        for process in list(self.waiting):
            mate = self.gang.mates[process]
            if mate is not None:
                with suppress(ProcessLookupError):
                    end_overdue(mate.pid)
            self._died(process)

    def symptom_of(self, ended: str, translate: Callable[[int], int]) -> str:
        """Return what a run that ``ended`` so shows to be wrong, or ``""``; audit the arena of one
        that came to its end.

        ``translate`` gives codes of the board the site numbers of this process.
        """
        if ended == "symptom":
            return f"a count fell to {self.words[FLAG_VALUE]} in {site_info(translate(self.words[FLAG])).name}"
        if ended == "deadlock":
            violation = explain(Standstill(self.gang.board, self.runner, translate))
            return f"{violation.title}: {violation.message}"
        if ended == OVER:
            try:
                self.runner.kernel.audit(drained=True)
            except Violation as violation:
                return str(violation)
        return ""


class Standstill:
    """A run in which no actor can move, seen as what :func:`stress.machine.deadlock.explain` asks
    of a machine.
    """

    def __init__(self, board: Board, runner: Runner, translate: Callable[[int], int]) -> None:
        self.arena = runner.arena
        self.actors = {actor.slot: actor for actor in runner.actors}
        waits = [board.words[board.slot(slot, WAITS)] for slot in range(runner.kernel.slots)]
        self.parked_at = [translate(code) for code in waits]
        self.started = [bool(code) for code in waits]
        self.readers: dict[int, list[int]] = {}
        for slot in self.actors:
            at = board.slot(slot, READS)
            for key in board.words[at : at + READERS_MAX].tolist():
                if not key:
                    break
                self.readers.setdefault(key, []).append(slot)

    def is_finished(self, slot: int) -> bool:
        """Return whether the actor waits for nothing: every actor is at a wait, or has ended."""
        return not self.started[slot]
