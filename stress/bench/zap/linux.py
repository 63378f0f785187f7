"""The running kernel, at the same range: how long it takes to tear down memory of one folio size.

The size of folios is what the machine is set to, or is set with ``--configure-mthp`` and put back
(:mod:`stress.conform.linux.folio_sizes`). Folios as large as a PMD maps are mapped by PTEs all the
same, as the model's are: to protect one page of each for a moment splits the mapping.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from stress.conform.linux.folio_sizes import THP, ConfiguredSizes, effective
from stress.errors import Skipped

MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_POPULATE_WRITE, MADV_DONTNEED = 14, 15, 23, 4
READ, WRITE = 1, 2
PMD_BYTES = 2 << 20
MEMORY_SHARE = 0.5
"""The share of the memory that is left which may be taken."""

ENOUGH = 0.99
"""The share of folios that must be of the size that is measured."""

OPERATIONS = ("munmap", "dontneed")
"""What is measured of the running kernel."""


class Linux:
    """Measures the running kernel; ``sizes`` are set by it if they are given, and ``unset`` says
    why they cannot be, although they are to.
    """

    def __init__(self, sizes: ConfiguredSizes | None, unset: str = "") -> None:
        self.sizes, self.unset = sizes, unset
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.mmap.restype = ctypes.c_void_p
        place, size, word = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
        self.libc.mmap.argtypes = [place, size, word, word, word, ctypes.c_long]
        self.libc.munmap.argtypes = [place, size]
        self.libc.madvise.argtypes = self.libc.mprotect.argtypes = [place, size, word]

    def allow_huge_pages(self) -> None:
        """Let this program's own memory have huge pages again, which measuring another size has
        switched off.
        """
        if self.sizes is not None:
            with suppress(Skipped):
                self.sizes.set([(PMD_BYTES // mmap.PAGESIZE).bit_length() - 1])

    def why_not(self, order: int, size: int = 0) -> str:
        """Return why ``size`` bytes in folios of ``order`` cannot be had, or ""."""
        if size > available() * MEMORY_SHARE:
            return f"{size >> 20} MiB are more than this machine can give away: take a smaller --size"
        kib = os.sysconf("SC_PAGE_SIZE") << order >> 10
        on = effective()
        if not order or self.sizes is not None or (on and max(on) == order):
            return ""
        if self.unset:
            return f"folios of {kib} KiB are not what this machine is set to, and {self.unset}"
        return f"folios of {kib} KiB are not what this machine is set to: add --configure-mthp, as root"

    def _call(self, name: str, *args: int) -> int:
        found = getattr(self.libc, name)(*args)
        if found in (-1, None):
            raise Skipped(f"{name}() of the running kernel: {os.strerror(ctypes.get_errno())}")
        return int(found)

    def measure(self, operation: str, size: int, order: int) -> float:
        """Return the milliseconds of CPU time that an operation on ``size`` bytes takes. Raises
        Skipped.
        """
        if self.sizes is not None:
            self.sizes.set([order] if order else [])
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        whole = size + PMD_BYTES
        base = self._call("mmap", 0, whole, READ | WRITE, flags, -1, 0)
        addr = -(-base // PMD_BYTES) * PMD_BYTES
        try:
            self._fill(addr, size, order)
            began = time.thread_time_ns()
            if operation == "munmap":
                self.libc.munmap(addr, size)
            else:
                self.libc.madvise(addr, size, MADV_DONTNEED)
            return (time.thread_time_ns() - began) / 1e6
        finally:
            self.libc.munmap(base, whole)

    def _fill(self, addr: int, size: int, order: int) -> None:
        """Populate [addr, addr + size) with folios of ``order``, mapped by PTEs."""
        self._call("madvise", addr, size, MADV_HUGEPAGE if order else MADV_NOHUGEPAGE)
        before = allocated(order)
        self._call("madvise", addr, size, MADV_POPULATE_WRITE)
        bytes_ = os.sysconf("SC_PAGE_SIZE") << order
        if order and allocated(order) - before < ENOUGH * size / bytes_:
            raise Skipped(f"the running kernel had too few free folios of {bytes_ >> 10} KiB")
        if bytes_ >= PMD_BYTES:
            for at in range(addr, addr + size, bytes_):
                self._call("mprotect", at, mmap.PAGESIZE, READ)
                self._call("mprotect", at, mmap.PAGESIZE, READ | WRITE)


def available() -> int:
    """Return how many bytes of memory the machine could give away."""
    found = re.search(r"MemAvailable: *(\d+) kB", Path("/proc/meminfo").read_text())
    return int(found[1]) << 10 if found else 0


def allocated(order: int) -> int:
    """Return how many anonymous folios of ``order`` page faults have allocated so far."""
    kib = os.sysconf("SC_PAGE_SIZE") << order >> 10
    try:
        return int((THP / f"hugepages-{kib}kB" / "stats" / "anon_fault_alloc").read_text())
    except OSError:
        return 0


@contextmanager
def opened(configure: bool) -> Iterator[Linux]:
    """Yield what measures the running kernel; with ``configure``, sizes are set, and put back.

    Where they cannot be set the models are measured all the same.
    """
    with ExitStack() as stack:
        sizes, unset = None, ""
        if configure:
            try:
                sizes = stack.enter_context(ConfiguredSizes())
            except Skipped as error:
                unset = str(error)
        yield Linux(sizes, unset)
