"""Sizes of large folios are set, and put back whatever ends the process."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stress.conform.linux.folio_sizes import ENABLED, SHMEM_ENABLED, ConfiguredSizes, effective, offered
from stress.errors import Skipped
from tests.children import started

WORDS = {
    "hugepages-8kB/shmem_enabled": "always inherit within_size advise [never]\n",
    "hugepages-16kB/enabled": "always inherit madvise [never]\n",
    "hugepages-16kB/shmem_enabled": "always inherit within_size advise [never]\n",
    "hugepages-2048kB/enabled": "always [inherit] madvise never\n",
    "hugepages-2048kB/shmem_enabled": "always [inherit] within_size advise never\n",
    "enabled": "always [madvise] never\n",
    "shmem_enabled": "always within_size advise [never] deny force\n",
}
"""A folder as the kernel shows it; the 8 KiB size has no ``enabled``."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in WORDS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def state(folder: Path) -> dict[str, str]:
    """Return what each file says, in one word."""
    return {
        name: (folder / name).read_text().partition("[")[2].partition("]")[0] or (folder / name).read_text()
        for name in WORDS
    }


def test_what_is_offered_and_what_is_on(folder: Path) -> None:
    assert offered(ENABLED, folder) == (2, 9) and offered(SHMEM_ENABLED, folder) == (1, 2, 9)
    assert effective(ENABLED, folder) == (9,) and effective(SHMEM_ENABLED, folder) == ()


def test_sizes_are_set_and_put_back(folder: Path) -> None:
    before = state(folder)
    with ConfiguredSizes(folder) as sizes:
        sizes.set((2,))
        assert (
            state(folder)["hugepages-16kB/enabled"] == "madvise"
            and state(folder)["hugepages-2048kB/enabled"] == "never"
        )
        sizes.set((9,), (1,))
        assert (
            state(folder)["hugepages-16kB/enabled"] == "never"
            and state(folder)["hugepages-8kB/shmem_enabled"] == "always"
        )
    assert before == state(folder)


def test_two_runs_do_not_take_turns_at_the_switches(folder: Path) -> None:
    """The second would save what the first has set, and put that back at the end."""
    before = state(folder)
    with ConfiguredSizes(folder) as first:
        first.set((2,))
        with pytest.raises(Skipped, match="another run"):
            ConfiguredSizes(folder)
    with ConfiguredSizes(folder) as second:
        second.set((9,))
    assert before == state(folder)


SCRIPT = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from stress.conform.linux.folio_sizes import ConfiguredSizes
sizes = ConfiguredSizes(Path(sys.argv[2]))
sizes.set((2,))
print(sizes.guardian, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_is_ended_leaves_nothing_changed(folder: Path, number: int) -> None:
    before, root = state(folder), str(Path(__file__).resolve().parents[2])
    process = started(
        [sys.executable, "-c", SCRIPT, root, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    guardian = int(process.stdout.readline())
    watched = os.pidfd_open(guardian)
    assert before != state(folder)
    process.send_signal(number)
    process.wait()
    process.stdout.close()
    readable = select.select([watched], [], [], 20)[0]
    os.close(watched)
    assert readable and before == state(folder)


def test_a_kernel_without_sizes_is_skipped(tmp_path: Path) -> None:
    with pytest.raises(Skipped, match="offers no sizes"):
        ConfiguredSizes(tmp_path)
