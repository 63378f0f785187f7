"""Runs the command line in a process of its own, and measures it.

The process is forked from one that has imported the tool, so that thousands of runs take minutes.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stress.cli.main import main
from stress.errors import CLEAN, FAILED, INCONCLUSIVE, INTERRUPTED, SKIPPED, USAGE, VIOLATED

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

CPU_SECONDS_MAX, MIB_MAX = 5.0, 120.0
"""What reading anything may cost. A process that has imported the tool has some 80 MiB; what is
measured here comes on top of them, and together that is 200.
"""

HANG_SECONDS = 60
"""After so long a process is taken to hang, also on a machine that is busy with something else."""

ADDRESSES_MIB_MAX = 4096
"""Address space of a process: a bomb that goes off fails there, and not in the whole machine."""

DOCUMENTED = {CLEAN, VIOLATED, USAGE, FAILED, SKIPPED, INCONCLUSIVE, INTERRUPTED}
"""The statuses of docs/exit-codes.md."""

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor, colours it, retitles it, or turns the direction of its text; a
newline and a tab do not.
"""


@dataclass(frozen=True)
class Seen:
    """What a run did. ``status`` is negative for the signal that ended it."""

    words: tuple[str, ...]
    status: int
    out: str
    err: str
    cpu_s: float
    mib: float

    def faults(self, allowed: set[int] = DOCUMENTED) -> list[str]:
        """Return what a run that was given bad input must not have done."""
        found = []
        if self.status not in allowed:
            found.append(f"status {self.status}")
        if "Traceback (most recent call last)" in self.err + self.out:
            found.append("a traceback")
        if self.cpu_s > CPU_SECONDS_MAX:
            found.append(f"{self.cpu_s:.1f} s of a processor")
        if self.mib > MIB_MAX:
            found.append(f"{self.mib:.0f} MiB")
        if CONTROL.search(self.out) or CONTROL.search(self.err):
            found.append("control characters")
        if self.status in (USAGE, FAILED) and self.err.count("\nzapstress: ") + self.err.startswith("zapstress: ") != 1:
            found.append("not one line that complains")
        return found


def run(words: Sequence[str], catalogue: Catalogue | None = None, cwd: Path | None = None) -> Seen:
    """Run ``zapstress`` with ``words`` and return what it did."""
    outputs = [os.memfd_create(name) for name in ("out", "err")]
    sys.stdout.flush()
    sys.stderr.flush()
    before = _resident_mib()
    child = os.fork()
    if not child:
        _be_the_tool(words, catalogue, cwd, outputs)
    _, status, used = os.wait4(child, 0)
    out, err = (_contents(output) for output in outputs)
    return Seen(
        tuple(words),
        os.waitstatus_to_exitcode(status),
        out,
        err,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss / 1024 - before,
    )


def _be_the_tool(words: Sequence[str], catalogue: Catalogue | None, cwd: Path | None, outputs: list[int]) -> None:
    """Run the command line as this process, and end it."""
    status = 99
    try:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES_MIB_MAX << 20,) * 2)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.alarm(HANG_SECONDS)
        for number, output in enumerate(outputs, start=1):
            os.dup2(output, number)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        os.environ["COLUMNS"] = "120"
        if cwd is not None:
            os.chdir(cwd)
        status = main(list(words), catalogue)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _resident_mib() -> float:
    """Return how much memory this process has: a child has it too, before it does anything."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def _contents(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    try:
        return os.pread(descriptor, size, 0).decode(errors="surrogateescape")
    finally:
        os.close(descriptor)
