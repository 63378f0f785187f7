"""A trace as a file: how it is written, and how one from a stranger is read.

A trace is data. Opening one runs nothing, and allocates no more than the limits below. The file is

    magic (8 bytes), format version (2), length of the body (8), blake2b-128 of those three and the
    body, the body

with integers little-endian. The body is zlib of sections: the header (JSON), the schedule tape
(runs of slot, steps), the data tapes per slot, and the step checks (two bytes per step). Within it,
integers are LEB128 varints.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from dataclasses import fields, replace
from pathlib import Path

import msgspec

from stress.errors import TraceError
from stress.execution.outcome import CHECK_BYTES
from stress.execution.runner import BUDGET_STEPS_MAX, SETUP_STEPS_MAX
from stress.files import MIB, read_plain, write_atomically
from stress.machine.livelock import FAIR_STEPS_MAX
from stress.trace.record import Trace

MAGIC = b"ZAPTRACE"
VERSION = 3
FILE_MIB_MAX, BODY_MIB_MAX, HEADER_KIB_MAX = 4, 8, 4096
"""Of the file; of what its body unpacks to; and of the header in it, which has a patch's text."""

TRACE_STEPS_MAX = BUDGET_STEPS_MAX + FAIR_STEPS_MAX + 64
"""Steps that a trace may have: the largest budget, and the fair turns after it."""

SETUP_STEPS_IN_TRACE_MAX = SETUP_STEPS_MAX + FAIR_STEPS_MAX + 64
"""The same of one that ended in the setup, which has no schedule."""

CHOICES_MAX = 1 << 20
"""Choices on all data tapes together."""

SEED_MAX = (1 << 64) - 1

SLOTS_MAX = 1 << 12
"""Actors are numbered below this."""

_HEAD = len(MAGIC) + 2 + 8 + 16
_KINDS = ("clean", "violation", "inconclusive", "error")


# -- writing -----------------------------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    """Return ``number`` (not negative) as a LEB128 varint."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def encode(trace: Trace) -> bytes:
    """Return the bytes of the file."""
    header = json.dumps(trace.header(), sort_keys=True, separators=(",", ":")).encode()
    parts = [varint(len(header)), header, varint(len(trace.schedule))]
    parts += [varint(number) for run in trace.schedule for number in run]
    parts.append(varint(len(trace.tapes)))
    for slot, tape in sorted(trace.tapes.items()):
        parts += [varint(slot), varint(len(tape)), *map(varint, tape)]
    parts += [varint(len(trace.checks)), trace.checks]
    body = zlib.compress(b"".join(parts), 9)
    head = MAGIC + VERSION.to_bytes(2, "little") + len(body).to_bytes(8, "little")
    return head + _checksum(head, body) + body


def _checksum(head: bytes, body: bytes) -> bytes:
    return hashlib.blake2b(head + body, digest_size=16).digest()


def save(trace: Trace, path: str | os.PathLike[str]) -> None:
    """Write ``trace`` to ``path``, whole or not at all. Raises StorageError."""
    write_atomically(Path(path), encode(trace))


# -- reading -----------------------------------------------------------------------------------------------------


def load(path: str | os.PathLike[str]) -> Trace:
    """Read the trace at ``path``, or in the failure's folder at ``path``. Raises TraceError."""
    return decode(bytes_at(path), str(file_at(path)))


def file_at(path: str | os.PathLike[str]) -> Path:
    """Return the file of the trace at ``path``, which may be a failure's folder."""
    return Path(path, "trace") if os.path.isdir(path) else Path(path)


def bytes_at(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of the trace at ``path``, or in the failure's folder at ``path``.

    Raises TraceError.
    """
    file = file_at(path)
    try:
        return read_plain(file, FILE_MIB_MAX)
    except (OSError, ValueError) as error:
        raise TraceError(
            f"{file}: cannot be read ({getattr(error, 'strerror', None) or error}); "
            "name a trace that a campaign or run --save wrote"
        ) from error


def decode(data: bytes, name: str) -> Trace:
    """Return the trace whose file has the bytes ``data``; ``name`` is what errors call it.

    Raises TraceError.
    """
    body = _body(data, name)
    unzip = zlib.decompressobj()
    try:
        plain = unzip.decompress(body, BODY_MIB_MAX * MIB)
        if not unzip.eof or unzip.unused_data:
            raise ValueError(f"its body is not one stream of at most {BODY_MIB_MAX} MiB")
        return _Reader(plain).trace()
    except (zlib.error, ValueError, TypeError, msgspec.MsgspecError, RecursionError) as error:
        raise TraceError(
            f"{name}: malformed ({error}); it was not written by zapstress, so get the original"
        ) from error


def _body(data: bytes, name: str) -> bytes:
    """Return the body of a file that is whole, unchanged and of our version."""
    if not data:
        raise TraceError(f"{name}: empty; it was torn when it was written, so run its seed again with --save")
    if not data.startswith(MAGIC[: len(data)]):
        raise TraceError(f"{name}: not a zapstress trace; name a file that a campaign or run --save wrote")
    version = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 2], "little")
    if len(data) >= _HEAD and version != VERSION:
        remedy = "upgrade zapstress" if version > VERSION else "replay it with the zapstress that wrote it"
        raise TraceError(f"{name}: of format {version}, and this zapstress reads format {VERSION}; {remedy}")
    size = int.from_bytes(data[len(MAGIC) + 2 : _HEAD - 16], "little")
    if len(data) < _HEAD or len(data) - _HEAD < size:
        raise TraceError(f"{name}: truncated at {len(data)} bytes; copy it again, or run its seed again with --save")
    body = data[_HEAD:]
    if len(body) != size or _checksum(data[: _HEAD - 16], body) != data[_HEAD - 16 : _HEAD]:
        raise TraceError(
            f"{name}: edited or damaged (its checksum does not fit); "
            "get the original, or run its seed again with --save"
        )
    return body


class _Reader:
    """Takes the sections from a body.

    Whatever does not fit raises ValueError, TypeError or MsgspecError. Every length is compared
    with its limit before what it counts is taken.
    """

    def __init__(self, plain: bytes) -> None:
        self.plain, self.at = plain, 0

    def number(self) -> int:
        """Take a varint of at most 63 bits."""
        number = shift = 0
        while True:
            if self.at >= len(self.plain) or shift > 56:
                raise ValueError("a number has no end")
            byte = self.plain[self.at]
            self.at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7

    def count(self, what: str, limit: int) -> int:
        """Take a count of things, of which there may be ``limit``."""
        count = self.number()
        if count > limit:
            raise ValueError(f"{what}: {count} are more than the {limit} that a trace can have")
        return count

    def bytes(self, what: str, limit: int) -> bytes:
        """Take a length and as many bytes."""
        size = self.count(what, limit)
        if size > len(self.plain) - self.at:
            raise ValueError(f"{what}: cut short")
        self.at += size
        return self.plain[self.at - size : self.at]

    def schedule(self) -> tuple[tuple[int, int], ...]:
        """Take the schedule tape."""
        runs = range(self.count("runs of steps", TRACE_STEPS_MAX))
        return tuple((self.slot(), self.number()) for _ in runs)

    def slot(self) -> int:
        """Take the number of an actor."""
        return self.count("an actor's number", SLOTS_MAX)

    def tapes(self) -> dict[int, tuple[int, ...]]:
        """Take the data tapes."""
        left, tapes = CHOICES_MAX, {}
        for _ in range(self.count("data tapes", SLOTS_MAX)):
            slot, choices = self.slot(), self.count("choices", left)
            left -= choices
            tapes[slot] = tuple(self.number() for _ in range(choices))
        return tapes

    def trace(self) -> Trace:
        """Take everything. A trace from before kernels had revisions is of the first."""
        header = json.loads(self.bytes("the header", HEADER_KIB_MAX << 10))
        if not isinstance(header, dict):
            raise TypeError("its header is no object")
        header = {"revision": 1} | header
        rest = {"schedule": (), "tapes": {}, "checks": b""}
        names = {field.name for field in fields(Trace)}
        if header.keys() ^ rest.keys() != names:
            raise ValueError(f"its header has not the fields {', '.join(sorted(names - rest.keys()))}")
        made = msgspec.convert(header | rest, Trace)
        trace = replace(
            made,
            schedule=self.schedule(),
            tapes=self.tapes(),
            checks=self.bytes("step checks", CHECK_BYTES * SETUP_STEPS_IN_TRACE_MAX),
        )
        if self.at != len(self.plain):
            raise ValueError("something follows its last section")
        _vet(trace)
        return trace


def _vet(trace: Trace) -> None:
    """Raise ValueError unless the parts of a trace fit together."""
    if trace.ending.kind not in _KINDS:
        raise ValueError("an ending of no known kind")
    if list(trace.pauses) != sorted(set(trace.pauses)) or any(not 0 <= at <= trace.steps for at in trace.pauses):
        raise ValueError("its pauses are out of order")
    budget_max = SETUP_STEPS_MAX if trace.setup else BUDGET_STEPS_MAX
    if not 0 < trace.steps_max <= budget_max:
        raise ValueError(f"a step budget of {trace.steps_max}, which is from 1 to {budget_max}")
    if not 0 <= trace.seed <= SEED_MAX:
        raise ValueError(f"the seed {trace.seed}")
    made = sum(steps for _, steps in trace.schedule)
    if (
        len(trace.checks) != CHECK_BYTES * trace.steps
        or (trace.setup and trace.schedule)
        or (not trace.setup and made != trace.steps)
    ):
        raise ValueError(
            f"{trace.steps} steps in its header, {made} on its schedule, {len(trace.checks)} bytes of checks"
        )
