"""Processes that tests start."""

from __future__ import annotations

import signal
import subprocess
from typing import Any


def started(command: list[str], **more: Any) -> subprocess.Popen[Any]:
    """Start ``command`` as a shell's foreground would: SIGINT ends it.

    A process that is started by one in which SIGINT is ignored, as under nohup or in the background
    of a script, inherits that, and would never see the signal that a test sends.
    """
    return subprocess.Popen(command, preexec_fn=_hear_interrupts, **more)


def _hear_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
