"""What a worker's time goes into: a clock that always runs, on one account at a time.

A worker's time is what passes from the moment at which the supervisor starts its process. Every
second of it is on one account, so the shares of the accounts sum to 1. Seconds are those of the
wall: a worker that waits for a core is at whatever it would be doing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

STARTING, OPENING, EXECUTING = "starting", "opening", "executing"
COMPARING, MEASURING, PROVING = "comparing", "measuring", "proving"
REPORTING, TWINS, SURVEYING, ERRANDS, IDLE = "reporting", "twins", "surveying", "errands", "idle"

ACCOUNTS: dict[str, str] = {
    EXECUTING: "executing leases, each execution from the restore to the end of its audit",
    COMPARING: "executing leases natively and in Python, the same executions",
    MEASURING: "naming the classes of measured executions",
    PROVING: "searching cases to their end, with the opening of each",
    OPENING: "opening the cases of leases: composing the kernel, running the setup",
    TWINS: "running a second time what another worker has run, with the opening of its case",
    REPORTING: "counting what came of leases, making the evidence of failures, sending answers",
    SURVEYING: "finding out which methods of the model cases reach, to aim at those that are overridden",
    ERRANDS: "trying old failures again, looking for new ones without the patch, and for those of other patches",
    STARTING: "starting: importing the model, and starting the processes of the parallel machine",
    IDLE: "waiting for orders",
}
"""The accounts, each with what the seconds on it are spent on."""


NUMBERS = {name: number for number, name in enumerate(ACCOUNTS, 1)}
"""The accounts as numbers, by which one process tells another where it is; 0 is none."""

NAMES = {number: name for name, number in NUMBERS.items()}


class Clock:
    """The accounts of one worker; ``began`` is when its time began, in seconds of perf_counter;
    ``turned`` is told the number of each account that it goes on with.
    """

    def __init__(self, began: float | None = None, turned: Callable[[int], None] = lambda number: None) -> None:
        self._turned = turned
        self._account = STARTING
        self._since = perf_counter() if began is None else began
        self._seconds = dict.fromkeys(ACCOUNTS, 0.0)
        self._only = ""

    @contextmanager
    def all_on(self, account: str) -> Iterator[None]:
        """Keep all time of this block on ``account``, whatever is asked for; on none if it is
        ``""``. What is taken meanwhile is empty: its receiver counts no time.
        """
        if account:
            self.to(account)
        self._only = account
        try:
            yield
        finally:
            self._only = ""

    def to(self, account: str) -> float:
        """Go on with ``account``; return the present moment."""
        now = perf_counter()
        self._seconds[self._account] += now - self._since
        self._account, self._since = self._only or account, now
        self._turned(NUMBERS[self._account])
        return now

    def spent(self, account: str) -> float:
        """Return the seconds of an account since they were last taken; it is not the present one."""
        return self._seconds[account]

    def take(self) -> dict[str, float]:
        """Return the seconds of each account since they were last taken."""
        self.to(self._account)
        if self._only:
            return {}
        taken, self._seconds = self._seconds, dict.fromkeys(ACCOUNTS, 0.0)
        return taken
