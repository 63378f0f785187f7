"""Traces: what is written is read, and every kind of damage is told in one line that names the
file.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.case import Case
from stress.errors import StorageError, TraceError, ZapstressError
from stress.trace.file import BODY_MIB_MAX, MAGIC, VERSION, _checksum, decode, encode, load, save, varint
from stress.trace.record import Ending, Trace

ENDING = Ending("violation", "T1 lost", "T1", "lost-update", "counter 0 is 2", "inc: write", "inc: read", "28c6e1ac")
TRACE = Trace(
    case=Case("counters", (("rounds", 3),), "toy", faults=("T01",)),
    seed=7,
    strategy="random",
    steps_max=20_000,
    sources="ab" * 8,
    python="3.12.1",
    ending=ENDING,
    setup=False,
    steps=6,
    digest="00" * 16,
    model_hash="11" * 16,
    schedule=((0, 2), (3, 0), (1, 4)),
    tapes={0: (0, 2, 300), 4: (1,)},
    checks=bytes(range(12)),
)
BYTES = encode(TRACE)

numbers = st.integers(0, 1 << 40)
text = st.text(max_size=20)
traces = st.builds(
    Trace,
    case=st.builds(
        Case,
        text,
        st.lists(st.tuples(text, st.integers(-9, 1 << 70)), max_size=3).map(tuple),
        text,
        text,
        text,
        st.lists(text, max_size=3).map(tuple),
    ),
    seed=st.integers(0, 1 << 64),
    strategy=text,
    steps_max=st.integers(1, 99_999),
    sources=text,
    python=text,
    ending=st.builds(Ending, st.sampled_from(["clean", "violation", "inconclusive"]), *[text] * 7),
    setup=st.booleans(),
    steps=numbers,
    digest=text,
    model_hash=text,
    schedule=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 5_000)), max_size=30).map(tuple),
    tapes=st.dictionaries(st.integers(0, 99), st.lists(numbers, max_size=9).map(tuple), max_size=4),
    checks=st.binary(max_size=40),
)


def sealed(body: bytes, version: int = VERSION) -> bytes:
    """Return a file with a valid checksum around ``body``."""
    head = MAGIC + version.to_bytes(2, "little") + len(body).to_bytes(8, "little")
    return head + _checksum(head, body) + body


@given(traces)
@settings(max_examples=60, deadline=None)
def test_round_trip(trace: Trace) -> None:
    """What is encoded is decoded, equal in every field."""
    assert decode(encode(trace), "t") == trace


def test_file_round_trip(tmp_path: Path) -> None:
    """Saved and loaded; a failure's folder stands for its trace; nothing lies beside it."""
    save(TRACE, tmp_path / "trace")
    assert load(tmp_path / "trace") == load(tmp_path) == TRACE
    assert os.listdir(tmp_path) == ["trace"]


def test_it_is_small() -> None:
    """A trace of a few steps is some hundred bytes."""
    assert len(BYTES) < 600


DAMAGE = {
    "empty": (b"", "t: empty; it was torn"),
    "torn in the magic": (BYTES[:5], "t: truncated at 5 bytes"),
    "torn in the head": (BYTES[:20], "t: truncated at 20 bytes"),
    "truncated": (BYTES[:-1], "t: truncated at"),
    "longer": (BYTES + b"\0", "t: edited or damaged"),
    "edited in the body": (BYTES[:60] + bytes([BYTES[60] ^ 1]) + BYTES[61:], "t: edited or damaged"),
    "edited checksum": (BYTES[:20] + bytes([BYTES[20] ^ 1]) + BYTES[21:], "t: edited or damaged"),
    "version 0": (sealed(BYTES[34:], 0), "t: of format 0, whose random words were drawn otherwise"),
    "foreign": (b"\x7fELF" + BYTES, "t: not a zapstress trace"),
    "text": (b"cpu0 munmap\n" * 9, "t: not a zapstress trace"),
    "future": (
        sealed(b"whatever", VERSION + 1),
        f"t: of format {VERSION + 1}, and this zapstress reads up to {VERSION}; upgrade",
    ),
    "no zlib": (sealed(b"garbage"), "t: malformed"),
    "two streams": (sealed(BYTES[34:] + zlib.compress(b"more")), "t: malformed"),
    "bomb": (
        sealed(zlib.compress(bytes((BODY_MIB_MAX << 20) + 1), 9)),
        f"t: malformed .its body is not one stream of at most {BODY_MIB_MAX} MiB",
    ),
    "header not JSON": (sealed(zlib.compress(varint(3) + b"{]}")), "t: malformed"),
    "deep JSON": (sealed(zlib.compress(varint(200_000) + b"[" * 200_000)), "t: malformed"),
    "header of a list": (sealed(zlib.compress(varint(2) + b"[]" + varint(0) * 3)), "t: malformed"),
    "huge count": (sealed(zlib.compress(varint(2) + b"{}" + varint(1 << 60))), "t: malformed .a count is too large"),
    "huge section": (sealed(zlib.compress(varint(1 << 62))), "t: malformed .a section is cut short"),
    "endless number": (sealed(zlib.compress(b"\xff" * 50)), "t: malformed .a number has no end"),
    "missing field": (sealed(zlib.compress(varint(2) + b"{}" + varint(0) * 3)), "t: malformed"),
    "long schedule": (encode(replace(TRACE, schedule=((0, 1 << 50),))), "t: malformed .the schedule is too long"),
    "absurd budget": (encode(replace(TRACE, steps_max=1 << 50)), "t: malformed .a step budget beyond"),
    "wrong type": (encode(replace(TRACE, seed="x")), "t: malformed"),  # type: ignore[arg-type]
    "unknown ending": (encode(replace(TRACE, ending=Ending("odd"))), "t: malformed .an ending of no known kind"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage(kind: str) -> None:
    """Each kind of damage has a line of its own, which names the file."""
    data, message = DAMAGE[kind]
    with pytest.raises(TraceError, match=message) as caught:
        decode(data, "t")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2


@given(st.binary(max_size=120))
@settings(max_examples=150, deadline=None)
def test_any_bytes(data: bytes) -> None:
    """No file brings the reader down."""
    for candidate in (
        data,
        MAGIC + data,
        sealed(data),
        sealed(zlib.compress(data)),
        sealed(zlib.compress(varint(2) + b"{}" + data)),
    ):
        with pytest.raises(TraceError):
            decode(candidate, "t")


@given(st.integers(0, len(BYTES) - 1), st.integers(1, 255))
@settings(max_examples=150, deadline=None)
def test_any_byte_changed(at: int, change: int) -> None:
    """No single byte can be changed unnoticed."""
    with pytest.raises(TraceError):
        decode(BYTES[:at] + bytes([BYTES[at] ^ change]) + BYTES[at + 1 :], "t")


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is bad input."""
    with pytest.raises(TraceError, match=r"nowhere: cannot be read \(No such file or directory\)"):
        load(tmp_path / "nowhere")


def test_too_large_a_file(tmp_path: Path) -> None:
    """What cannot be a trace is not read into memory."""
    with open(tmp_path / "large", "wb") as file:
        file.truncate(1 << 32)
    with pytest.raises(TraceError, match="larger than 16 MiB"):
        load(tmp_path / "large")


def test_unwritable_place(tmp_path: Path) -> None:
    """A directory that is not there, and a name that is a directory or a device."""
    (tmp_path / "taken").mkdir()
    for path in (tmp_path / "no" / "trace", tmp_path / "taken", Path(os.devnull)):
        with pytest.raises(StorageError, match=path.name) as caught:
            save(TRACE, path)
        assert caught.value.exit_status == 3


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up in the middle leaves the old trace as it was, and nothing beside it."""
    save(TRACE, tmp_path / "trace")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ZapstressError, match=r"trace: cannot be written \(No space left on device\); free some space"):
        save(replace(TRACE, seed=8), tmp_path / "trace")
    assert load(tmp_path / "trace") == TRACE
    assert os.listdir(tmp_path) == ["trace"]
