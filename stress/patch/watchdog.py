"""Stops a body that spins without a step: a loop in a patch that awaits nothing.

The machine cannot stop such a body: it is asked only at steps. A timer interrupts the process every
TICK_SECONDS; an execution that has made no step over so many ticks in a row is ended by an
exception in the loop itself, whose traceback names the line. Ticks are counted, and not the time:
of a process that was stopped or starved, all ticks that it has missed are one.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from stress.patch.guard import Spun

TICK_SECONDS = 1.0
TICKS_MAX = 5
"""Ticks without a step after which an execution is ended."""

TICKS_INSIDE_MAX = 3
"""The same for ticks that all find the process inside a patch's file."""


class Watched(Protocol):
    """What is watched: a machine."""

    live: bool
    """An execution goes on."""

    @property
    def seq(self) -> int:
        """The steps made."""


class Watchdog:
    """Watches one execution at a time. A process has one, :data:`WATCHDOG`."""

    def __init__(self) -> None:
        self.machine: Watched | None = None
        self.files: frozenset[str] = frozenset()
        self.made = self.ticks = self.watchers = 0

    @contextmanager
    def on_duty(self) -> Iterator[None]:
        """Let the timer run meanwhile, if this is the main thread, which alone takes signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self.watchers += 1
        if self.watchers == 1:
            self.before = signal.signal(signal.SIGALRM, self.tick)
            signal.setitimer(signal.ITIMER_REAL, TICK_SECONDS, TICK_SECONDS)
        try:
            yield
        finally:
            self.watchers -= 1
            if not self.watchers:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, self.before)

    def watch(self, machine: Watched, files: frozenset[str] = frozenset()) -> None:
        """Watch the execution of ``machine`` that is about to begin, as long as it is live.

        With ``files``, only ticks count that find the process inside one of them: a process of the
        parallel machine also makes no step while it waits for another.
        """
        self.machine, self.files, self.made, self.ticks = machine, files, -1, 0

    def tick(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Look whether a step was made since the last tick. Raises Spun after TICKS_MAX without."""
        machine = self.machine
        if machine is None or not machine.live:
            return
        made, self.made = self.made, machine.seq
        stands = made == machine.seq and (not self.files or inside(frame, self.files))
        self.ticks = self.ticks + 1 if stands else 0
        if self.ticks >= (TICKS_INSIDE_MAX if self.files else TICKS_MAX):
            self.machine = None
            raise Spun(f"no step for {self.ticks * TICK_SECONDS:.0f} seconds: is this a loop without an end?")


def inside(frame: FrameType | None, files: frozenset[str]) -> bool:
    """Return whether ``frame`` or one that called it runs code of one of ``files``."""
    while frame is not None:
        if frame.f_code.co_filename in files:
            return True
        frame = frame.f_back
    return False


WATCHDOG = Watchdog()
"""The process's own."""
