"""Signals: how a long run hears that it is to end, and how a process ends by itself."""

from __future__ import annotations

import signal
from collections.abc import Callable

import trio

from stress.output import tell

CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT)
"""Signals by which compiled code ends its process."""


def heard() -> tuple[signal.Signals, ...]:
    """Return the signals that end a run in good order: SIGTERM, and SIGINT unless it is ignored, as
    it is under nohup and in the background of a script.
    """
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return (signal.SIGTERM,) if ignored else (signal.SIGTERM, signal.SIGINT)


async def end_when_signalled(interrupt: Callable[[], None]) -> None:
    """Call ``interrupt`` at the first signal; raise KeyboardInterrupt at the second."""
    with trio.open_signal_receiver(*heard()) as received:
        async for _ in received:
            interrupt()
            tell("interrupted: what workers have in hand is finished and recorded; once more ends at once")
            break
        async for _ in received:
            raise KeyboardInterrupt
