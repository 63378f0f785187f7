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
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from stress.case import Case
from stress.errors import TraceError
from stress.files import write_atomically
from stress.trace.record import Ending, Trace

MAGIC = b"ZAPTRACE"
VERSION = 2
FILE_MIB_MAX = 16
BODY_MIB_MAX = 64
TRACE_STEPS_MAX = 16_000_000
"""Steps that the schedule of a trace may have."""

_HEAD = len(MAGIC) + 2 + 8 + 16
_MIB = 1 << 20
T = TypeVar("T")
_KINDS = ("clean", "violation", "inconclusive")


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
    file = Path(path)
    try:
        if file.is_dir():
            file = file / "trace"
        if file.stat().st_size > FILE_MIB_MAX * _MIB:
            raise TraceError(f"{file}: larger than {FILE_MIB_MAX} MiB, so not a trace")
        data = file.read_bytes()
    except OSError as error:
        raise TraceError(
            f"{file}: cannot be read ({error.strerror}); name a trace that a campaign or run --save wrote"
        ) from error
    return decode(data, str(file))


def decode(data: bytes, name: str) -> Trace:
    """Return the trace whose file has the bytes ``data``; ``name`` is what errors call it.

    Raises TraceError.
    """
    body = _body(data, name)
    unzip = zlib.decompressobj()
    try:
        plain = unzip.decompress(body, BODY_MIB_MAX * _MIB)
        if not unzip.eof or unzip.unused_data:
            raise ValueError(f"its body is not one stream of at most {BODY_MIB_MAX} MiB")
        return _Reader(plain).trace()
    except (zlib.error, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
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
    if len(data) >= _HEAD and version > VERSION:
        raise TraceError(f"{name}: of format {version}, and this zapstress reads up to {VERSION}; upgrade zapstress")
    if len(data) >= _HEAD and version < VERSION:
        raise TraceError(
            f"{name}: of format {version}, whose random words were drawn otherwise: the storm it recorded cannot be"
            f" made again; this zapstress reads format {VERSION}, so search anew"
        )
    size = int.from_bytes(data[len(MAGIC) + 2 : _HEAD - 16], "little")
    if len(data) < _HEAD or len(data) - _HEAD < size:
        raise TraceError(f"{name}: truncated at {len(data)} bytes; copy it again, or run its seed again with --save")
    body = data[_HEAD:]
    if len(body) != size or version != VERSION or _checksum(data[: _HEAD - 16], body) != data[_HEAD - 16 : _HEAD]:
        raise TraceError(
            f"{name}: edited or damaged (its checksum does not fit); "
            "get the original, or run its seed again with --save"
        )
    return body


class _Reader:
    """Takes the sections from a body.

    Whatever does not fit raises ValueError, KeyError or TypeError.
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

    def bytes(self) -> bytes:
        """Take a length and as many bytes."""
        size = self.number()
        if size > len(self.plain) - self.at:
            raise ValueError("a section is cut short")
        self.at += size
        return self.plain[self.at - size : self.at]

    def count(self) -> range:
        """Take a count of things that have at least a byte each."""
        count = self.number()
        if count > len(self.plain) - self.at:
            raise ValueError("a count is too large")
        return range(count)

    def schedule(self) -> Iterator[tuple[int, int]]:
        """Take the schedule tape."""
        total = 0
        for _ in self.count():
            slot, steps = self.number(), self.number()
            total += steps
            if total > TRACE_STEPS_MAX:
                raise ValueError("the schedule is too long")
            yield slot, steps

    def trace(self) -> Trace:
        """Take everything."""
        header = json.loads(self.bytes())
        schedule = tuple(self.schedule())
        tapes = {}
        for _ in self.count():
            slot = self.number()
            tapes[slot] = tuple(self.number() for _ in self.count())
        checks = self.bytes()
        if self.at != len(self.plain):
            raise ValueError("something follows its last section")
        return _trace(header, schedule, tapes, checks)


def _trace(
    header: dict[str, Any], schedule: tuple[tuple[int, int], ...], tapes: dict[int, tuple[int, ...]], checks: bytes
) -> Trace:
    case, ending = header["case"], {name: _of(str, text) for name, text in header["ending"].items()}
    if ending["kind"] not in _KINDS:
        raise ValueError("an ending of no known kind")
    fields: dict[str, Any] = {
        name: _of(str, header[name]) for name in ("strategy", "sources", "python", "digest", "model_hash")
    }
    fields |= {name: _of(int, header[name]) for name in ("seed", "steps_max", "steps")}
    if not 0 < fields["steps_max"] <= TRACE_STEPS_MAX or len(checks) > 2 * TRACE_STEPS_MAX:
        raise ValueError("a step budget beyond all measure")
    made = Case(
        scenario=_of(str, case["scenario"]),
        params=tuple((_of(str, name), _of(int, value)) for name, value in case["params"]),
        profile=_of(str, case["profile"]),
        geometry=_of(str, case["geometry"]),
        kernel=_of(str, case["kernel"]),
        faults=tuple(_of(str, fault) for fault in case["faults"]),
    )
    return Trace(
        case=made,
        ending=Ending(**ending),
        setup=_of(bool, header["setup"]),
        schedule=schedule,
        tapes=tapes,
        checks=checks,
        **fields,
    )


def _of(kind: type[T], value: object) -> T:
    if type(value) is not kind:
        raise TypeError(f"{str(value)[:20]!r} is no {kind.__name__}")
    return value
