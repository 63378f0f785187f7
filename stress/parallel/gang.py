"""The processes of one tester: started, given runs, watched, replaced when they die. The supervisor is the checker process.

A run: the arena is restored, every process gets the order, all start at once and go on until all are at rest. Meanwhile this process
only watches: it lets everybody pause where nobody is inside an operation, and audits; it sees processes die or hang; and at
the end it takes the recording. Whatever happens to a process, the run ends with a verdict, and the next one has a full gang.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from sim.machine import SITE_NUMBERS, SITES, Violation, site, site_info
from stress.discovery import ROOT
from stress.errors import FAILED, SKIPPED, ZapstressError
from stress.parallel.board import ABORT, DEADLOCK, ERROR, FLAG, FLAG_VALUE, FULL, HUNG, KILLED, PAUSE, PAUSED, SEQ, STOPPED, SYMPTOM, Board
from stress.parallel.deadlock import explain_board
from stress.parallel.recording import OVER, Recording

if TYPE_CHECKING:
    from stress.execution import Runner

STEPS_MAX = 1 << 18
"""Rows of the log: a run that makes more is given up, and is inconclusive."""

WATCH_MS, HANG_SECONDS_MAX, LEAVE_SECONDS_MAX, START_SECONDS_MAX = 1, 8.0, 1.0, 120.0
"""How often a run is looked at; after how long without a step it is hung; how long a process may take to leave a run that is over, and to start."""

PAUSE_STEPS = 256
"""Steps from one pause to the next."""

REASONS = {FULL: "log full", DEADLOCK: "deadlock", SYMPTOM: "symptom", ERROR: "error", KILLED: "killed", HUNG: "hung", STOPPED: "stopped"}

MESSAGE_BYTES_MAX = 1 << 18

Message = dict[str, Any]


class Missing(ZapstressError):
    """What the parallel machine needs is not here."""

    exit_status = SKIPPED


class GangError(ZapstressError):
    """The processes cannot be kept running."""

    exit_status = FAILED


def why_not() -> str:
    """Return in a line why this machine cannot run the parallel machine, or ``""``."""
    from importlib.util import find_spec

    if find_spec("numba") is None:
        return "the parallel machine needs numba: pip install 'zapstress[parallel]', or say --machine lockstep"
    if sys.platform != "linux":
        return "the parallel machine needs Linux; say --machine lockstep"
    return ""


@dataclass
class Mate:
    """One process, as the supervisor knows it."""

    process: int
    pid: int
    socket: socket.socket
    open: set[int] = field(default_factory=set)
    sites: list[int] = field(default_factory=list)
    """The number that each of its sites has here."""


@dataclass(frozen=True)
class Settings:
    """How a run is made. ``owners`` names the process of each CPU; empty deals them out in turn."""

    record: bool = True
    yields: bool = True
    pause_steps: int = PAUSE_STEPS
    plain_add: bool = False
    owners: tuple[int, ...] = ()


class Gang:
    """So many processes. Make one, :meth:`run` as often as you like, and :meth:`close` it."""

    def __init__(self, processes: int, catalogue: str, steps_max: int = STEPS_MAX) -> None:
        missing = why_not()
        if missing:
            raise Missing(missing)
        self.processes, self.catalogue = processes, catalogue
        self.board = Board(steps_max=steps_max)
        self.mates: list[Mate | None] = [None] * processes
        self.numbers: dict[Any, int] = {}
        self.runs = 0
        self.deaths: list[tuple[int, int]] = []
        """(pid, exit status) of processes that died, ever."""
        self._start()

    # -- processes -------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-P", "-m", "stress.parallel.zygote", "--control", str(theirs.fileno()), "--catalogue", self.catalogue]
        try:
            self.zygote = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=2, env=os.environ | {"PYTHONPATH": path})
        except OSError as error:
            raise GangError(f"cannot start processes ({error.strerror}); give --processes a smaller number") from error
        theirs.close()
        self._hear(START_SECONDS_MAX)
        for process in range(self.processes):
            self._fork(process)

    def _hear(self, seconds: float) -> Message:
        """Return the zygote's next message."""
        self.control.settimeout(seconds)
        try:
            data = self.control.recv(MESSAGE_BYTES_MAX)
        except (TimeoutError, ConnectionError):
            data = b""
        if not data:
            raise GangError("the process that forks the others is gone; its last words are above")
        message: Message = json.loads(data)
        if message["is"] == "died":
            self._bury(message)
        return message

    def _bury(self, message: Message) -> None:
        self.deaths.append((message["pid"], message["status"]))
        mate = self.mates[message["process"]]
        if mate is not None and mate.pid == message["pid"]:
            mate.socket.close()
            self.mates[message["process"]] = None

    def _fork(self, process: int) -> Mate:
        """Have a process forked."""
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order = json.dumps({"process": process, "processes": self.processes}).encode()
        socket.send_fds(self.control, [order], [theirs.fileno(), self.board.fd])
        theirs.close()
        while True:
            message = self._hear(START_SECONDS_MAX)
            if message["is"] == "forked" and message["process"] == process:
                break
        mate = self.mates[process] = Mate(process, message["pid"], mine)
        return mate

    def pids(self) -> list[int]:
        """Return the processes' ids, for whoever must look, or kill, in a test."""
        return [mate.pid for mate in self.mates if mate is not None]

    def close(self) -> None:
        """End every process."""
        self.control.close()
        for mate in self.mates:
            if mate is not None:
                mate.socket.close()
        with suppress(subprocess.TimeoutExpired):
            self.zygote.wait(LEAVE_SECONDS_MAX)
        self.zygote.kill()
        self.zygote.wait()
        self.board.close()

    def __enter__(self) -> Gang:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- cases -----------------------------------------------------------------------------------------------------

    def _open(self, runner: Runner) -> int:
        """Have the case open in every process; return its number."""
        number = self.numbers.setdefault(runner, len(self.numbers))
        case = runner.case
        order = {"do": "open", "number": number, "case": vars(case)}
        for process in range(self.processes):
            mate = self.mates[process] or self._fork(process)
            if number not in mate.open:
                socket.send_fds(mate.socket, [json.dumps(order).encode()], [runner.arena.fd])
                self._opened(mate, number)
        return number

    def _opened(self, mate: Mate, number: int) -> None:
        mate.socket.settimeout(START_SECONDS_MAX)
        data = mate.socket.recv(MESSAGE_BYTES_MAX)
        if not data:
            raise GangError(f"process {mate.process} died over a case; its last words are above")
        answer = json.loads(data)
        for function, label, step in answer["sites"]:
            name = site_info_name(function, label)
            mate.sites.append(SITE_NUMBERS.get(name) or (site(function, label, step) >> 48 if name != SITES[0].name else 0))
        mate.open.add(number)

    # -- a run -----------------------------------------------------------------------------------------------------

    def run(self, runner: Runner, seed: int, settings: Settings = Settings()) -> Recording:
        """Run the runner's case once, truly at once, and return what was recorded; nothing has been judged but what the run itself saw."""
        number = self._open(runner)
        cpus = runner.kernel.slots // 2
        owners = list(settings.owners) or [(cpu + seed) % self.processes for cpu in range(cpus)]
        runner.arena.restore(runner.snapshot)
        self.runs += 1
        self.board.begin(self.runs, sum(not actor.daemon for actor in runner.actors))
        order = {"do": "run", "number": number, "run": self.runs, "seed": seed, "versions": runner.machine.versions, "owners": owners}
        order |= {"record": settings.record, "yields": settings.yields, "plain_add": settings.plain_add}
        began, deaths, watch = perf_counter(), len(self.deaths), Watch(self, runner, settings)
        watch.give(json.dumps(order).encode())
        watch.until_over()
        recording = self._take(runner, owners, watch)
        recording.seconds = perf_counter() - began
        recording.killed = self.deaths[deaths:]
        return recording

    def _take(self, runner: Runner, owners: list[int], watch: Watch) -> Recording:
        """Take the recording, and audit the arena if the run came to its end."""
        import numpy

        words, board = self.board.words, self.board
        reason, made = words[ABORT], min(words[SEQ], board.steps_max)
        rows = board.log[:made]
        gaps = numpy.flatnonzero(rows[:, 2] == 0)
        rows = rows[: int(gaps[0])] if len(gaps) else rows
        slots = rows[:, 2] - 1
        recording = Recording(
            ended=REASONS[reason] if reason else OVER,
            codes=self._translated(rows[:, 0], slots, owners),
            values=rows[:, 1].copy(),
            slots=slots,
            tapes={slot: tape for slot in range(runner.kernel.slots) if (tape := board.tape(slot))},
            model=bytes(runner.arena.block[: runner.arena.layout.model_bytes]),
            owners=owners,
            steps=board.progress(self.processes),
            pauses=watch.pauses + (not reason),
        )
        recording.symptom = watch.symptom or self._symptom(runner, recording, owners)
        if reason:
            board.clear_stripes()
        return recording

    def _symptom(self, runner: Runner, recording: Recording, owners: list[int]) -> str:
        """Return what the run itself saw that should not be, in words, or ``""``."""
        words = self.board.words
        if recording.ended == "symptom":
            code = self._translated_one(words[FLAG], owners)
            return f"{words[FLAG_VALUE]} after {site_info(code).name}: a count is below zero"
        if recording.ended == "deadlock":
            return explain_board(self.board, runner, lambda code: self._translated_one(code, owners))
        if recording.ended == OVER:
            try:
                runner.kernel.audit(drained=True)
            except Violation as violation:
                return str(violation)
        return ""

    def _translated(self, codes: Any, slots: Any, owners: list[int]) -> Any:
        """Return codes with the site numbers of this process: each process counts its own."""
        import numpy

        found = codes.copy()
        owner = numpy.array([*owners, *owners, owners[-1]], dtype="<i8")[slots]
        for mate in self.mates:
            if mate is not None and mate.sites:
                mine = owner == mate.process
                numbers = numpy.array(mate.sites, dtype="<i8")[found[mine] >> 48]
                found[mine] = numbers << 48 | found[mine] & (1 << 48) - 1
        return found

    def _translated_one(self, code: int, owners: list[int]) -> int:
        mate = next((mate for mate in self.mates if mate is not None and mate.sites), None)
        return code if mate is None else mate.sites[code >> 48] << 48 | code & (1 << 48) - 1


def site_info_name(function: str, label: str) -> str:
    """Return the name of a site by its words."""
    return f"{function}: {label}"


class Watch:
    """The supervisor's side of one run."""

    def __init__(self, gang: Gang, runner: Runner, settings: Settings) -> None:
        self.gang, self.runner, self.settings = gang, runner, settings
        self.words = gang.board.words
        self.waiting: set[int] = set()
        self.symptom = ""
        self.pauses = 0
        self.next_pause = settings.pause_steps
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
        while self.gang.mates[process] is not None:
            self.gang._hear(LEAVE_SECONDS_MAX + START_SECONDS_MAX)

    def _look(self) -> None:
        """Pause when it is time; give up a run that makes no progress; kill who does not leave a run that is over."""
        words, now = self.words, monotonic()
        if words[ABORT]:
            self.left = self.left or now
            if now - self.left > LEAVE_SECONDS_MAX:
                self._kill()
            return
        if words[PAUSE] & 1:
            if words[PAUSED] == words[PAUSE]:
                self._audit()
                words[PAUSE] += 1
        elif self.settings.pause_steps and words[SEQ] >= self.next_pause:
            words[PAUSE] += 1
        made = self.gang.board.progress(self.gang.processes)
        if made != self.seen:
            self.seen, self.since = made, now
        elif now - self.since > HANG_SECONDS_MAX:
            words[ABORT] = HUNG

    def _audit(self) -> None:
        """Everybody stands still, and nobody is inside an operation: judge the arena."""
        self.next_pause = self.words[SEQ] + self.settings.pause_steps
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
                    os.kill(mate.pid, 9)
            self._died(process)
