"""Agents do what they are told, own no private memory, and are gone when their master is."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stress.conform.linux.agent_code import LISTING, code, labels
from stress.conform.linux.agents import LOAD, MADVISE, MMAP, STORE, Agents
from stress.conform.linux.procfs import ProcessFiles
from stress.conform.linux.run import BASE, MAP_ANONYMOUS, MAP_FIXED_NOREPLACE, MAP_PRIVATE, PROT
from stress.conform.observation import PAGE_BYTES
from tests.conformance.machine import needs_the_kernel

FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE


@pytest.fixture
def agents() -> Iterator[Agents]:
    it = Agents(3, min(os.sched_getaffinity(0)))
    yield it
    it.close()


@pytest.mark.skipif(not (shutil.which("as") and shutil.which("objcopy")), reason="there is no assembler")
def test_the_bytes_are_what_the_listing_says(tmp_path: Path) -> None:
    """Reassemble the text column and compare."""
    text = re.sub(r"\b([qd]word) \[", r"\1 ptr [", "\n".join(line[34:] for line in LISTING.splitlines()))
    text = text.replace("nop dword ptr [rax]", ".byte 0x0f, 0x1f, 0")
    source = f".intel_syntax noprefix\n{text}\nsize: .quad 1\nmailbox: .quad 2\n"
    (tmp_path / "a.s").write_text(source)
    subprocess.run(["as", "--64", "a.s", "-o", "a.o"], cwd=tmp_path, check=True)
    subprocess.run(["objcopy", "-O", "binary", "-j", ".text", "a.o", "a.bin"], cwd=tmp_path, check=True)
    assert (tmp_path / "a.bin").read_bytes() == code(1, 2)


def test_the_labels_that_signals_need_are_there() -> None:
    found = labels()
    assert found["entry"] == 0 < found["handler"] < found["restorer"] < len(code(0, 0))


@needs_the_kernel
def test_accesses_system_calls_and_segmentation_faults(agents: Agents) -> None:
    agents.fork(0, 1)
    good = ((MMAP, BASE, PAGE_BYTES, PROT, FLAGS, -1, 0), (STORE, BASE, 77), (LOAD, BASE))
    bad = ((LOAD, BASE + PAGE_BYTES), (STORE, BASE + PAGE_BYTES, 1), (MADVISE, BASE + 1, PAGE_BYTES, 4))
    assert agents.call(1, *good, *bad) == [BASE, 0, 77, -1, -1, -22]


@needs_the_kernel
def test_an_agent_has_no_anonymous_memory_of_its_own(agents: Agents) -> None:
    files = ProcessFiles(agents.fork(0, 1))
    assert files.counters()[0] == 0
    agents.call(1, (MMAP, BASE, PAGE_BYTES, PROT, FLAGS, -1, 0), (STORE, BASE, 1))
    assert files.counters()[0] == PAGE_BYTES // 1024
    files.close()


@needs_the_kernel
def test_processes_and_threads(agents: Agents) -> None:
    agents.fork(0, 1)
    agents.call(1, (MMAP, BASE, PAGE_BYTES, PROT, FLAGS, -1, 0), (STORE, BASE, 5))
    child = agents.fork(1, 2)
    agents.fork(1, 3, thread=True)
    agents.call(3, (STORE, BASE, 6))
    assert [agents.gather(slot, [BASE]) for slot in (1, 2, 3)] == [(6,), (5,), (6,)]
    agents.exit(2)
    assert agents.reap(child) == 0


@needs_the_kernel
def test_what_a_killed_agent_did_not_read_is_not_for_the_next(agents: Agents) -> None:
    """A thread that was to end when its process was killed: the next one with its slot would report
    a second time.
    """
    stopped = agents.fork(0, 1)
    os.kill(stopped, signal.SIGSTOP)
    os.waitid(os.P_PID, stopped, os.WSTOPPED)
    agents.exit(1)
    agents.kill([stopped])
    agents.fork(0, 1)
    assert [agents.call(1, (LOAD, BASE)), agents.call(1, (LOAD, BASE))] == [[-1], [-1]]


MASTER = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from stress.conform.linux.agents import Agents
agents = Agents(2)
pids = [agents.process.pid, agents.fork(0, 1), agents.fork(1, 2)]
print(*pids, flush=True)
time.sleep(60)
"""


@needs_the_kernel
def test_no_agent_outlives_a_master_that_is_killed() -> None:
    root = str(Path(__file__).resolve().parents[2])
    master = subprocess.Popen([sys.executable, "-c", MASTER, root], stdout=subprocess.PIPE, text=True)
    assert master.stdout is not None
    pids = [int(pid) for pid in master.stdout.readline().split()]
    assert len(pids) == 3 and all(re.match(r"\d+ ", Path(f"/proc/{pid}/stat").read_text()) for pid in pids)
    master.send_signal(signal.SIGKILL)
    master.wait()
    master.stdout.close()
    end = time.monotonic() + 20
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < end, "an agent lives on"
        os.sched_yield()


def alive(pid: int) -> bool:
    """Return whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False
