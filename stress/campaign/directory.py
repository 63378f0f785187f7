"""The folders of failures in a results directory: one for each signature.

A folder is complete before the database names it (docs/file-formats.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

from stress.campaign.database import FAILURES
from stress.case import Case
from stress.errors import UsageError
from stress.files import write_atomically
from stress.workers.messages import Failure

TRACE, REPORT, ENVIRONMENT = "trace", "report.txt", "environment.json"

ERROR_TRACE = "error.trace"
"""The trace of the execution that a mistake in the patch has ended last."""


def trace_of(directory: Path, signature: str) -> Path:
    """Return where the trace of a signature is kept."""
    return directory / FAILURES / signature / TRACE


def nondeterminism_name(case: Case) -> str:
    """Return the signature of executions of a case that had two digests."""
    return hashlib.blake2b(f"nondeterminism {case.scenario} {case.profile}".encode(), digest_size=4).hexdigest()


def bytes_of(directory: Path) -> int:
    """Return how many bytes the files of a results directory take."""
    return sum(
        os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(directory) for name in names
    )


def is_kept(directory: Path, signature: str) -> bool:
    """Return whether the trace of a signature is there."""
    file = trace_of(directory, signature)
    try:
        return stat.S_ISREG(os.lstat(file).st_mode) and not stat.S_ISLNK(os.lstat(file.parent).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def keep(directory: Path, failure: Failure) -> bool:
    """Write a failure's folder; return whether it has a trace.

    Raises UsageError if something else stands in its place, as a symbolic link, and StorageError if
    it cannot be written.
    """
    folder = trace_of(directory, failure.signature).parent
    for path in (folder.parent, folder):
        if os.path.lexists(path) and not stat.S_ISDIR(os.lstat(path).st_mode):
            raise UsageError(f"{path}: no folder, and a campaign has not made it so; give --dir another directory")
        path.mkdir(parents=True, exist_ok=True)
    for path in (folder / TRACE, folder / REPORT, folder / ENVIRONMENT):
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise UsageError(f"{path}: no plain file, and a campaign has not made it so; give --dir another directory")
    environment = json.dumps(failure.environment, indent=1, sort_keys=True)
    write_atomically(folder / ENVIRONMENT, environment.encode() + b"\n")
    write_atomically(folder / REPORT, failure.report.encode())
    if failure.trace is None:
        return False
    write_atomically(folder / TRACE, failure.trace)
    return True
