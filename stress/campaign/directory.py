"""The files of a results directory: its lock, the folder of each failure, and errors of the disk.

The database is the :mod:`stress.campaign.store`'s (docs/file-formats.md has all of it).
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sqlite3
from pathlib import Path

from stress.errors import StorageError, UsageError
from stress.files import write_atomically
from stress.workers.messages import Failure

DATABASE, FAILURES, LOCK = "campaign.sqlite", "failures", "lock"

OS_ERRORS = ((errno.ENOSPC, errno.EDQUOT), (errno.EACCES, errno.EPERM, errno.EROFS))
"""What the system says of a disk that is full, and of one that we may not write."""

SQLITE_ERRORS = ((sqlite3.SQLITE_FULL,), (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM))
"""The same in SQLite's primary codes."""


def lock(directory: Path) -> int:
    """Make ``directory`` and lock it for this process; return the lock's descriptor, which no child
    inherits.

    Raises UsageError if it is no directory, or holds something that is not a campaign's, and
    StorageError if it cannot be written or another process has the lock.
    """
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory}: not a directory; --dir wants one, existing or new")
    try:
        if directory.exists() and not (directory / DATABASE).exists() and _others(directory):
            raise UsageError(f"{directory}: holds something else, and no campaign; give --dir a directory of its own")
        directory.mkdir(parents=True, exist_ok=True)
        fd = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except NotADirectoryError as error:
        raise UsageError(
            f"{directory}: a part of this path is not a directory; --dir wants one, existing or new"
        ) from error
    except OSError as error:
        raise storage_error(directory, error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise StorageError(
            f"{directory}: another campaign is at work in it; wait for its end, or give --dir another directory"
        ) from error
    return fd


def _others(directory: Path) -> set[str]:
    """Return what a directory holds besides a lock."""
    return {entry.name for entry in directory.iterdir()} - {LOCK}


def keep(directory: Path, failure: Failure) -> str:
    """Write a failure's folder; return the trace's path below ``directory``, or ``""`` if it has no
    trace.
    """
    name = f"{FAILURES}/{failure.signature}"
    folder = directory / name
    folder.mkdir(parents=True, exist_ok=True)
    environment = json.dumps(failure.environment, indent=1, sort_keys=True)
    write_atomically(folder / "environment.json", environment.encode() + b"\n")
    write_atomically(folder / "report.txt", failure.report.encode())
    if failure.trace is None:
        return ""
    write_atomically(folder / "trace", failure.trace)
    return f"{name}/trace"


def storage_error(path: Path, error: Exception) -> Exception:
    """Turn what the system said about ``path`` into one line that says what to do."""
    if isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error):
        return UsageError(f"{path}: not a campaign's file, or damaged; give --dir a directory of its own")
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StorageError(f"{path}: cannot write ({words}); {_remedy(error)}. What was recorded is kept")


def _remedy(error: Exception) -> str:
    """Return what the user can do about what the system, or SQLite on its behalf, said."""
    code = error.errno if isinstance(error, OSError) else (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
    full, denied = SQLITE_ERRORS if isinstance(error, sqlite3.Error) else OS_ERRORS
    if code in full:
        return "make room or give --dir another directory"
    return "make it writable or give --dir another directory" if code in denied else "give --dir another directory"
