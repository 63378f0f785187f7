"""The supervisor's side of a run: it lets everybody pause and audits, and sees processes end, die
or hang.
"""

from __future__ import annotations

import json
import os
import select
import signal
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from sim.core.machine import Violation
from stress.parallel.board import ABORT, FULL, HUNG, KILLED, PAUSE, PAUSED, SYMPTOM
from stress.parallel.settings import Settings

if TYPE_CHECKING:
    from stress.execution.runner import Runner
    from stress.parallel.gang import Gang

WATCH_MS, HANG_SECONDS_MAX, LEAVE_SECONDS_MAX = 1, 8.0, 1.0
"""How often a run is looked at; after how long without a step it is hung; how long a process may
take to leave a run that is over.
"""

MESSAGE_BYTES_MAX = 1 << 18


class Watch:
    """The supervisor's side of one run."""

    def __init__(self, gang: Gang, runner: Runner, settings: Settings) -> None:
        self.gang, self.runner, self.settings = gang, runner, settings
        self.words = gang.board.words
        self.waiting: set[int] = set()
        self.symptom = ""
        self.pauses = 0
        self.next_pause = settings.pause_steps
        self.steps_max = min(gang.board.steps_max, runner.machine.steps_max)
        self.seen, self.since = -1, monotonic()
        self.left = 0.0

    def give(self, order: bytes) -> None:
        """Hand the order to every process."""
        for process, mate in enumerate(self.gang.mates):
            self.waiting.add(process)
            try:
                assert mate is not None
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

    def _died(self, process: int) -> None:
        """A process is dead: the others are told, and the zygote tells of what."""
        self.waiting.discard(process)
        if not self.words[ABORT]:
            self.words[ABORT] = KILLED
        self.gang.await_death(process)

    def _look(self) -> None:
        """Pause when it is time; give up a run that makes no progress; kill who does not leave a
        run that is over.
        """
        words, now = self.words, monotonic()
        if words[ABORT]:
            self.left = self.left or now
            if now - self.left > LEAVE_SECONDS_MAX:
                self._kill()
            return
        made = self.gang.board.progress(self.gang.processes)
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
        """Everybody stands still, and nobody is inside an operation: judge the arena."""
        self.next_pause = made + self.settings.pause_steps
        self.pauses += 1
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
                    os.kill(mate.pid, signal.SIGKILL)
            self._died(process)
