"""Reads pagemap, kpagecount, kpageflags, smaps and status of /proc.

Reading changes nothing, and touches no page of the process that is read.

Descriptors are kept open and read with pread. A descriptor of /proc/PID/pagemap belongs to the
address space that the process had when it was opened; it stays good when the thread whose number is
in the path has ended.
"""

from __future__ import annotations

import os
import re
import struct

from stress.conform.observation import HUGE, PAGE_BYTES
from stress.errors import Skipped

PRESENT, ONCE, PFN = 1 << 63, 1 << 56, (1 << 55) - 1
DIRTY, ANON, HEAD, TAIL, ZERO, EXCLUSIVE = 1 << 4, 1 << 12, 1 << 15, 1 << 16, 1 << 24, 1 << 34
"""Bits of kpageflags.

EXCLUSIVE is PG_mappedtodisk's bit, which means PG_anon_exclusive on an anonymous page.
"""

BLOCK = 1 << HUGE
"""Pages of the largest folio. A folio is aligned to its size, and so lies within one aligned block
of BLOCK pages.
"""

NEEDED = ("/proc/self/pagemap", "/proc/kpagecount", "/proc/kpageflags", "/proc/self/smaps", "/proc/self/status")

MAPPING = re.compile(
    rb"^([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) (\S+) (\d+)[^\n]*\n((?:[A-Z][^\n]*\n)+)", re.MULTILINE
)
SMAPS_FIELDS = ("Rss", "Pss", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty", "Anonymous")
SMAPS = re.compile(b".*?".join(rb"^%s: *(\d+)" % name.encode() for name in SMAPS_FIELDS), re.MULTILINE | re.DOTALL)
HUGE_PAGES = re.compile(rb"^AnonHugePages: *(\d+)", re.MULTILINE)
STATUS = re.compile(rb"RssAnon:\s*(\d+).*?RssFile:\s*(\d+).*?RssShmem:\s*(\d+).*?VmPTE:\s*(\d+)", re.DOTALL)


def missing() -> str:
    """Return what prevents the reading of page frames, in words, or ``""``."""
    if os.geteuid() != 0:
        return "page frame numbers are shown to root only: run it as root"
    for path in NEEDED:
        if not os.access(path, os.R_OK):
            return f"{path} is not there or not readable: it needs CONFIG_PROC_PAGE_MONITOR, and root"
    with open("/proc/self/pagemap", "rb", buffering=0) as file:
        file.seek(id(file) // PAGE_BYTES * 8)
        if not int.from_bytes(file.read(8), "little") & PFN:
            return "/proc/self/pagemap hides page frame numbers: it needs CAP_SYS_ADMIN"
    return ""


def require() -> None:
    """Raise Skipped unless page frames can be read."""
    why = missing()
    if why:
        raise Skipped(why)


class ProcFile:
    """A file of /proc, kept open until it is closed."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def words(self, index: int, count: int) -> tuple[int, ...]:
        """Return ``count`` 64-bit words from the ``index``-th on; fewer at the end of the file."""
        data = os.pread(self.fd, 8 * count, 8 * index)
        return struct.unpack(f"<{len(data) // 8}Q", data)

    def text(self) -> bytes:
        """Return the whole file."""
        parts, at = [], 0
        while part := os.pread(self.fd, 1 << 20, at):
            parts.append(part)
            at += len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)


RUN_GAP = 8
"""Frames of a gap that are read along, so that one read serves both sides of it."""


class KernelFrames:
    """Page frames as /proc/kpagecount and /proc/kpageflags show them."""

    def __init__(self) -> None:
        self.counts, self.flags = ProcFile("/proc/kpagecount"), ProcFile("/proc/kpageflags")

    def read(self, frames: set[int]) -> dict[int, tuple[int, int]]:
        """Return frame -> (mapcount, flags). Neighbouring frames are read at once."""
        found: dict[int, tuple[int, int]] = {}
        for first, count in runs(frames):
            pairs = zip(self.counts.words(first, count), self.flags.words(first, count), strict=True)
            found |= {first + k: pair for k, pair in enumerate(pairs) if first + k in frames}
        return found

    def folios(self, shown: dict[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
        """Return frame -> (head, order) of its folio, for the frames of ``shown``."""
        found: dict[int, tuple[int, int]] = {}
        for frame, (_, flags) in shown.items():
            if not flags & (HEAD | TAIL):
                found[frame] = frame, 0
            elif frame not in found:
                head, nr = self._extent(frame)
                found.update(dict.fromkeys(range(head, head + nr), (head, nr.bit_length() - 1)))
        return found

    def _extent(self, frame: int) -> tuple[int, int]:
        """Return (head, pages) of a large folio."""
        first = frame // BLOCK * BLOCK
        block = self.flags.words(first, BLOCK)
        at = end = frame - first
        while at and not block[at] & HEAD:
            at -= 1
        while end + 1 < BLOCK and block[end + 1] & TAIL:
            end += 1
        return first + at, end + 1 - at

    def close(self) -> None:
        """Close both files."""
        self.counts.close()
        self.flags.close()


def runs(frames: set[int]) -> list[tuple[int, int]]:
    """Return (first, count) of runs that cover ``frames``, ascending."""
    found: list[tuple[int, int]] = []
    for frame in sorted(frames):
        if found and frame <= sum(found[-1]) + RUN_GAP:
            found[-1] = (found[-1][0], frame - found[-1][0] + 1)
        else:
            found.append((frame, 1))
    return found


class ProcessFiles:
    """pagemap, smaps and status of one process."""

    def __init__(self, pid: int) -> None:
        self.pagemap, self.smaps, self.status = (
            ProcFile(f"/proc/{pid}/{name}") for name in ("pagemap", "smaps", "status")
        )

    def present(self, first: int, count: int) -> dict[int, int]:
        """Return page number (from ``first`` on) -> entry of pagemap, for the pages that are
        present.
        """
        return {k: entry for k, entry in enumerate(self.pagemap.words(first, count)) if entry & PRESENT}

    def mappings(self) -> list[tuple[int, int, bytes, int, bytes, list[int]]]:
        """Return (start, end, permissions, offset, device:inode, SMAPS_FIELDS in KiB) of each
        mapping; start, end and offset are in bytes.
        """
        found = []
        for start, end, perms, offset, device, inode, body in MAPPING.findall(self.smaps.text()):
            fields = SMAPS.search(body)
            assert fields is not None, "smaps has no such fields"
            kib = [int(n) for n in fields.groups()]
            found.append((int(start, 16), int(end, 16), perms, int(offset, 16), device + b" " + inode, kib))
        return found

    def huge(self) -> bool:
        """Return whether a PMD maps anonymous pages."""
        return any(int(kib) for kib in HUGE_PAGES.findall(self.smaps.text()))

    def counters(self) -> tuple[int, int, int, int]:
        """Return (RssAnon, RssFile, RssShmem, VmPTE) in KiB."""
        found = STATUS.search(self.status.text())
        assert found is not None, "status has no such fields"
        anon, file, shmem, tables = (int(n) for n in found.groups())
        return anon, file, shmem, tables

    def follow(self, pid: int) -> None:
        """Read the status of another thread of the process from now on: a thread that has ended has
        an empty one.
        """
        self.status.close()
        self.status = ProcFile(f"/proc/{pid}/status")

    def close(self) -> None:
        """Close all three files."""
        for file in (self.pagemap, self.smaps, self.status):
            file.close()
