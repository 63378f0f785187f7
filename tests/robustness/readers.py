"""Reads the page of a campaign as many readers do, and says what that costs the campaign.

``python -m tests.robustness.readers --readers 50 --seconds 60`` runs the same campaign by turns
with nobody looking and with so many readers: each keeps the stream of events open and takes the
page at every event, as a browser does, and one more takes the metrics every second. Readers give
way to the campaign, as they would be on other machines. It prints the executions of both, the
median of how much fewer they were with readers than in the turn beside it, and the share of the
processors' time that the server took. Executions differ by more than that between turns on a
machine that has other work, or that compiles kernels in the first of them (``-- --no-native``).
Then a thousand connections are opened at once to a server of the directory. It ends with 3 if the
server took more than COST_MAX of the processors' time, or one of the thousand got anything but an
error, or the page was not there after them.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from threading import Event, Thread, get_native_id

from stress.cli.options import cores
from stress.errors import CLEAN, FAILED
from stress.sources import child
from tests.robustness.kills import descendants

COST_MAX = 0.05
"""Of the time of all processors that the campaign may use."""

CONNECTIONS = 1000

ANSWER_SECONDS = 30


@dataclass
class Turn:
    """One run of the campaign."""

    executions: int = 0
    server_s: float = 0.0
    """Of a processor, that the server took; 0 if there was none."""
    pages: list[int] = field(default_factory=list)
    """Bytes of each page that a reader was sent."""


def give_way() -> None:
    """Have this thread take only such time as nobody else wants."""
    os.setpriority(os.PRIO_PROCESS, get_native_id(), 19)


def reader(port: int, turn: Turn, over: Event) -> None:
    """Wait for events, and take the page at each, until it is over or the server has ended."""
    give_way()
    with suppress(OSError, http.client.HTTPException):
        stream = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
        stream.request("GET", "/events")
        events = stream.getresponse()
        while not over.is_set() and (line := events.readline()):
            if line.startswith(b"data: "):
                turn.pages.append(take(port, "/"))


def scraper(port: int, over: Event) -> None:
    """Take the metrics every second, until it is over or the server has ended."""
    give_way()
    with suppress(OSError, http.client.HTTPException):
        while not over.wait(1.0):
            take(port, "/metrics")


def take(port: int, path: str) -> int:
    """Take a page; return how many bytes it had, 0 if it was not there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return len(content) if answer.status == http.HTTPStatus.OK else 0


def processor_seconds(pid: int) -> float | None:
    """Return the seconds of a processor that a process has taken; None if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return (int(fields[11]) + int(fields[12])) / 100


def server_of(pid: int) -> int:
    """Return the process that serves the page of a campaign, whose address may be told before its
    program is there.
    """
    until = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < until:
        for one in descendants(pid):
            with suppress(OSError):
                if b"stress.campaign.serve" in Path(f"/proc/{one}/cmdline").read_bytes():
                    return one
        time.sleep(0.05)
    raise TimeoutError(f"process {pid}: has no server after {ANSWER_SECONDS} s")


def turn_of(readers: int, seconds: float, directory: Path, more: list[str]) -> Turn:
    """Run the campaign once, with so many readers."""
    words = ["campaign", "--duration", f"{seconds:g}s", "--dir", str(directory), "--json", "--seed", "1", *more]
    command, environment = child("stress", *words, *(["--serve", "0"] if readers else []))
    turn, over = Turn(), Event()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        if readers:
            said = next(found for line in process.stderr if (found := re.search(r"http://127\.0\.0\.1:(\d+)/", line)))
            port, server = int(said[1]), server_of(process.pid)
            threads = [Thread(target=reader, args=(port, turn, over), daemon=True) for _ in range(readers)]
            threads.append(Thread(target=scraper, args=(port, over), daemon=True))
            for thread in threads:
                thread.start()
            watch = Thread(target=follow, args=(server, turn))
            watch.start()
        data = json.loads(process.stdout.read())
        over.set()
    if readers:
        watch.join()
    turn.executions = data["executions"]
    return turn


def follow(server: int, turn: Turn) -> None:
    """Note how long the server has been at work, until it ends."""
    while (seconds := processor_seconds(server)) is not None:
        turn.server_s = seconds
        time.sleep(0.2)


def flood(directory: Path) -> tuple[int, int, bool]:
    """Open a thousand connections to a server at once; return how many were refused with an error,
    how many got anything else, and whether the page was there after them.
    """
    command, environment = child("stress", "serve", str(directory), "--port", "0", "--json")
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        port = int(json.loads(process.stdout.readline())["address"].rpartition(":")[2].strip("/"))
        opened = [socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS) for _ in range(CONNECTIONS)]
        answers = [first_bytes(connection) for connection in opened]
        refused = sum(answer.startswith((b"HTTP/1.1 503 ", b"HTTP/1.1 408 ")) for answer in answers)
        there = bool(take(port, "/"))
        process.terminate()
    return refused, CONNECTIONS - refused, there


def first_bytes(connection: socket.socket) -> bytes:
    """Return what a connection that says nothing is told, and close it."""
    with connection, suppress(ConnectionError):
        return connection.recv(64)
    return b""


def main() -> int:
    """Run what the command line asks for; return 3 if it costs too much, or the page is gone."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.readers", description=__doc__)
    parser.add_argument("--readers", type=int, default=50, help="how many (default: 50)")
    parser.add_argument("--seconds", type=float, default=60, help="of each turn (default: 60)")
    parser.add_argument("--turns", type=int, default=3, help="of each kind (default: 3)")
    parser.add_argument("more", nargs="*", help="further options of the campaign, after --")
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    folder, alone, read = Path(tempfile.mkdtemp(prefix="zapstress-readers-")), list[Turn](), list[Turn]()
    try:
        for number in range(args.turns):
            for kind in (alone, read) if number % 2 == 0 else (read, alone):
                where = folder / f"{number}-{kind is read}"
                kind.append(turn_of(args.readers if kind is read else 0, args.seconds, where, args.more))
        flooded = flood(folder / "0-True")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return report(alone, read, args.seconds, flooded)


def report(alone: list[Turn], read: list[Turn], seconds: float, flooded: tuple[int, int, bool]) -> int:
    """Print what was measured; return the status that it stands for."""
    fewer = median(
        with_readers.executions / without.executions - 1 for without, with_readers in zip(alone, read, strict=True)
    )
    pages = [size for turn in read for size in turn.pages if size]
    share = sum(turn.server_s for turn in read) / (seconds * len(read) * cores())
    print(f"executions with nobody looking: {[turn.executions for turn in alone]}; with readers: ", end="")
    print(f"{[turn.executions for turn in read]}, median {fewer:+.1%}")
    print(f"{len(pages)} pages sent, {sum(pages) / (1 << 20):.0f} MiB")
    print(f"the server took {share:.2%} of the time of {cores()} processors, of {COST_MAX:.0%} that it may")
    refused, odd, there = flooded
    print(f"{CONNECTIONS} connections at once: {refused} got an error, {odd} anything else; the page was ", end="")
    print("there after them" if there else "gone after them")
    return FAILED if share > COST_MAX or odd or not there else CLEAN


if __name__ == "__main__":
    sys.exit(main())
