"""The arena: one block, restored by one copy, attached by descriptor, dumped whole, and leaving
nothing behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.core.arena import MACHINE, PRIVATE, Arena, Field, Layout
from sim.core.errors import ArenaError

ROOT = Path(__file__).resolve().parents[2]
FIELDS = [Field("stamp", 2, MACHINE), Field("pte", 8), Field("nest", 3, PRIVATE)]

ATTACH = """
import sys
from sim.core.arena import *
arena = Arena.attach(Layout([Field("stamp", 2, MACHINE), Field("pte", 8), Field("nest", 3, PRIVATE)]), int(sys.argv[1]))
assert arena["pte"][3] == 77
arena["pte"][4] = 78
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def arena() -> Iterator[Arena]:
    """A block, closed after the test."""
    made = Arena.create(Layout(FIELDS))
    yield made
    made.close()


def test_model_region_comes_first() -> None:
    """The machine's fields stand behind the model's, whatever the order of declaration."""
    layout = Layout(FIELDS)
    assert layout.offsets == {"pte": 0, "nest": 64, "stamp": 88}
    assert (layout.model_bytes, layout.bytes) == (88, 104)


def test_field_declared_twice() -> None:
    """Two fields of a name are refused, by name."""
    with pytest.raises(ArenaError, match="declared twice: pte"):
        Layout([Field("pte", 1), Field("pte", 2)])


def test_a_closed_block_is_unmapped_whoever_has_looked_at_its_arrays() -> None:
    """Columns outlive the arena in the cycles of a kernel's objects, and keep none of its memory."""
    made = Arena.create(Layout(FIELDS))
    column = made["pte"]
    assert not column.array.any()
    made.close()
    assert made._map.closed and len(column) == 8


def test_restore_puts_everything_back(arena: Arena) -> None:
    """Both regions come back."""
    arena["pte"][0], arena["stamp"][1] = 1, 2
    snapshot = arena.snapshot()
    arena["pte"][0], arena["stamp"][1], arena["nest"][2] = 5, 6, -7
    arena.restore(snapshot)
    assert (arena["pte"][0], arena["stamp"][1], arena["nest"][2]) == (1, 2, 0)


def test_model_hash_speaks_of_the_model_only(arena: Arena) -> None:
    """The machine region does not enter the hash."""
    before = arena.model_hash()
    arena["stamp"][0] = 1
    assert before == arena.model_hash()
    arena["nest"][0] = 1
    assert before != arena.model_hash()


def test_array_is_the_same_memory(arena: Arena) -> None:
    """An audit's numpy array and a step's view are one memory."""
    arena["pte"][2] = -9
    array = arena["pte"].array
    assert array.tolist() == [0, 0, -9, 0, 0, 0, 0, 0]
    array[3] = 4
    assert arena["pte"][3] == 4


def test_dump_and_load(arena: Arena, tmp_path: Path) -> None:
    """A dump loads as an equal block of its own."""
    arena["pte"][1] = 11
    arena.dump(tmp_path / "dump")
    loaded = Arena.load(tmp_path / "dump")
    assert loaded.snapshot() == arena.snapshot()
    loaded["pte"][1] = 12
    assert arena["pte"][1] == 11
    loaded.close()


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b"x" + b, lambda b: b[:-3] + b"\1" + b[-2:], lambda b: b""]
)
def test_damaged_dump(arena: Arena, tmp_path: Path, damage: object) -> None:
    """A dump that is torn, edited or foreign is refused in one line that names it."""
    file = tmp_path / "dump"
    arena.dump(file)
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ArenaError, match="dump: not an arena dump, or damaged"):
        Arena.load(file)


def test_attach_of_another_world(arena: Arena) -> None:
    """A block of another size is not attached."""
    with pytest.raises(ArenaError, match="not the same world"):
        Arena.attach(Layout([Field("pte", 1)]), arena.fd)


def shm_names() -> set[str]:
    """Return what is in /dev/shm."""
    return set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()


@pytest.mark.parametrize("how", [0, signal.SIGTERM, signal.SIGKILL])
def test_attach_from_another_process(arena: Arena, how: int) -> None:
    """A child that got the descriptor sees and changes the block, and however it ends, nothing
    stays behind.
    """
    before = shm_names()
    arena["pte"][3] = 77
    child = subprocess.Popen(
        [sys.executable, "-c", ATTACH, str(arena.fd)],
        cwd=ROOT,
        pass_fds=[arena.fd],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    if how:
        child.send_signal(how)
    child.communicate()
    assert child.returncode == -how
    assert arena["pte"][4] == 78
    assert shm_names() == before


def test_close_twice_and_under_an_audit() -> None:
    """Closing is idempotent, and an array that is still held does no harm."""
    made = Arena.create(Layout(FIELDS))
    held = made["pte"].array
    made.close()
    made.close()
    assert held[0] == 0
