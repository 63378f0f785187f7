"""What a worker is doing at this moment, in a page that outlives it.

The supervisor makes the page (a memfd, so it has no name) and hands its descriptor to one worker,
which writes down each execution before it begins. After a SIGKILL the supervisor still reads which
case and seed were running.
"""

from __future__ import annotations

import mmap
import os

LEASE, CASE, SEED, STARTED = range(4)
"""The words: the lease, the case's number, the seed, and how many executions this worker has begun.
"""

BYTES = 32


class Pulse:
    """The page; both sides make one, the worker from the descriptor it inherited."""

    def __init__(self, fd: int = -1) -> None:
        if fd < 0:
            fd = os.memfd_create("zapstress-pulse", os.MFD_CLOEXEC)
            os.ftruncate(fd, BYTES)
        self.fd = fd
        self._map = mmap.mmap(fd, BYTES)
        self.words = memoryview(self._map).cast("q")

    @property
    def held(self) -> tuple[int, int] | None:
        """Return (case, seed) of the execution that is running or was the last, or None if none has
        begun.
        """
        return (self.words[CASE], self.words[SEED]) if self.words[STARTED] else None

    def close(self) -> None:
        """Unmap the page; it is gone with its last descriptor."""
        self.words.release()
        self._map.close()
        os.close(self.fd)
