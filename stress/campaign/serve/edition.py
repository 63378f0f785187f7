"""What is shown of a results directory now, for all readers at once.

The directory is opened anew for each edition, as ``zapstress status`` does it, so that a campaign
may be at work in it, end, be killed, and begin again.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import msgspec
import trio

from stress.campaign.database import DATABASE, FAILURES, at_work
from stress.campaign.directory import EXPECTED
from stress.campaign.report.facts import facts_of
from stress.campaign.report.html import html
from stress.campaign.results import Results
from stress.campaign.serve.exposition import exposition

PAUSE_S = 2.0
"""The directory is not read more often than that."""

SHARE = 0.02
"""Nor for more than this share of the time of one core. The first reading, which imports what is
needed, does not count.
"""

LOOK_S = 1.0
"""How often it is looked whether something has changed, while a reader waits for it."""

WATCHED = (DATABASE, f"{DATABASE}-wal", EXPECTED, FAILURES)
"""Files of a directory by which a change is seen."""

Mark = tuple[object, ...]
"""What a directory's files look like from outside."""


@dataclass(frozen=True)
class Edition:
    """A reading of the directory, as it is sent."""

    status: HTTPStatus
    tag: str
    """Another one for another content."""
    page: bytes
    """HTML; a line of text if the directory could not be read."""
    metrics: bytes
    seconds: float
    """Of a processor, which the reading took."""


def mark_of(directory: Path) -> Mark:
    """Return what the files of a directory look like: it differs when its content does."""
    found: list[object] = []
    for name in WATCHED:
        try:
            stat = os.lstat(directory / name)
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
    try:
        found.append(at_work(directory))
    except OSError:
        found.append(None)
    return tuple(found)


def read(directory: Path) -> Edition:
    """Read a directory; what cannot be read is an edition that says why."""
    began = time.thread_time()
    try:
        with Results.open(directory) as results:
            facts = facts_of(results)
            metrics = exposition(results, facts).encode()
        tag = tag_of(msgspec.json.encode(facts) + metrics)
        page = html(facts, tag).encode(errors="backslashreplace")
    except Exception as error:  # noqa: BLE001 - a directory may be anybody's, and the server goes on
        words = f"{' '.join(str(error).split())}\n".encode(errors="backslashreplace")
        return Edition(HTTPStatus.SERVICE_UNAVAILABLE, tag_of(words), words, words, time.thread_time() - began)
    return Edition(HTTPStatus.OK, tag, page, metrics, time.thread_time() - began)


def tag_of(content: bytes) -> str:
    """Return the tag of a content."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


class Editor:
    """Keeps the newest edition, and reads the directory when it has changed and somebody asks."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.waiting = 0
        """Readers that wait for the next edition."""
        self._edition: Edition | None = None
        self._mark: Mark = ()
        self._due = 0.0
        self._reading = trio.Lock()
        self._wanted, self._new = trio.Event(), trio.Event()

    async def current(self) -> Edition:
        """Return the edition of now: an older one if nothing has changed, or it is too soon."""
        async with self._reading:
            if self._edition is None or trio.current_time() >= self._due:
                self._edition = await self._renewed(self._edition)
            return self._edition

    async def _renewed(self, before: Edition | None) -> Edition:
        mark = await trio.to_thread.run_sync(mark_of, self.directory)
        if before is not None and mark == self._mark:
            return before
        self._mark = mark
        edition = await trio.to_thread.run_sync(read, self.directory)
        self._due = trio.current_time() + max(PAUSE_S, edition.seconds / SHARE if before is not None else 0.0)
        if before is None or edition.tag != before.tag:
            self._new.set()
            self._new = trio.Event()
        return edition

    async def after(self, tag: str) -> Edition:
        """Wait for an edition with another tag, and return it."""
        self.waiting += 1
        self._wanted.set()
        try:
            while True:
                new = self._new
                if (edition := await self.current()).tag != tag:
                    return edition
                await new.wait()
        finally:
            self.waiting -= 1

    async def watch(self) -> None:
        """Look for changes for ever, while a reader waits for one."""
        while True:
            if not self.waiting:
                self._wanted = trio.Event()
                await self._wanted.wait()
            await self.current()
            await trio.sleep(LOOK_S)
