"""Reads which sizes of large folios the kernel may use, and with ``--configure-mthp`` sets them.

A *guardian* puts back what was set: a child process that waits for the end of this one, be it in
order, by an interrupt or by SIGKILL.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from stress.errors import Skipped, StorageError

THP = Path("/sys/kernel/mm/transparent_hugepage")
ENABLED, SHMEM_ENABLED = "enabled", "shmem_enabled"
OFF = "never"
"""The word that switches a size off."""
ON = {ENABLED: "madvise", SHMEM_ENABLED: "always"}
"""The words that switch a size on: for anonymous memory where MADV_HUGEPAGE asks for it, for shared
memory wherever it is written.
"""


def chosen(text: str) -> str:
    """Return the word in brackets."""
    found = re.search(r"\[([\w+]+)\]", text)
    return found[1] if found else text.strip()


def switches(folder: Path = THP) -> dict[int, dict[str, Path]]:
    """Return order -> {switch: its file}, for the sizes that this kernel offers, ascending."""
    page_kib = os.sysconf("SC_PAGE_SIZE") // 1024
    found: dict[int, dict[str, Path]] = {}
    for size in folder.glob("hugepages-*kB"):
        kib = int(size.name.removeprefix("hugepages-").removesuffix("kB"))
        files = {name: size / name for name in (ENABLED, SHMEM_ENABLED) if (size / name).exists()}
        found[(kib // page_kib).bit_length() - 1] = files
    return dict(sorted(found.items()))


def offered(which: str, folder: Path = THP) -> tuple[int, ...]:
    """Return the orders that have a switch ``which``."""
    return tuple(order for order, files in switches(folder).items() if which in files)


def effective(which: str = ENABLED, folder: Path = THP) -> tuple[int, ...]:
    """Return the orders that are on at the moment, for memory with MADV_HUGEPAGE."""
    if not (folder / which).exists():
        return ()
    top = chosen((folder / which).read_text())
    states = {order: chosen(files[which].read_text()) for order, files in switches(folder).items() if which in files}
    return tuple(
        order for order, state in states.items() if (top if state == "inherit" else state) not in (OFF, "deny")
    )


class Sizes(NamedTuple):
    """Orders of large folios that are on."""

    anon: tuple[int, ...] = ()
    shmem: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Return the sizes in kB, those of shared memory behind an s."""
        page_kib = os.sysconf("SC_PAGE_SIZE") // 1024
        return "+".join(
            [*(str(page_kib << order) for order in (0, *self.anon)), *(f"s{page_kib << order}" for order in self.shmem)]
        )


class ConfiguredSizes:
    """Sizes that can be set until the end of the block, or of this process. A context manager.

    The folder is locked until the guardian has put everything back. A second run, which would take
    what the first has set for the machine's own settings, raises Skipped.
    """

    def __init__(self, folder: Path = THP) -> None:
        self.switches = switches(folder)
        if not self.switches:
            raise Skipped(f"{folder} offers no sizes of large folios: this kernel has no mTHP")
        self.lock = os.open(folder, os.O_RDONLY)
        try:
            flock(self.lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            os.close(self.lock)
            raise Skipped(f"{folder} is being configured by another run: wait for its end") from None
        self.saved = {path: chosen(path.read_text()) for files in self.switches.values() for path in files.values()}
        self.state = dict(self.saved)
        read, self.lifeline = os.pipe()
        self.guardian = os.fork()
        if not self.guardian:
            self._guard(read)
        os.close(read)

    def _guard(self, lifeline: int) -> None:
        """Wait for the end of the process that made this one; put everything back."""
        try:
            os.setsid()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            os.close(self.lifeline)
            os.read(lifeline, 1)
            put_back(self.saved)
        finally:
            os._exit(0)

    def set(self, anon: Iterable[int], shmem: Iterable[int] = ()) -> None:
        """Switch these orders on, and all others off."""
        wanted = {ENABLED: set(anon), SHMEM_ENABLED: set(shmem)}
        for order, files in self.switches.items():
            for which, path in files.items():
                word = ON[which] if order in wanted[which] else OFF
                if self.state[path] != word:
                    write(path, word)
                    self.state[path] = word

    def __enter__(self) -> ConfiguredSizes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.lifeline)
        os.waitpid(self.guardian, 0)
        os.close(self.lock)
        changed = [str(path) for path, word in self.saved.items() if chosen(path.read_text()) != word]
        if changed:
            raise StorageError(f"{changed[0]} could not be put back to {self.saved[Path(changed[0])]}; write it there")


def put_back(saved: dict[Path, str]) -> None:
    """Write each file's word again, where it has changed."""
    for path, word in saved.items():
        if chosen(path.read_text()) != word:
            path.write_text(word)


def write(path: Path, word: str) -> None:
    """Change a switch."""
    try:
        path.write_text(word)
    except OSError as error:
        raise Skipped(f"{path} cannot be set to {word} ({error.strerror}): --configure-mthp needs root") from None
