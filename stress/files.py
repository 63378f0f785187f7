"""Writes a file whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from stress.errors import StorageError


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to a file beside ``path``, and move it there once it is on the disk.

    Raises StorageError if it cannot be written; ``path`` then holds what it held before.
    """
    if path.exists() and not path.is_file():
        raise StorageError(f"{path}: is there and is no plain file; name another")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with open(beside, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        remedy = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "name another directory"
        raise StorageError(f"{path}: cannot be written ({error.strerror}); {remedy}") from error


def _sync_folder(folder: Path) -> None:
    """Put the folder's entries on the disk: without this a crash can undo a rename."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
