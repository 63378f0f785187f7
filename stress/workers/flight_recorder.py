"""What a worker is doing at this moment, in a page of shared memory that outlives the worker.

The supervisor makes the page, a memfd, which has no name in any file system, and hands its
descriptor to one worker. The worker writes down the case and the seed of each execution before it
begins. If the worker is killed, also by SIGKILL, the supervisor still reads what it was executing.
"""

from __future__ import annotations

import ctypes
import mmap
import os

CASE, SEED, STARTED, DOING = range(4)
"""The words: the case's number, the seed, how many executions this worker has begun, and what it is
at.
"""

BYTES = 32


class FlightRecorder:
    """The page. Each side makes one object: the supervisor a new page, the worker from ``fd``, the
    descriptor that it inherited.
    """

    def __init__(self, fd: int = -1) -> None:
        if fd < 0:
            fd = os.memfd_create("zapstress-flight-recorder", os.MFD_CLOEXEC)
            os.ftruncate(fd, BYTES)
        self.fd = fd
        self._map = mmap.mmap(fd, BYTES)
        self._words = memoryview(self._map).cast("q")

    def hold(self, case: int, seed: int) -> None:
        """Write down what is about to be made ready: ``case``, a number, from ``seed`` on."""
        self._words[CASE], self._words[SEED] = case, seed

    def begin(self, seed: int) -> None:
        """Write down that an execution of the case begins with ``seed``."""
        self._words[SEED] = seed
        self._words[STARTED] += 1

    def made(self, more: int) -> None:
        """Write down that the last execution begun was followed by so many ``more``, unannounced."""
        self._words[STARTED] += more

    def turn_to(self, what: int) -> None:
        """Write down what the worker is at from now on, as a number that the readers know."""
        self._words[DOING] = what

    @property
    def doing(self) -> tuple[int, int]:
        """What the worker is at, or 0 if it has said nothing yet; and the case written last."""
        return self._words[DOING], self._words[CASE]

    @property
    def seed_at(self) -> int:
        """The address of the word where the seed is, for what is no Python."""
        return ctypes.addressof(ctypes.c_int64.from_buffer(self._map, 8 * SEED))

    @property
    def seed(self) -> int:
        """The seed written last."""
        return self._words[SEED]

    @property
    def started(self) -> int:
        """How many executions have begun."""
        return self._words[STARTED]

    @property
    def held(self) -> tuple[int, int] | None:
        """The (case, seed) written last; None as long as no execution has begun."""
        return (self._words[CASE], self._words[SEED]) if self.started else None

    def close(self) -> None:
        """Unmap the page, which is gone with its last descriptor."""
        self._words.release()
        self._map.close()
        os.close(self.fd)
