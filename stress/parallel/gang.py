"""The gang: the processes that run cases for this one. It starts them, gives them runs, and
replaces those that die.

A run: the arena is restored, every process gets the order, all start at once and go on until all
are at rest. Meanwhile this process, the supervisor, watches (:mod:`stress.parallel.watch`); at the
end it takes the recording. Whatever happens to a process, the run ends with a recording that says
how, and the next run has a full gang.
"""

from __future__ import annotations

import json
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from time import perf_counter
from typing import TYPE_CHECKING, Any

from sim.core.machine import site
from sim.core.step import site_of, with_site
from stress.errors import FAILED, SKIPPED, UsageError, ZapstressError
from stress.parallel.board import (
    ABORT,
    DEADLOCK,
    ERROR,
    FULL,
    HUNG,
    KILLED,
    PROCESSES_MAX,
    SEQ,
    SYMPTOM,
    Board,
)
from stress.parallel.recording import OVER, Recording
from stress.parallel.settings import USUAL, RunSettings
from stress.parallel.watch import LEAVE_SECONDS_MAX, Mate, Watch
from stress.sources import child, end_overdue

if TYPE_CHECKING:
    from stress.execution.runner import Runner

LOG_STEPS_MAX = 1 << 18
"""Steps that the log has rows for: a run that makes more is given up, and is inconclusive."""

START_SECONDS_MAX, OPEN_SECONDS_MAX = 120.0, 120.0
"""How long the first process may take to start, which compiles; and how long one may take to open a
case, on a machine that is busy with something else.
"""

REASONS = {FULL: "log full", DEADLOCK: "deadlock", SYMPTOM: "symptom", ERROR: "error", KILLED: "killed", HUNG: "hung"}

LOSSES_MAX = 8
"""How often the process that forks the others may die."""

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


class Gang:
    """So many processes. Make one, :meth:`run` as often as you like, and :meth:`close` it."""

    def __init__(self, processes: int, catalogue: str, steps_max: int = LOG_STEPS_MAX) -> None:
        missing = why_not()
        if missing:
            raise Missing(missing)
        if processes > PROCESSES_MAX:
            raise UsageError(
                f"{processes} processes are more than the {PROCESSES_MAX} that a run can have; "
                "give --processes a smaller number"
            )
        self.processes, self.catalogue = processes, catalogue
        self.board = Board(steps_max=steps_max)
        self.mates: list[Mate | None] = [None] * processes
        self.numbers: dict[Any, int] = {}
        self.sites: list[list[int]] = []
        """The site numbers of the processes that began the latest run, also of those that have died
        in it.
        """
        self.runs = 0
        self.deaths: list[tuple[int, int]] = []
        """(pid, exit status) of processes that died, ever."""
        self.losses = 0
        self.zygote: subprocess.Popen[bytes] | None = None
        try:
            self._start()
            for process in range(processes):
                self._fork(process)
        except BaseException:
            self.close()
            raise

    # -- processes -------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Start the process that forks the others. Raises Missing if numba cannot be imported."""
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command, environment = child(
            "stress.parallel.zygote", "--control", str(theirs.fileno()), "--catalogue", self.catalogue
        )
        try:
            self.zygote = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=2,
                start_new_session=True,
                env=environment,
            )
        except OSError as error:
            raise GangError(f"cannot start processes ({error.strerror}); give --processes a smaller number") from error
        theirs.close()
        message = self._hear(START_SECONDS_MAX)
        if message["is"] == "missing":
            raise Missing(
                f"the parallel machine cannot use numba ({message['why']}): "
                "mend its installation, or say --machine lockstep"
            )

    def _hear(self, seconds: float) -> Message:
        """Return the zygote's next message; ``lost`` if it is gone, and with it every process:
        another one has been started then.
        """
        self.control.settimeout(seconds)
        try:
            data = self.control.recv(MESSAGE_BYTES_MAX)
        except (TimeoutError, ConnectionError):
            data = b""
        if not data:
            self._lose()
            return {"is": "lost"}
        message: Message = json.loads(data)
        if message["is"] == "died":
            self._bury(message)
        return message

    def _lose(self) -> None:
        """The zygote is gone: so are the processes, which the kernel kills. Start another one."""
        self._end()
        for process, mate in enumerate(self.mates):
            if mate is not None:
                self.deaths.append((mate.pid, -signal.SIGKILL))
                self.mates[process] = None
        self.losses += 1
        if self.losses > LOSSES_MAX:
            raise GangError("the process that forks the others has died again and again; its last words are above")
        self._start()

    def _bury(self, message: Message) -> None:
        self.deaths.append((message["pid"], message["status"]))
        mate = self.mates[message["process"]]
        if mate is not None and mate.pid == message["pid"]:
            mate.socket.close()
            self.mates[message["process"]] = None

    def _fork(self, process: int) -> Mate:
        """Have a process forked."""
        order = json.dumps({"process": process, "processes": self.processes}).encode()
        while True:
            mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with suppress(OSError):
                socket.send_fds(self.control, [order], [theirs.fileno(), self.board.fd])
            theirs.close()
            message: Message = {"is": "", "process": -1}
            while message["is"] != "lost" and (message["is"], message["process"]) != ("forked", process):
                message = self._hear(START_SECONDS_MAX)
            if message["is"] == "forked":
                mate = self.mates[process] = Mate(process, message["pid"], mine)
                return mate
            mine.close()

    def pids(self) -> list[int]:
        """Return the ids of the processes that live."""
        return [mate.pid for mate in self.mates if mate is not None]

    def close(self) -> None:
        """End every process."""
        self._end()
        self.board.close()

    def _end(self) -> None:
        """Close every socket, at which the processes end, and see the zygote gone."""
        self.control.close()
        for mate in self.mates:
            if mate is not None:
                mate.socket.close()
        if self.zygote is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self.zygote.wait(LEAVE_SECONDS_MAX)
        self.zygote.kill()
        self.zygote.wait()

    def __enter__(self) -> Gang:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- cases -----------------------------------------------------------------------------------------------------

    def open(self, runner: Runner) -> int:
        """Have the case open in every process; return its number. What is open stays so."""
        number = self.numbers.setdefault(runner, len(self.numbers))
        case = runner.case
        order = json.dumps({"do": "open", "number": number, "case": vars(case)}).encode()
        self._reap()
        lacking = [
            mate
            for process in range(self.processes)
            if number not in (mate := self.mates[process] or self._fork(process)).open
        ]
        for mate in lacking:
            self._ask(mate, order, runner.arena.fd)
        for mate in lacking:
            if not self._opened(mate, number):
                with suppress(ProcessLookupError):
                    end_overdue(mate.pid)
                self.await_death(mate.process)
                again = self._fork(mate.process)
                self._ask(again, order, runner.arena.fd)
                if not self._opened(again, number):
                    raise GangError(f"process {mate.process} died twice over {case.scenario}; its last words are above")
        return number

    def _reap(self) -> None:
        """Take note of processes that have died between two runs."""
        while select.select([self.control], [], [], 0)[0]:
            self._hear(LEAVE_SECONDS_MAX)

    def await_death(self, process: int) -> None:
        """Wait until the zygote has told of a death that is known already."""
        while self.mates[process] is not None:
            self._hear(START_SECONDS_MAX)

    def forget(self) -> None:
        """Have every case closed in every process: the runners are about to go."""
        self.numbers.clear()
        for mate in self.mates:
            if mate is not None:
                mate.open.clear()
                with suppress(OSError):
                    mate.socket.send(json.dumps({"do": "forget"}).encode())

    def _ask(self, mate: Mate, order: bytes, arena: int) -> None:
        """Order a process to open a case over the arena of that descriptor; whether it lives is
        seen by its answer.
        """
        mate.socket.settimeout(OPEN_SECONDS_MAX)
        with suppress(OSError):
            socket.send_fds(mate.socket, [order], [arena])

    def _opened(self, mate: Mate, number: int) -> bool:
        """Wait until the process has opened the case; return False if it is dead."""
        data = b""
        with suppress(OSError):
            data = mate.socket.recv(MESSAGE_BYTES_MAX)
        if not data:
            return False
        answer = json.loads(data)
        for function, label, step in answer["sites"]:
            mate.sites.append(site_of(site(function, label, step)) if mate.sites else 0)
        mate.open.add(number)
        return True

    # -- a run -----------------------------------------------------------------------------------------------------

    def run(self, runner: Runner, seed: int, settings: RunSettings = USUAL) -> Recording:
        """Run the runner's case once, truly at once, and return what was recorded; nothing has been
        judged but what the run itself saw.
        """
        number = self.open(runner)
        self.sites = [mate.sites if mate is not None else [] for mate in self.mates]
        cpus = runner.kernel.slots // 2
        owners = list(settings.owners) or [(cpu + seed) % self.processes for cpu in range(cpus)]
        runner.arena.restore(runner.snapshot)
        self.runs += 1
        self.board.begin(sum(not actor.daemon for actor in runner.actors))
        order = {
            "do": "run",
            "number": number,
            "run": self.runs,
            "seed": seed,
            "versions": runner.machine.versions,
            "owners": owners,
            "rows": min(self.board.steps_max, runner.machine.steps_max),
            "settings": vars(settings),
        }
        began, deaths, watch = perf_counter(), len(self.deaths), Watch(self, runner, settings)
        watch.give(json.dumps(order).encode())
        watch.until_over()
        seconds = perf_counter() - began
        recording = self._take(runner, owners, watch)
        recording.seconds = seconds
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
            paused_at=tuple(watch.paused_at),
            raised=watch.raised,
        )
        recording.symptom = watch.symptom or watch.symptom_of(recording.ended, self._translated_one)
        if reason:
            board.clear_stripes()
        return recording

    def _translated(self, codes: Any, slots: Any, owners: list[int]) -> Any:
        """Return codes with the site numbers of this process: each process counts its own."""
        import numpy

        found = codes.copy()
        owner = numpy.array([*owners, *owners, owners[-1]], dtype="<i8")[slots]
        for process, sites in enumerate(self.sites):
            if sites:
                mine = owner == process
                numbers = numpy.array(sites, dtype="<i8")[site_of(found[mine])]
                found[mine] = with_site(found[mine], numbers)
        return found

    def _translated_one(self, code: int) -> int:
        """Return a code from the board; members, forked from one zygote and told of the same cases,
        number sites alike.
        """
        sites = next((sites for sites in self.sites if sites), [])
        return with_site(code, sites[site_of(code)]) if sites else code
