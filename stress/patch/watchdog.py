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

    def watch(self, machine: Watched) -> None:
        """Watch the execution of ``machine`` that is about to begin, as long as it is live."""
        self.machine, self.made, self.ticks = machine, -1, 0

    def tick(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Look whether a step was made since the last tick. Raises Spun after TICKS_MAX without."""
        machine = self.machine
        if machine is None or not machine.live:
            return
        made, self.made = self.made, machine.seq
        self.ticks = self.ticks + 1 if made == machine.seq else 0
        if self.ticks >= TICKS_MAX:
            self.machine = None
            raise Spun(
                f"it has made no step for {TICKS_MAX * TICK_SECONDS:.0f} seconds: is this a loop without an end?"
            )


WATCHDOG = Watchdog()
"""The process's own."""
