"""Agents: real processes that make the calls they are given, and nothing else.

The *master*, this process, starts agents, gives them calls, waits for their reports and ends them.
Each thread of an agent has a *slot* of the mailbox, a memfd that master and agents share; what is
in a slot is told in :mod:`stress.conform.linux.agent_code`.

The first agent is executed from a memfd, so that it inherits no mapping of the interpreter. It
unmaps its stack, and forks the first process of every program. All agents are children of the
master (CLONE_PARENT). No agent holds the writing end of a pipe that another reads, so that all of
them see the end of file when the master dies.
"""

from __future__ import annotations

import mmap
import os
import platform
import select
import signal
import struct
import subprocess
from collections.abc import Iterable, Sequence

from stress.conform.linux.agent_code import code, labels
from stress.errors import Skipped, ZapstressError

CODE_BASE = 0x200_0000_0000
MAILBOX_BASE = CODE_BASE + (1 << 20)
SLOT_BYTES = 1 << 16
OPERATIONS_AT, GATHER_AT = 0x40, 0x2000
OPERATION = struct.Struct("<8Q")
OPERATIONS_MAX = (GATHER_AT - OPERATIONS_AT) // OPERATION.size
PATH_AT = SLOT_BYTES // 2
"""Where in a slot the master leaves strings and structures, each for one call. A gather of more
than 3072 words overwrites it, when they have been used.
"""

LOAD, STORE, GATHER, FORK, BARRIER = range(0x1000, 0x1005)
"""Operations of the agent code that are no system calls."""

MMAP, MPROTECT, MUNMAP, RT_SIGACTION, MADVISE, EXIT = 9, 10, 11, 13, 28, 60
SCHED_SETAFFINITY, OPENAT, SYNC_FILE_RANGE = 203, 257, 277
PREAD64, PWRITE64, FTRUNCATE, FALLOCATE = 17, 18, 77, 285
"""System calls of x86-64 by number."""

AFFINITY = struct.Struct("<16Q")
"""A mask of CPUs for sched_setaffinity()."""

CLONE_PARENT, CLONE_THREAD_FLAGS = 0x8000, 0x100 | 0x200 | 0x400 | 0x800 | 0x10000
"""CLONE_THREAD_FLAGS: CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD."""

USER_TOP = 0x7FFF_FFFF_F000
SIGACTION = struct.Struct("<4Q")
SA_FLAGS = 0x4 | 0x04000000 | 0x40000000
"""SA_SIGINFO, SA_RESTORER, SA_NODEFER."""

SECONDS_MAX = 20
"""How long the master waits for a report before it gives the agent up."""

AgentCall = tuple[int, ...]
"""What to do (a system call's number, or LOAD to BARRIER), and up to six arguments."""


class AgentError(ZapstressError):
    """An agent died, or does not answer."""

    exit_status = 3


def image(mailbox_bytes: int, mailbox: int) -> bytes:
    """Return an ELF file of one segment that holds the agent code."""
    text = code(mailbox_bytes, mailbox)
    header = struct.pack(
        "<16s2HI3QI6H", b"\x7fELF\x02\x01\x01", 2, 62, 1, CODE_BASE + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<2I6Q", 1, 5, 0, CODE_BASE, CODE_BASE, 120 + len(text), 120 + len(text), 4096)
    return header + segment + text


def supported() -> None:
    """Raise Skipped unless this machine can run the agent code."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise Skipped(
            "agent code is there for Linux on x86_64, and this is"
            f" {platform.system()} on {platform.machine()}: nothing can be compared here"
        )


def affinity(cpu: int) -> bytes:
    """Return the mask of one CPU, as sched_setaffinity() reads it."""
    return AFFINITY.pack(*(1 << cpu % 64 if word == cpu // 64 else 0 for word in range(16)))


class Agents:
    """The agents of one run.

    Slot 0 is the first agent's, 1 to ``threads`` are for the threads of programs.
    """

    def __init__(self, threads: int, cpu: int | None = None) -> None:
        supported()
        self.slots = threads + 1
        size = self.slots * SLOT_BYTES
        self.fd = os.memfd_create("zapstress-mailbox")
        os.ftruncate(self.fd, size)
        self.mailbox = mmap.mmap(self.fd, size)
        self.reports, self._report_end = os.pipe()
        pipes = [os.pipe() for _ in range(self.slots)]
        self.ends, self.orders = [end for end, _ in pipes], [end for _, end in pipes]
        self.poll = select.poll()
        self.poll.register(self.reports, select.POLLIN)
        for slot, end in enumerate(self.ends):
            self.put(slot, 8, struct.pack("<3Q", slot, end, self._report_end))
        self.pids: set[int] = set()
        """Children that have not been waited for."""
        self._start(size, cpu)

    def _start(self, size: int, cpu: int | None) -> None:
        """Execute the first agent; let it unmap its stack and vdso, catch its own faults, and stay
        on ``cpu``.
        """
        executable = os.memfd_create("zapstress-agent")
        os.write(executable, image(size, self.fd))
        passed = (executable, self.fd, self._report_end, *self.ends)
        self.process = subprocess.Popen(["agent"], executable=f"/proc/self/fd/{executable}", pass_fds=passed, env={})
        os.close(executable)
        end = MAILBOX_BASE + size
        self.call(0, (MUNMAP, end, USER_TOP - end), (MUNMAP, 1 << 16, CODE_BASE - (1 << 16)))
        at, where = CODE_BASE + 120, labels()
        self.put(0, PATH_AT, SIGACTION.pack(at + where["handler"], SA_FLAGS, at + where["restorer"], 0))
        for number in (signal.SIGSEGV, signal.SIGBUS):
            self.call(0, (RT_SIGACTION, number, self.address(0, PATH_AT), 0, 8))
        if cpu is not None:
            self.pin(0, cpu)

    def pin(self, slot: int, cpu: int) -> None:
        """Let an agent stay on one CPU."""
        self.put(slot, PATH_AT, affinity(cpu))
        self.call(slot, (SCHED_SETAFFINITY, 0, AFFINITY.size, self.address(slot, PATH_AT)))

    # -- slots -----------------------------------------------------------------------------------------------------

    def address(self, slot: int, at: int = 0) -> int:
        """Return where an agent finds byte ``at`` of a slot."""
        return MAILBOX_BASE + slot * SLOT_BYTES + at

    def put(self, slot: int, at: int, data: bytes) -> None:
        """Write into a slot."""
        first = slot * SLOT_BYTES + at
        self.mailbox[first : first + len(data)] = data

    def get(self, slot: int, at: int, words: int) -> tuple[int, ...]:
        """Read words of a slot."""
        return struct.unpack_from(f"<{words}q", self.mailbox, slot * SLOT_BYTES + at)

    def load(self, slot: int, calls: Sequence[AgentCall]) -> None:
        """Put calls into a slot, to be made at the next order."""
        assert len(calls) <= OPERATIONS_MAX
        self.put(slot, 0, struct.pack("<Q", len(calls)))
        words = b"".join(
            OPERATION.pack(*(word & (1 << 64) - 1 for word in call), *(0,) * (8 - len(call))) for call in calls
        )
        self.put(slot, OPERATIONS_AT, words)

    def results(self, slot: int, count: int) -> list[int]:
        """Return the results of the first ``count`` calls that the slot held."""
        return [self.get(slot, OPERATIONS_AT + n * OPERATION.size + 56, 1)[0] for n in range(count)]

    # -- orders ----------------------------------------------------------------------------------------------------

    def call(self, slot: int, *calls: AgentCall) -> list[int]:
        """Let an agent make calls; return their results."""
        self.load(slot, calls)
        self.order(slot)
        self.await_reports(slot)
        return self.results(slot, len(calls))

    def order(self, *slots: int) -> None:
        """Let agents make the calls that their slots hold."""
        for slot in slots:
            os.write(self.orders[slot], b"x")

    def await_reports(self, *slots: int) -> None:
        """Wait until each of ``slots`` has reported."""
        missing = set(slots)
        while missing:
            if not self.poll.poll(SECONDS_MAX * 1000):
                raise AgentError(
                    f"agent {min(missing)} has not answered for {SECONDS_MAX} s; is the machine overloaded?"
                )
            missing.remove(int.from_bytes(os.read(self.reports, 8), "little"))

    def fork(self, slot: int, child: int, thread: bool = False) -> int:
        """Let an agent start another, in a process of its own or as a thread; return its pid or
        tid.
        """
        self.load(child, ())
        self.load(slot, [self.fork_call(child, thread)])
        self.order(slot)
        self.await_reports(slot, child)
        pid = self.results(slot, 1)[0]
        if not thread:
            self.own(pid)
        return pid

    def own(self, pid: int) -> None:
        """Take note of a child, to be killed at the end. Raises AgentError if ``pid`` is an errno.

        A signal to a number below 2 would go to whole groups of other processes.
        """
        if pid <= 1:
            raise AgentError(f"an agent could not fork: {os.strerror(-pid) if pid < 0 else 'it gives no process'}")
        self.pids.add(pid)

    def fork_call(self, child: int, thread: bool = False) -> AgentCall:
        """Return the call that starts the agent of slot ``child``."""
        flags = CLONE_THREAD_FLAGS if thread else CLONE_PARENT | signal.SIGCHLD
        return (FORK, flags, self.address(child))

    def gather(self, slot: int, addresses: Sequence[int]) -> tuple[int, ...]:
        """Let an agent load the word at each address."""
        self.put(slot, GATHER_AT, struct.pack(f"<{len(addresses)}Q", *addresses))
        self.call(slot, (GATHER, len(addresses)))
        return self.get(slot, GATHER_AT, len(addresses))

    def open(self, slot: int, path: str, flags: int = os.O_RDWR) -> int:
        """Let an agent open a file, for reading and writing; return its descriptor. Raises
        AgentError.
        """
        self.put(slot, PATH_AT, path.encode() + b"\0")
        fd = self.call(slot, (OPENAT, -100, self.address(slot, PATH_AT), flags))[0]
        if fd < 0:
            raise AgentError(f"{path}: {os.strerror(-fd)}")
        return fd

    # -- the end ---------------------------------------------------------------------------------------------------

    def exit(self, slot: int) -> None:
        """Let a thread end; with its last thread a process ends."""
        self.load(slot, [(EXIT, 0)])
        self.order(slot)

    def reap(self, pid: int) -> int:
        """Wait for the end of a process, which includes that of its address space; return its
        status.
        """
        self.pids.discard(pid)
        return os.waitpid(pid, 0)[1]

    def kill(self, pids: Iterable[int]) -> None:
        """Kill processes, and wait for their end."""
        for pid in list(pids):
            assert pid > 1, "numbers below are not of one process"
            os.kill(pid, signal.SIGKILL)
            self.reap(pid)
        self._take_back_orders()

    def _take_back_orders(self) -> None:
        """Take back what agents were killed too early to read, as a thread that was to end: whoever
        has the slot next would carry it out.
        """
        unread = select.poll()
        for end in self.ends[1:]:
            unread.register(end, select.POLLIN)
        for end, _ in unread.poll(0):
            os.read(end, select.PIPE_BUF)

    def close(self) -> None:
        """End all agents."""
        self.kill(self.pids)
        self.process.kill()
        self.process.wait()
        for fd in (self.fd, self.reports, self._report_end, *self.ends, *self.orders):
            os.close(fd)
        self.mailbox.close()
