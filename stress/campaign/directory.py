"""What lies beside the database of a results directory: a folder for each signature, and the list
of signatures that are expected.

A folder is complete before the database names it (docs/file-formats.md). The list is a file of its
own, so that it can be changed while a campaign is at work, and kept beside the sources.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from stress.campaign.database import FAILURES, saved
from stress.errors import UsageError
from stress.files import DAMAGED, read_plain, write_atomically
from stress.patch.spec import options
from stress.trace.explanation import EXPLANATION, SHRUNK, explanation_of
from stress.workers.messages import Failure, ReduceAnswer

SIDES = "versus"
"""The folder of the sides of a comparison."""

TRACE, REPORT, ENVIRONMENT = "trace", "report.txt", "environment.json"

FORM_REPORT = "shrunk.txt"
"""The page of a failure's smallest form."""

ERROR_TRACE = "error.trace"
"""The trace of the execution that a mistake in the patch has ended last."""

EXPECTED = "expected.json"
"""The signatures that are expected, each with the reason."""

EXPECTED_MIB_MAX = 1

KEPT_MIB_MAX = 4
"""How large a file in a failure's folder may be."""

FILES = (ENVIRONMENT, REPORT, TRACE, EXPLANATION, FORM_REPORT, SHRUNK)
"""The files in a failure's folder, in the order in which they are written."""

SIGNATURE = re.compile("[0-9a-f]{8}")


def expected_in(directory: Path) -> dict[str, str]:
    """Return the signatures that a directory expects, each with the reason.

    Raises UsageError if the list is not one.
    """
    file = directory / EXPECTED
    try:
        found = msgspec.json.decode(read_plain(file, EXPECTED_MIB_MAX, links=False), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except DAMAGED as error:
        raise UsageError(f"{file}: no list of expected signatures ({error}); mend it, or remove it") from error
    if wrong := [name for name in found if not SIGNATURE.fullmatch(name)]:
        raise UsageError(f"{file}: {wrong[0]!r} is no signature, which has 8 hex digits; mend it, or remove it")
    return found


def expect(directory: Path, signatures: Mapping[str, str]) -> None:
    """Add to the signatures that a directory expects. Raises StorageError."""
    _write_expected(directory, {**expected_in(directory), **signatures})


def forget(directory: Path, signature: str) -> None:
    """Take a signature from those that a directory expects. Raises StorageError."""
    _write_expected(directory, {name: why for name, why in expected_in(directory).items() if name != signature})


def _write_expected(directory: Path, expected: Mapping[str, str]) -> None:
    write_atomically(directory / EXPECTED, json.dumps(dict(sorted(expected.items())), indent=1).encode() + b"\n")


def trace_of(directory: Path, signature: str) -> Path:
    """Return where the trace of a signature is kept."""
    return directory / FAILURES / signature / TRACE


def side_folder(directory: Path, side: int) -> Path:
    """Return where failures of a side of a comparison are kept, as the campaign's own are in its
    directory.
    """
    return directory / SIDES / str(side)


def bytes_of(directory: Path) -> int:
    """Return how many bytes the files of a results directory take."""
    return sum(
        os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(directory) for name in names
    )


def sweep(directory: Path) -> None:
    """Remove what writes that were cut short have left in the folders of failures."""
    for folder in saved(directory):
        if folder.is_symlink() or not folder.is_dir():
            continue
        for file in folder.iterdir():
            if file.name.startswith(tuple(f".{name}." for name in FILES)):
                file.unlink()


def is_kept(directory: Path, signature: str) -> bool:
    """Return whether the trace of a signature is there."""
    file = trace_of(directory, signature)
    try:
        return stat.S_ISREG(os.lstat(file).st_mode) and not stat.S_ISLNK(os.lstat(file.parent).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def kept_files(directory: Path, signature: str) -> dict[str, bytes]:
    """Return what the folder of a signature holds, by name: plain files that may be there and are
    not too large. A link, which a stranger may have led to a secret, is not followed.
    """
    found: dict[str, bytes] = {}
    if is_kept(directory, signature):
        for name in FILES:
            with suppress(OSError):
                found[name] = read_plain(trace_of(directory, signature).with_name(name), KEPT_MIB_MAX, links=False)
    return found


def keep(directory: Path, failure: Failure) -> bool:
    """Write a failure's folder; return whether it has a trace.

    Raises UsageError if something else stands in its place, as a symbolic link, and StorageError if
    it cannot be written.
    """
    folder = _folder_for(directory, failure.signature, (TRACE, REPORT, ENVIRONMENT))
    for name in (SHRUNK, FORM_REPORT, EXPLANATION):
        (folder / name).unlink(missing_ok=True)
    environment = json.dumps(failure.environment, indent=1, sort_keys=True)
    write_atomically(folder / ENVIRONMENT, environment.encode() + b"\n")
    write_atomically(folder / REPORT, failure.report.encode())
    if failure.trace is None:
        return False
    write_atomically(folder / TRACE, failure.trace)
    return True


def keep_form(directory: Path, signature: str, found: ReduceAnswer) -> None:
    """Write the smallest form of a failure beside its trace. Raises as :func:`keep` does."""
    folder = _folder_for(directory, signature, (EXPLANATION, FORM_REPORT, SHRUNK))
    write_atomically(folder / EXPLANATION, json.dumps(found.explanation, indent=1).encode() + b"\n")
    write_atomically(folder / FORM_REPORT, found.report.encode())
    write_atomically(folder / SHRUNK, found.trace)


def has_form(directory: Path, signature: str) -> bool:
    """Return whether the smallest form of a failure is there."""
    return os.path.lexists(trace_of(directory, signature).with_name(SHRUNK))


def form_of(directory: Path, signature: str) -> dict[str, Any]:
    """Return the path of the smallest form of a failure (``shrunk``) and why it fails
    (``explanation``, plain data); None for what is not there, or is damaged.
    """
    path, found = trace_of(directory, signature).with_name(SHRUNK), None
    with suppress(*DAMAGED):
        plain = read_plain(path.with_name(EXPLANATION), KEPT_MIB_MAX, links=False)
        found = explanation_of(msgspec.json.decode(plain)).plain()
    return {"shrunk": str(path) if has_form(directory, signature) else None, "explanation": found}


def _folder_for(directory: Path, signature: str, names: Iterable[str]) -> Path:
    """Return the folder of a signature, made if it is not there, in which nothing stands in the
    place of files with these names. Raises UsageError.
    """
    folder = trace_of(directory, signature).parent
    for path in (folder.parent, folder):
        if os.path.lexists(path) and not stat.S_ISDIR(os.lstat(path).st_mode):
            raise UsageError(f"{path}: no folder, and a campaign has not made it so; give --dir another directory")
        path.mkdir(parents=True, exist_ok=True)
    for path in (folder / name for name in names):
        if os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
            raise UsageError(f"{path}: no plain file, and a campaign has not made it so; give --dir another directory")
    return folder


def keep_error(directory: Path, trace: bytes | None, patch: Sequence[str]) -> str:
    """Keep the trace of what the patch has ended with an error, if there is one; return how to see
    it, or ``""``.
    """
    if trace is None:
        return ""
    path = directory / ERROR_TRACE
    write_atomically(path, trace)
    return f"; zapstress show {shlex.quote(str(path))}{options(patch)}"
