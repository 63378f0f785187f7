"""Runs the command line in a process of its own, and measures it.

The process is forked from one that has imported the tool and nothing else
(:mod:`tests.robustness.server`), so that thousands of runs take minutes, and what is measured is
what the tool takes, however much the tests have.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stress.catalogue import DEFAULT_CATALOGUE, spec_of
from stress.errors import CLEAN, FAILED, INCONCLUSIVE, INTERRUPTED, SKIPPED, USAGE, VIOLATED
from stress.sources import ROOT

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

CPU_SECONDS_MAX, MIB_MAX = 5.0, 200.0
"""What reading anything may cost: of a processor, and of memory with the tool itself."""

HUNG = -signal.SIGALRM
"""The status of a run that the clock has ended (:data:`tests.robustness.server.HANG_SECONDS`)."""

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


def run(
    words: Sequence[str], catalogue: Catalogue | None = None, cwd: Path | None = None, paths: Sequence[str] = ()
) -> Seen:
    """Run ``zapstress`` with ``words`` and return what it did; if it serves, what came of ``paths``
    too.

    What seems to hang is run once more: a machine that stood still for a minute is no finding.
    """
    spec = DEFAULT_CATALOGUE if catalogue is None else spec_of(catalogue)
    more = {"paths": paths} if paths else {}
    request = json.dumps({"words": words, "catalogue": spec, "cwd": str(cwd or ""), **more})
    seen = Seen(tuple(words), **_asked(request))
    return seen if seen.status != HUNG else Seen(tuple(words), **_asked(request))


def _asked(request: str) -> dict[str, Any]:
    """Return the server's answer to a request."""
    process = _server()
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(request + "\n")
    process.stdin.flush()
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


@cache
def _server() -> subprocess.Popen[str]:
    """Start the server, which ends with this process."""
    command = [sys.executable, "-m", "tests.robustness.server"]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
