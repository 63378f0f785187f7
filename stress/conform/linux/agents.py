"""Real processes that do what they are told, and nothing else: started, ordered about, waited for,
and gone when their master is.

Each thread of theirs has a *slot* of the mailbox, which is a memfd that master and agents share;
the agent code is described in :mod:`stress.conform.linux.agent_code`. The first agent is executed
from a memfd, so that it inherits nothing of the interpreter; it unmaps its stack and forks the
first process of every program. All are the master's own children (CLONE_PARENT), and hold no end of
a pipe that keeps another alive.
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
GATHER_MAX = (SLOT_BYTES // 2 - GATHER_AT) // 8
PATH_AT = SLOT_BYTES // 2
"""Where in a slot the master leaves strings."""

LOAD, STORE, GATHER, FORK, BARRIER = range(0x1000, 0x1005)
"""What is no system call: of the agent code."""

READ, MMAP, MPROTECT, MUNMAP, RT_SIGACTION, MADVISE, EXIT, SCHED_SETAFFINITY, OPENAT, SYNC_FILE_RANGE = (
    0,
    9,
    10,
    11,
    13,
    28,
    60,
    203,
    257,
    277,
)
"""System calls of x86-64 by number."""

CLONE_PARENT, CLONE_THREAD_FLAGS = 0x8000, 0x100 | 0x200 | 0x400 | 0x800 | 0x10000
"""CLONE_THREAD_FLAGS: CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD."""

USER_TOP = 0x7FFF_FFFF_F000
SIGACTION = struct.Struct("<4Q")
SA_FLAGS = 0x4 | 0x04000000 | 0x40000000
"""SA_SIGINFO, SA_RESTORER, SA_NODEFER."""

SECONDS_MAX = 20
"""How long an agent may take over an order before it is given up."""

Order = tuple[int, ...]
"""What, and up to six arguments."""


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
            f"agent code is there for Linux on x86_64, and this is {platform.system()} on {platform.machine()}: nothing can be compared here"
        )


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
        """Execute the first agent; let it unmap what it was born with, catch its own faults, and
        stay on one CPU.
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
            self.put(
                0, PATH_AT, struct.pack("<16Q", *(1 << cpu % 64 if word == cpu // 64 else 0 for word in range(16)))
            )
            self.call(0, (SCHED_SETAFFINITY, 0, 128, self.address(0, PATH_AT)))

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

    def load(self, slot: int, orders: Sequence[Order]) -> None:
        """Put operations into a slot, to be run at the next order."""
        assert len(orders) <= OPERATIONS_MAX
        self.put(slot, 0, struct.pack("<Q", len(orders)))
        words = b"".join(
            OPERATION.pack(*(word & (1 << 64) - 1 for word in order), *(0,) * (8 - len(order))) for order in orders
        )
        self.put(slot, OPERATIONS_AT, words)

    def results(self, slot: int, count: int) -> list[int]:
        """Return the results of the operations that the slot held."""
        return [self.get(slot, OPERATIONS_AT + n * OPERATION.size + 56, 1)[0] for n in range(count)]

    # -- orders ----------------------------------------------------------------------------------------------------

    def call(self, slot: int, *orders: Order) -> list[int]:
        """Let an agent run operations, and return their results."""
        self.load(slot, orders)
        self.order(slot)
        self.await_reports(slot)
        return self.results(slot, len(orders))

    def order(self, *slots: int) -> None:
        """Let agents run what their slots hold."""
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
        """Let an agent start another, in a process of its own or as a thread; return its number."""
        self.load(child, ())
        self.load(slot, [self.fork_order(child, thread)])
        self.order(slot)
        self.await_reports(slot, child)
        pid = self.results(slot, 1)[0]
        if not thread:
            self.own(pid)
        return pid

    def own(self, pid: int) -> None:
        """Take note of a child.

        What is no number of a process is an error: signals to such numbers go to others.
        """
        if pid <= 1:
            raise AgentError(f"an agent could not fork: {os.strerror(-pid) if pid < 0 else 'it gives no process'}")
        self.pids.add(pid)

    def fork_order(self, child: int, thread: bool = False) -> Order:
        """Return the operation that starts the agent of slot ``child``."""
        flags = CLONE_THREAD_FLAGS if thread else CLONE_PARENT | signal.SIGCHLD
        return (FORK, flags, self.address(child))

    def gather(self, slot: int, addresses: Sequence[int]) -> tuple[int, ...]:
        """Let an agent load the word at each address."""
        self.put(slot, GATHER_AT, struct.pack(f"<{len(addresses)}Q", *addresses))
        self.call(slot, (GATHER, len(addresses)))
        return self.get(slot, GATHER_AT, len(addresses))

    def open(self, slot: int, path: str) -> int:
        """Let an agent open a file for reading and writing; return its descriptor."""
        self.put(slot, PATH_AT, path.encode() + b"\0")
        fd = self.call(slot, (OPENAT, -100, self.address(slot, PATH_AT), os.O_RDWR))[0]
        if fd < 0:
            raise AgentError(f"{path}: {os.strerror(-fd)}")
        return fd

    # -- the end ---------------------------------------------------------------------------------------------------

    def exit(self, slot: int) -> None:
        """Let a thread end; its process ends with its last."""
        self.load(slot, [(EXIT, 0)])
        self.order(slot)

    def reap(self, pid: int) -> int:
        """Wait for the end of a process, which includes that of its address space; return its
        status.
        """
        self.pids.discard(pid)
        return os.waitpid(pid, 0)[1]

    def kill(self, pids: Iterable[int]) -> None:
        """End processes at once."""
        for pid in list(pids):
            assert pid > 1, "numbers below are not of one process"
            os.kill(pid, signal.SIGKILL)
            self.reap(pid)

    def close(self) -> None:
        """End all agents."""
        self.kill(self.pids)
        self.process.kill()
        self.process.wait()
        for fd in (self.fd, self.reports, self._report_end, *self.ends, *self.orders):
            os.close(fd)
        self.mailbox.close()
