"""Reads plain files of bounded size, makes folders, and writes a file whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import msgspec

from stress.errors import StorageError

MIB = 1 << 20

DAMAGED = (OSError, ValueError, msgspec.MsgspecError, RecursionError)
"""What reading and decoding anybody's file may raise: msgspec tells of bytes that are no UTF-8 by
Python's own UnicodeDecodeError.
"""


def read_plain(path: Path, mib_max: int, links: bool = True) -> bytes:
    """Return the bytes of the plain file at ``path``; one that ``links`` follows, or not.

    Raises OSError if it cannot be read, is larger than ``mib_max`` MiB, or is a directory, a device
    or a FIFO: nothing is waited for, and no more is taken than a file of that size.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW))
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a plain file")
        data = file.read(mib_max * MIB + 1) if found.st_size <= mib_max * MIB else b""
        if max(found.st_size, len(data)) > mib_max * MIB:
            raise OSError(errno.EFBIG, f"larger than {mib_max} MiB")
        return data


def make_folder(path: Path) -> None:
    """Make the folder ``path``, and those that it lies in. Raises StorageError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: cannot be made ({error.strerror}); name another directory") from error


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
