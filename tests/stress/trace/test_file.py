"""Traces: what is written is read, and every kind of damage is told in one line that names the
file.
"""

from __future__ import annotations

import json
import os
import socket
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.case import Case
from stress.errors import StorageError, TraceError, ZapstressError
from stress.trace.file import (
    BODY_MIB_MAX,
    CHOICES_MAX,
    MAGIC,
    TRACE_STEPS_MAX,
    VERSION,
    _checksum,
    decode,
    encode,
    load,
    save,
    varint,
)
from stress.trace.record import Ending, PatchRecord, Trace

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


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Draw a trace whose parts fit together; of a setup it has no choices."""
    made = draw(loose)
    steps = sum(count for _, count in made.schedule)
    whole = replace(made, steps=steps, checks=draw(st.binary(min_size=2 * steps, max_size=2 * steps)))
    return replace(whole, schedule=()) if made.setup else whole


loose = st.builds(
    Trace,
    case=st.builds(
        Case,
        text,
        st.lists(st.tuples(text, st.integers(-9, 1 << 70)), max_size=3).map(tuple),
        text,
        text,
        text,
        st.lists(text, max_size=3).map(tuple),
        st.lists(st.sampled_from(["p.py", "p.py:A,B"]), max_size=2).map(tuple),
    ),
    seed=st.integers(0, (1 << 64) - 1),
    strategy=text,
    steps_max=st.integers(1, 99_999),
    sources=text,
    python=text,
    ending=st.builds(Ending, st.sampled_from(["clean", "violation", "inconclusive", "error"]), *[text] * 7),
    setup=st.booleans(),
    steps=st.just(0),
    digest=text,
    model_hash=text,
    schedule=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 50)), max_size=30).map(tuple),
    tapes=st.dictionaries(st.integers(0, 99), st.lists(numbers, max_size=9).map(tuple), max_size=4),
    checks=st.just(b""),
    patch=st.builds(PatchRecord, text, st.lists(st.tuples(text, text), max_size=2).map(tuple)),
    revision=st.integers(1, 9),
)


def sealed(body: bytes, version: int = VERSION) -> bytes:
    """Return a file with a valid checksum around ``body``."""
    head = MAGIC + version.to_bytes(2, "little") + len(body).to_bytes(8, "little")
    return head + _checksum(head, body) + body


@given(traces())
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


WITH_MORE = sealed(zlib.compress(varint(len(MORE := b'{"more": 1}')) + MORE + varint(0) * 3))

DAMAGE = {
    "empty": (b"", "t: empty; it was torn"),
    "torn in the magic": (BYTES[:5], "t: truncated at 5 bytes"),
    "torn in the head": (BYTES[:20], "t: truncated at 20 bytes"),
    "truncated": (BYTES[:-1], "t: truncated at"),
    "longer": (BYTES + b"\0", "t: edited or damaged"),
    "edited in the body": (BYTES[:60] + bytes([BYTES[60] ^ 1]) + BYTES[61:], "t: edited or damaged"),
    "edited checksum": (BYTES[:20] + bytes([BYTES[20] ^ 1]) + BYTES[21:], "t: edited or damaged"),
    "version 0": (sealed(BYTES[34:], 0), "t: of format 0, and this zapstress reads format 3; replay it with"),
    "foreign": (b"\x7fELF" + BYTES, "t: not a zapstress trace"),
    "text": (b"cpu0 munmap\n" * 9, "t: not a zapstress trace"),
    "past": (sealed(b"whatever", 2), "t: of format 2, and this zapstress reads format 3; replay it with"),
    "future": (sealed(b"whatever", 4), "t: of format 4, and this zapstress reads format 3; upgrade"),
    "no zlib": (sealed(b"garbage"), "t: malformed"),
    "two streams": (sealed(BYTES[34:] + zlib.compress(b"more")), "t: malformed"),
    "bomb": (
        sealed(zlib.compress(bytes((BODY_MIB_MAX << 20) + 1), 9)),
        f"t: malformed .its body is not one stream of at most {BODY_MIB_MAX} MiB",
    ),
    "header not JSON": (sealed(zlib.compress(varint(3) + b"{]}")), "t: malformed"),
    "deep JSON": (sealed(zlib.compress(varint(200_000) + b"[" * 200_000)), "t: malformed"),
    "header of a list": (sealed(zlib.compress(varint(2) + b"[]" + varint(0) * 3)), "t: malformed"),
    "huge count": (
        sealed(zlib.compress(varint(2) + b"{}" + varint(1 << 60))),
        "t: malformed .the header: 1152|its header has not the fields",
    ),
    "huge section": (
        sealed(zlib.compress(varint(1 << 62))),
        "t: malformed .the header: 4611686018427387904 are more than",
    ),
    "endless number": (sealed(zlib.compress(b"\xff" * 50)), "t: malformed .a number has no end"),
    "missing field": (sealed(zlib.compress(varint(2) + b"{}" + varint(0) * 3)), "t: malformed"),
    "long schedule": (
        encode(replace(TRACE, schedule=((0, 1 << 50),))),
        "t: malformed .6 steps in its header, 1125899906842624",
    ),
    "many runs": (encode(replace(TRACE, schedule=((0, 0),) * (TRACE_STEPS_MAX + 1))), "t: malformed .runs of steps: "),
    "many choices": (encode(replace(TRACE, tapes={0: (0,) * (CHOICES_MAX + 1)})), "t: malformed .choices: "),
    "choices of many": (
        encode(replace(TRACE, tapes=dict.fromkeys(range(4000), (0,) * 300))),
        "t: malformed .choices: ",
    ),
    "long name": (encode(replace(TRACE, python="3" * (5 << 20))), "t: malformed .the header: "),
    "fewer checks": (
        encode(replace(TRACE, checks=b"")),
        "t: malformed .6 steps in its header, 6 on its schedule, 0 bytes",
    ),
    "a field too many": (WITH_MORE, "t: malformed .its header has not the fields"),
    "absurd budget": (encode(replace(TRACE, steps_max=1 << 50)), "t: malformed .a step budget of 1125899906842624"),
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
    with pytest.raises(TraceError, match=r"cannot be read .larger than 4 MiB"):
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


@pytest.mark.parametrize("kind", ["a FIFO", "a device", "a socket", "a directory in a directory"])
def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "trace"
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    elif kind == "a directory in a directory":
        (path / "trace").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as server:
        if kind == "a socket":
            server.bind(str(path))
        with pytest.raises(TraceError, match="cannot be read"):
            load(path)


FIELDS = (
    "case",
    "seed",
    "strategy",
    "steps_max",
    "sources",
    "python",
    "ending",
    "setup",
    "steps",
    "digest",
    "model_hash",
)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [None, True, -1, 1.5, "x", [], {}, [[1]]])
def test_a_wrong_type_in_a_whole_trace_is_bad_input(field: str, value: object) -> None:
    """Each field of the header in turn; a value that is of the field's type is none of these."""
    if (field, value) in (("setup", True),) or (
        isinstance(value, str) and field not in ("case", "seed", "steps_max", "ending", "setup", "steps")
    ):
        pytest.skip("it is of the field's type")
    with pytest.raises(TraceError, match="t: malformed"):
        decode(encode_header(TRACE.header() | {field: value}), "t")


def encode_header(header: dict[str, object]) -> bytes:
    """Return a whole trace with that header, and the other sections of TRACE."""
    text = json.dumps(header).encode()
    plain = zlib.decompress(BYTES[34:])
    length = len(json.dumps(TRACE.header(), sort_keys=True, separators=(",", ":")).encode())
    return sealed(zlib.compress(varint(len(text)) + text + plain[len(varint(length)) + length :]))


def test_the_header_is_exchanged_and_nothing_else() -> None:
    assert TRACE == decode(encode_header(TRACE.header()), "t")
