"""Kills a campaign's processes at random instants, fills its disk, and sees that it keeps its word.

``python -m tests.robustness.kills --kills 1000 --campaigns 10 --seed 1`` sends SIGKILL to
supervisors, workers and processes of the parallel machine; ``--full 100`` then fills the disk as
often (as root: on a small tmpfs). After each end of a supervisor, whatever ended it: what was
recorded is there, every seed is accounted for (:mod:`tests.robustness.accounts`), the trace of
every failure is there and can be read, no process and no half-written file is left, and the
campaign goes on from its directory. A campaign whose supervisor was not killed does not end. It
ends with 0 if all of that held.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import IO, Any

from stress.campaign.database import FAILURES
from stress.campaign.results import Results
from stress.campaign.supervisor import run_campaign
from stress.errors import FAILED, VIOLATED, ZapstressError
from stress.sources import ROOT
from stress.trace.file import load
from stress.workers.settings import BOTH, PARALLEL, Budget
from tests.robustness.accounts import Books
from tests.stress.campaign_toys import SPEC, settings

SUPERVISOR_EVERY = 10
"""One kill in so many is the supervisor's."""

PAUSE_SECONDS_MAX = 0.4
"""From one kill to the next; before every second one, executions are waited for."""

GONE_SECONDS_MAX, BEGIN_SECONDS_MAX, END_SECONDS_MAX = 20.0, 120.0, 60.0
"""How long orphans may take to end; a campaign to begin; and one whose disk is full to end."""

MACHINES = (BOTH, PARALLEL)
"""What campaigns have by turns. With both, the parallel machine comes late in a campaign."""

ROLES = {"worker": "stress.workers.worker", "parallel": "stress.parallel.zygote"}
"""Processes below a supervisor, by the module that each runs; others compile kernels."""

DISK_MIB = 16
"""Of the disk that is filled: thrice what a campaign takes."""


@dataclass
class Watched:
    """A campaign's directory, and what is known to be in it."""

    directory: Path
    executions: int = 0
    failures: set[str] = field(default_factory=set)
    seen: Counter[str] = field(default_factory=Counter)
    untold: list[str] = field(default_factory=list)
    """What was lost when it was only looked whether the campaign goes on."""
    words: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    """What the campaign that runs last says on standard error."""
    rest: Books | None = None
    """The accounts of the last run once it had ended, until the next has begun."""

    def look(self) -> list[str]:
        """Read the directory; return what it has not kept."""
        wrong, self.untold = self.untold, []
        try:
            wrong += self.look_at_books()
            with Results.open(self.directory) as results:
                executions = int(sum(row["executions"] for row in results.totals().values()))
                found = {failure["signature"]: failure["trace"] for failure in results.failures()}
        except ZapstressError as error:
            return [*wrong, str(error)] if self.executions else wrong
        if executions < self.executions:
            wrong.append(f"{self.executions} executions were recorded, and {executions} are")
        wrong += [f"failure {signature} is gone" for signature in self.failures - found.keys()]
        wrong += [f"failure {signature}: {error}" for signature, trace in found.items() if (error := unreadable(trace))]
        self.executions, self.failures = executions, set(found)
        return wrong

    def look_at_books(self) -> list[str]:
        """Return which seeds are not accounted for."""
        books = Books.of(self.directory)
        wrong = books.wrong()
        if self.rest is not None and books.runs > self.rest.runs:
            wrong += books.wrong_since(self.rest)
            self.rest = None
        return wrong

    def has_ended(self) -> None:
        """Note the accounts of a run that has ended, if it had begun."""
        with suppress(ZapstressError):
            self.rest = Books.of(self.directory)

    def goes_on(self) -> bool:
        """Return whether more executions are recorded than at the last look."""
        before = self.executions
        self.untold = self.look()
        return self.executions > before


def unreadable(trace: str | None) -> str:
    """Return why a trace cannot be read, or nothing."""
    if trace is None:
        return "its trace is gone"
    try:
        load(trace)
    except ZapstressError as error:
        return str(error)
    return ""


@contextmanager
def campaign(watched: Watched, machine: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a campaign in a process of its own; it is gone afterwards."""
    command = [sys.executable, "-m", "tests.robustness.kills", "--be", str(watched.directory), machine]
    watched.words.truncate(0)
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": watched.words}
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, **streams)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def be(directory: str, machine: str) -> int:
    """Be a campaign until killed."""
    budget = Budget(duration_s=3600, workers=2, twin_every=16)
    try:
        return int(
            run_campaign(Path(directory), settings("counters", "mailbox", "abba", machine=machine), budget, SPEC)[
                "exit_status"
            ]
        )
    except ZapstressError as error:
        print(error, file=sys.stderr)
        return int(error.exit_status)


def descendants(pid: int) -> list[int]:
    """Return the processes below a process, from the top."""
    found = []
    for task in threads(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *descendants(child)]
    return found


def threads(pid: int) -> list[Path]:
    """Return the threads of a process, none if it is gone."""
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return []


def alive(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def waits(seconds: float, ready: object) -> bool:
    """Wait until ``ready()`` is true; return False if it is not in time."""
    assert callable(ready)
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def after_the_end(watched: Watched, orphans: list[int]) -> list[str]:
    """Return what is wrong once a supervisor is gone that had ``orphans``."""
    wrong = []
    if not waits(GONE_SECONDS_MAX, lambda: not any(map(alive, orphans))):
        wrong.append(f"processes are left: {[pid for pid in orphans if alive(pid)]}")
    wrong += watched.look()
    watched.has_ended()
    return wrong


def ended_wrongly(status: int | None, watched: Watched) -> list[str]:
    """Return what is wrong with how a supervisor has ended, or goes on (None), that ends only if it
    is killed: its last words with it.
    """
    if status in (None, -signal.SIGKILL):
        return []
    watched.words.seek(0)
    last = watched.words.read().decode(errors="replace").strip().rpartition("\n")[2]
    return [f"it ended with {status}, and nobody had killed it: {last}"]


def half_written(directory: Path) -> list[str]:
    """Return files that a write which was cut short has left."""
    return [str(path) for path in (directory / FAILURES).rglob(".*")]


def kill(watched: Watched, kills: int, machine: str, random: Random) -> Iterator[str]:
    """Kill ``kills`` processes of one campaign, which is resumed whenever it has ended; yield what
    was wrong.
    """
    left = kills
    while left > 0:
        with campaign(watched, machine) as process:
            if not waits(BEGIN_SECONDS_MAX, lambda: descendants(process.pid) or process.poll() is not None):
                yield "it does not begin"
                return
            below: list[int] = []
            while left > 0 and process.poll() is None:
                if random.randrange(2):
                    waits(BEGIN_SECONDS_MAX, lambda: watched.goes_on() or process.poll() is not None)
                time.sleep(random.random() * PAUSE_SECONDS_MAX)
                below = descendants(process.pid)
                victim = process.pid if not below or not random.randrange(SUPERVISOR_EVERY) else random.choice(below)
                watched.seen["supervisor" if victim == process.pid else role(victim)] += 1
                left -= 1
                try:
                    os.kill(victim, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                yield from watched.look()
            if left <= 0:
                below = descendants(process.pid)
            yield from ended_wrongly(process.poll(), watched)
        yield from after_the_end(watched, below)
    yield from resumed(watched, machine)


def role(pid: int) -> str:
    """Return what a process below a supervisor is."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "ended"
    return next((name for name, module in ROLES.items() if module in command), "compiler")


def resumed(watched: Watched, machine: str) -> Iterator[str]:
    """See that the campaign goes on, and has nothing left of those that were killed."""
    before = watched.executions
    with campaign(watched, machine) as process:

        def goes_on() -> bool:
            return watched.goes_on() or watched.executions > before or process.poll() is not None

        if not waits(BEGIN_SECONDS_MAX, goes_on) or watched.executions <= before:
            yield f"it does not go on after {before} executions (status {process.poll()})"
        yield from ended_wrongly(process.poll(), watched)
        left = half_written(watched.directory)
        below = descendants(process.pid)
    yield from (f"{path}: half-written" for path in left)
    yield from after_the_end(watched, below)


def fill(watched: Watched, times: int, machine: str, random: Random) -> Iterator[str]:
    """Fill the disk of one campaign ``times`` times, at random instants; yield what was wrong."""
    filler = watched.directory.parent / "filler"
    for _ in range(times):
        with campaign(watched, machine) as process:
            waits(BEGIN_SECONDS_MAX, lambda: descendants(process.pid) or process.poll() is not None)
            if random.randrange(4):
                waits(BEGIN_SECONDS_MAX, lambda: watched.goes_on() or process.poll() is not None)
            time.sleep(random.random() * 4 * PAUSE_SECONDS_MAX)
            below = descendants(process.pid)
            fill_up(filler)
            ended = waits(END_SECONDS_MAX, lambda: process.poll() is not None)
            filler.unlink(missing_ok=True)
            watched.seen[f"status {process.poll()}"] += 1
        if not ended or process.returncode not in (FAILED, VIOLATED):
            yield f"it ended with {process.returncode} on a full disk" if ended else "it does not end on a full disk"
        yield from after_the_end(watched, below)
    yield from resumed(watched, machine)


def fill_up(filler: Path) -> None:
    """Take all the room that the disk has, byte by byte at the end."""
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a small tmpfs. Raises CalledProcessError where that is not allowed."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "zapstress-test", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def main() -> int:
    """Run what the command line asks for; return 1 if something did not hold."""
    if sys.argv[1:2] == ["--be"]:
        return be(*sys.argv[2:4])
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=0, metavar="N", help="SIGKILLs (default: 0)")
    parser.add_argument("--full", type=int, default=0, metavar="N", help="fillings of the disk (default: 0)")
    parser.add_argument("--campaigns", type=int, default=10, metavar="N", help="over so many campaigns (default: 10)")
    parser.add_argument("--machine", help="the machine of the campaigns (default: both, parallel, both, ...)")
    parser.add_argument("--seed", type=int, default=1, help="what instants and victims are drawn from (default: 1)")
    args = parser.parse_args()
    found = 0
    shm = sorted(os.listdir("/dev/shm"))
    for number in range(args.campaigns):
        found += one_campaign(args, number)
    if shm != sorted(os.listdir("/dev/shm")):
        found += 1
        print("something is left in /dev/shm")
    print(f"{found} findings")
    return bool(found)


def one_campaign(args: argparse.Namespace, number: int) -> int:
    """Kill and fill for one campaign; return how much did not hold."""
    random, folder = Random(f"{args.seed} {number}"), Path(tempfile.mkdtemp(prefix="zapstress-kills-"))
    machine, found = args.machine or MACHINES[number % len(MACHINES)], 0
    try:
        if args.kills:
            watched = Watched(folder / "dir")
            found += _told(
                f"{number}, {machine}", watched, kill(watched, args.kills // args.campaigns, machine, random)
            )
        if args.full:
            with small_disk(folder) as disk:
                watched = Watched(disk / "dir")
                wrong = fill(watched, args.full // args.campaigns, machine, random)
                found += _told(f"{number}, {machine}, full disks", watched, wrong)
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _told(name: str, watched: Watched, wrong: Iterator[str]) -> int:
    """Print what a campaign has been through, and each thing that was wrong; return how many."""
    found = 0
    for words in wrong:
        found += 1
        print(f"campaign {name}: {words}", flush=True)
    what = f"{watched.executions} executions, {len(watched.failures)} failures"
    print(f"campaign {name}: {dict(watched.seen)}; {what}", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
