"""The kernel's side: a program in real processes on one CPU, operation by operation, and what /proc
shows of them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from stress.conform.linux.agents import (
    FALLOCATE,
    FTRUNCATE,
    LOAD,
    MADVISE,
    MMAP,
    MPROTECT,
    MUNMAP,
    PATH_AT,
    PREAD64,
    PWRITE64,
    STORE,
    SYNC_FILE_RANGE,
    AgentCall,
    Agents,
)
from stress.conform.linux.procfs import ANON, BLOCK, DIRTY, EXCLUSIVE, ONCE, PFN, ZERO, KernelFrames, ProcessFiles
from stress.conform.observation import (
    HUGE,
    PAGE_BYTES,
    PAGE_KIB,
    ZERO_PAGE,
    FrameNames,
    Page,
    Process,
    Vma,
    file_token,
    token_of,
)
from stress.programs.operation import Operation
from stress.programs.program import Program
from stress.programs.space import File

BASE = 1 << 40
"""The address of page 0 of the model: the beginning of a page table, and far from what the agent
has mapped.
"""

PROT, MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS, MAP_FIXED_NOREPLACE = 3, 1, 2, 0x20, 0x100000
MADV_RANDOM, MADV_HUGEPAGE, MADV_NOHUGEPAGE = 1, 14, 15
PUNCH_HOLE = 1 | 2
"""FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE."""
SYNC_FLAGS = 7
"""SYNC_FILE_RANGE_WAIT_BEFORE, _WRITE, _WAIT_AFTER."""

UPPER_TABLES = 2
"""Page tables above the lowest level that a program's first mapping adds to VmPTE, one PUD and one
PMD table: BASE is in another entry of the PGD than the agent's own mappings, and a window is
smaller than the GiB of a PMD table. The model has the lowest level alone.
"""

FOLDER = "/var/tmp"
"""Where regular files are made; without a name."""


class LinuxRun:
    """One program in real processes: execute operations, observe after each, close at the end."""

    def __init__(self, agents: Agents, frames: KernelFrames, program: Program) -> None:
        self.agents, self.kernel, self.program = agents, frames, program
        self.space = program.space()
        self.number = 0
        self.seen = FrameNames(-1)
        self.pids = {0: agents.fork(0, 1)}
        """Process -> pid."""
        self.tids = {0: self.pids[0]}
        """Thread -> its number in the kernel."""
        self.proc = {0: ProcessFiles(self.pids[0])}
        self.splits = 0
        """Times that a process had pages mapped by PMDs, which were split before they were
        compared.
        """
        self.direct: dict[int, int] = {}
        """Regular file -> a descriptor of it for direct access."""
        self.fds, self.inodes = self._open_files()
        self.base_tables = self.proc[0].counters()[3] // PAGE_KIB
        """Page tables that the agent has before the program maps anything."""

    def _open_files(self) -> tuple[list[int], list[bytes]]:
        """Make the program's files, and let the first process open them."""
        fds, inodes = [], []
        for number, file in enumerate(self.program.files):
            mine = make_file(number, file)
            stat = os.fstat(mine)
            inodes.append(b"%02x:%02x %d" % (os.major(stat.st_dev), os.minor(stat.st_dev), stat.st_ino))
            path = f"/proc/{os.getpid()}/fd/{mine}"
            fds.append(self.agents.open(1, path))
            if not file.memfd:
                self.direct[number] = self.agents.open(1, path, os.O_RDWR | os.O_DIRECT)
            os.close(mine)
            if file.memfd and file.order:
                self._fault_in(number, file, fds[number])
        return fds, inodes

    def _fault_in(self, number: int, file: File, fd: int) -> None:
        """Let the first process store to the pages of shared memory, which makes its large folios,
        and unmap it again.
        """
        self.agents.call(1, (MMAP, BASE, file.pages * PAGE_BYTES, PROT, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0))
        for index in range(file.pages):
            self.agents.call(1, (STORE, self.address(index), file_token(number, index)))
        self.agents.call(1, (MUNMAP, BASE, file.pages * PAGE_BYTES))

    # -- what operations use ---------------------------------------------------------------------------------------

    def address(self, page: int) -> int:
        """Return the address of a page."""
        return BASE + page * PAGE_BYTES

    def calls(self, who: int, calls: Sequence[AgentCall]) -> list[int]:
        """Let the agent of thread ``who`` make calls; return their results."""
        return self.agents.call(who + 1, *calls)

    def store(self, who: int, page: int, nr: int = 1) -> int:
        """Store the running operation's token, plus 1 for each page on."""
        token = token_of(self.number)
        return min(self.calls(who, [(STORE, self.address(page + k), token + k) for k in range(nr)]))

    def load(self, who: int, page: int) -> int:
        """Load from a page."""
        return self.calls(who, [(LOAD, self.address(page))])[0]

    def mmap(self, who: int, start: int, nr: int, file: int, shared: bool, pgoff: int) -> int:
        """Map at a place that must be free; say whether large folios are wanted, and of a regular
        file that nothing is to be read ahead.

        Return 0 or a negative errno.
        """
        flags = (MAP_SHARED if shared else MAP_PRIVATE) | MAP_FIXED_NOREPLACE | (MAP_ANONYMOUS if file < 0 else 0)
        at, size = self.address(start), nr * PAGE_BYTES
        regular = file >= 0 and not self.program.files[file].memfd
        large = self.program.files[file].order if file >= 0 and not regular else self.program.orders and not regular
        advice = [MADV_HUGEPAGE if large else MADV_NOHUGEPAGE, *[MADV_RANDOM] * regular]
        fd = self.fds[file] if file >= 0 else -1
        mapped = (MMAP, at, size, PROT, flags, fd, pgoff * PAGE_BYTES)
        got, *advised = self.calls(who, [mapped, *((MADVISE, at, size, what) for what in advice)])
        return got if got < 0 else min(advised) if got == at else -1

    def munmap(self, who: int, start: int, nr: int) -> int:
        """munmap()."""
        return self.calls(who, [(MUNMAP, self.address(start), nr * PAGE_BYTES)])[0]

    def madvise(self, who: int, start: int, nr: int, advice: int) -> int:
        """madvise()."""
        return self.calls(who, [(MADVISE, self.address(start), nr * PAGE_BYTES, advice)])[0]

    def sync_file_range(self, who: int, file: int, pgoff: int, nr: int) -> int:
        """Write out, and wait for it."""
        return self.calls(who, [(SYNC_FILE_RANGE, self.fds[file], pgoff * PAGE_BYTES, nr * PAGE_BYTES, SYNC_FLAGS)])[0]

    def ftruncate(self, who: int, file: int, halves: int) -> int:
        """ftruncate()."""
        return self.calls(who, [(FTRUNCATE, self.fds[file], halves * PAGE_BYTES // 2)])[0]

    def punch_hole(self, who: int, file: int, pgoff: int, nr: int) -> int:
        """fallocate()."""
        return self.calls(who, [(FALLOCATE, self.fds[file], PUNCH_HOLE, pgoff * PAGE_BYTES, nr * PAGE_BYTES)])[0]

    def direct_write(self, who: int, file: int, pgoff: int, nr: int) -> int:
        """Read pages into the agent's slot, and write them back, both past the page cache."""
        buffer, size = self.agents.address(who + 1, PATH_AT), nr * PAGE_BYTES
        calls = [(call, self.direct[file], buffer, size, pgoff * PAGE_BYTES) for call in (PREAD64, PWRITE64)]
        results = self.calls(who, calls)
        return 0 if results == [size, size] else min(*results, -1)

    def fork(self, who: int) -> int:
        """Fork into the next process and thread."""
        pid = self.agents.fork(who + 1, self.space.slots + 1)
        if pid > 0:
            self.born(pid)
        return min(0, pid)

    def born(self, pid: int) -> None:
        """Take note of the next process."""
        self.pids[self.space.processes] = self.tids[self.space.slots] = pid
        self.proc[self.space.processes] = ProcessFiles(pid)

    def thread(self, who: int) -> int:
        """Start the next thread."""
        tid = self.agents.fork(who + 1, self.space.slots + 1, thread=True)
        self.tids[self.space.slots] = tid
        return min(0, tid)

    def exit(self, who: int) -> int:
        """End a thread; if it was the last of its process, wait until the address space is gone."""
        process = self.space.threads[who]
        self.agents.exit(who + 1)
        others = [thread for thread, owner in self.space.threads.items() if owner == process and thread != who]
        if others:
            self.proc[process].follow(self.tids[others[0]])
        else:
            self.proc.pop(process).close()
            self.agents.reap(self.pids.pop(process))
        return 0

    # -- running ---------------------------------------------------------------------------------------------------

    def execute(self, number: int, operation: Operation) -> int:
        """Run an operation, which takes effect on the space; return its result."""
        self.number = number
        result = operation.linux(self)
        operation.effect(self.space)
        if HUGE in self.program.orders:
            self._split_pmds()
        return result

    def _split_pmds(self) -> None:
        """Have every page that a PMD maps mapped by PTEs: forbid and allow writes to one page of
        each block (__split_huge_pmd).
        """
        for process, files in self.proc.items():
            if process in self.space.regions and files.huge():
                who = next(who for who, owner in self.space.threads.items() if owner == process)
                for region in self.space.regions[process]:
                    for block in range(-(-region.start // BLOCK) * BLOCK, region.end - BLOCK + 1, BLOCK):
                        at = self.address(block + 1)
                        self.calls(who, [(MPROTECT, at, PAGE_BYTES, 1), (MPROTECT, at, PAGE_BYTES, PROT)])
                self.splits += 1

    def close(self) -> None:
        """End the processes."""
        for files in self.proc.values():
            files.close()
        self.agents.kill(self.pids.values())

    # -- observing -------------------------------------------------------------------------------------------------

    def observe(self) -> dict[int, Process]:
        """Return the living processes. A thread of each reads its contents, after all of /proc has
        been read.
        """
        first, count = BASE // PAGE_BYTES + self.program.first, self.program.pages
        present = {process: self.proc[process].present(first, count) for process in sorted(self.space.regions)}
        shown = self.kernel.read({entry & PFN for entries in present.values() for entry in entries.values()})
        folios = self.kernel.folios(shown)
        rest = {process: self._rest(process) for process in present}
        contents = {process: self._contents(process, list(entries)) for process, entries in present.items()}
        self.seen.begin()
        found = {}
        for process, entries in present.items():
            pages = {
                addr: page(addr, entry, shown[entry & PFN], folios[entry & PFN], self.seen, contents[process][k])
                for addr, k, entry in ((self.program.first + k, k, entry) for k, entry in entries.items())
            }
            found[process] = Process(pages, *rest[process])
        return found

    def _contents(self, process: int, pages: list[int]) -> dict[int, int]:
        """Let a thread of the process read the first word of pages that are present."""
        who = next(who for who, owner in self.space.threads.items() if owner == process)
        words = self.agents.gather(who + 1, [self.address(self.program.first + k) for k in pages]) if pages else ()
        return dict(zip(pages, words, strict=True))

    def _rest(self, process: int) -> tuple[tuple[Vma, ...], tuple[int, int, int], int]:
        """Return mappings, RSS in pages and page tables, less what the agent itself has."""
        files, vmas, own = self.proc[process], [], 0
        for start, end, perms, offset, inode, fields in files.mappings():
            if BASE <= start < 2 * BASE:
                vmas.append(self._vma(start, end, perms, offset, inode, fields))
            else:
                own += fields[0] // PAGE_KIB
        anon, file, shmem, tables = (kib // PAGE_KIB for kib in files.counters())
        return tuple(vmas), (anon, file, shmem - own), max(0, tables - self.base_tables - UPPER_TABLES)

    def _vma(self, start: int, end: int, perms: bytes, offset: int, inode: bytes, fields: list[int]) -> Vma:
        file = self.inodes.index(inode) if inode in self.inodes else -1
        rss, pss, *sums = fields
        first, last = (start - BASE) // PAGE_BYTES, (end - BASE) // PAGE_BYTES
        pages = [kib // PAGE_KIB for kib in sums]
        return Vma(first, last, perms[3:] == b"s", file, offset // PAGE_BYTES, rss // PAGE_KIB, pss, *pages)


def page(
    addr: int, entry: int, shown: tuple[int, int], folio: tuple[int, int], names: FrameNames, content: int
) -> Page:
    """Return page ``addr`` from its entry of pagemap, from (mapcount, flags) of its frame and from
    (head, order) of its folio.
    """
    (count, flags), (head, order), frame = shown, folio, entry & PFN
    if flags & ZERO:
        return ZERO_PAGE._replace(content=content)
    anon = bool(flags & ANON)
    name = names.name(frame, addr if anon else FrameNames.FILE)
    exclusive, dirty = anon and bool(flags & EXCLUSIVE), bool(flags & DIRTY)
    return Page(name, count, bool(entry & ONCE), anon, exclusive, order, frame - head, dirty, content)


def make_file(number: int, file: File) -> int:
    """Make a file; return a descriptor.

    Its pages are in the page cache, in folios of its order as far as the file system makes them;
    shared memory that is to have large folios is empty.
    """
    fd = os.memfd_create("zapstress-program") if file.memfd else os.open(FOLDER, os.O_TMPFILE | os.O_RDWR)
    if file.memfd and file.order:
        os.ftruncate(fd, file.pages * PAGE_BYTES)
        return fd
    step = 1 << file.order
    for index in range(0, file.pages, step):
        tokens = [file_token(number, index + k).to_bytes(8, "little") for k in range(step)]
        os.pwrite(fd, b"".join(token + bytes(PAGE_BYTES - 8) for token in tokens), index * PAGE_BYTES)
    if file.clean:
        os.fdatasync(fd)
    return fd
