"""Good traces of many kinds, and damaged ones, a share of them with their checksums made right."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from tests.robustness.damage import DEEP, damaged, poisoned
from tests.robustness.subject import DOCUMENTED, FAILED, SKIPPED, Seen, run

HEAD_BYTES, LENGTH_AT, CHECKSUM_AT = 34, 10, 18
"""Of the file: its length's field, and where the checksum of all else is (docs/file-formats.md)."""

RIGHT_EVERY = 5
"""One damaged trace in so many has a right checksum: the damage is below it."""

GOOD: tuple[tuple[str, ...], ...] = (
    ("munmap_vs_writeback", "--profile", "arm64-4k", "--fault", "C02", "--strategy", "pct", "--seed", "0x1"),
    ("storm", "--profile", "x86-64", "--seed", "3"),
    ("storm", "--profile", "arm64-64k", "--geometry", "real", "--seed", "1"),
    ("sharers_at_work", "--profile", "s390x", "--kernel", "6.18", "--strategy", "pct", "--seed", "2"),
    ("contiguous", "--profile", "arm64-4k", "--seed", "5"),
    ("fork_vs_munmap", "--profile", "ppc64-hash", "--kernel", "6.9-perpage", "--seed", "4"),
    ("batch_edges", "--profile", "riscv64", "--steps-max", "40"),
    ("munmap_two_vmas", "--profile", "ppc64-radix", "--fault", "M25", "--seed", "9"),
)  # fmt: skip
"""What is run for a good trace."""

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("show",), ("replay",), ("replay", "--tolerant", "--json"), ("show", "--json"), ("replay", "--steps"),
    ("replay", "--without-faults"), ("report",), ("report", "--format", "svg"), ("report", "--json"),
    ("shrink", "--seconds", "1", "--no-native"), ("explain", "--seconds", "1", "--no-native"),
)  # fmt: skip
"""What reads a trace."""


SHELL = (
    "step", "reverse-step", "next 3", "continue", "reverse-continue", "where", "list", "goto 5", "print mapcount[0]",
    "break zap_pte_range", "watch refcount[0]", "info actors", "info columns", "info holders 0", "info tlbs 1", "x",
    "until mapcount[0] == 0", "help", "info table 0", "print pte[0:9999999]", "goto 99999999999999999999", "print",
)  # fmt: skip
"""Commands of ``replay --shell``, good ones and others."""


def good(folder: Path) -> list[bytes]:
    """Return the bytes of good traces, made in ``folder``."""
    found = []
    for number, words in enumerate(GOOD):
        file = folder / f"good{number}"
        seen = run(("run", *words, "--save", str(file)))
        assert file.is_file(), seen
        found.append(file.read_bytes())
    return found


def opened(data: bytes) -> bytes:
    """Return the body of a trace, unpacked."""
    return zlib.decompress(data[HEAD_BYTES:])


def sealed(plain: bytes, head: bytes) -> bytes:
    """Return a trace of that body, with the magic and version of ``head``, whose checksum is right."""
    return _sealed(zlib.compress(plain, 9), head)


def _sealed(body: bytes, head: bytes) -> bytes:
    head = head[:LENGTH_AT] + len(body).to_bytes(8, "little")
    return head + hashlib.blake2b(head + body, digest_size=16).digest() + body


def number(plain: bytes, at: int) -> tuple[int, int]:
    """Return the LEB128 number at ``at``, and where it ends."""
    value = shift = 0
    while True:
        byte = plain[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def varint(value: int) -> bytes:
    """Return a number in LEB128, of whatever size."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def split(plain: bytes) -> tuple[Any, bytes]:
    """Return the header as plain data, and the sections after it."""
    size, at = number(plain, 0)
    return json.loads(plain[at : at + size]), plain[at + size :]


def joined(header: Any, rest: bytes) -> bytes:
    """Return the body of a header and the sections after it."""
    text = json.dumps(header, separators=(",", ":")).encode()
    return varint(len(text)) + text + rest


def damaged_within(data: bytes, random: Random, others: list[bytes]) -> bytes:
    """Return a trace that is damaged below a right checksum."""
    header, rest = split(opened(data))
    what = random.randrange(5)
    if what < 2:
        plain = joined(poisoned(header, random), rest)
    elif what == 2:
        plain = joined(header, _large_number(rest, random))
    elif what == 3:
        plain = joined(header, damaged(rest, random, [opened(other) for other in others]))
    else:
        plain = damaged(opened(data), random, [opened(other) for other in others])
    return sealed(plain, data)


def _large_number(rest: bytes, random: Random) -> bytes:
    """Put a large number in place of some byte."""
    at = random.randrange(len(rest) + 1)
    return rest[:at] + varint(1 << random.randrange(7, 70)) + rest[at + 1 :]


RUNS, TAPE = 3_000_000, 20_000_000
"""Lengths that bombs declare, and have."""

_NONE = varint(0)

BOMBS: dict[str, Callable[[Any], Iterator[bytes]]] = {
    "runs": lambda header: iter((_header(header), varint(RUNS), bytes((0, 0)) * RUNS, _NONE, _NONE)),
    "ones": lambda header: iter((_header(header), varint(RUNS), bytes((0, 1, 1, 1)) * (RUNS // 2), _NONE, _NONE)),
    "tape": lambda header: iter((_header(header), _NONE, varint(1), _NONE, varint(TAPE), bytes(TAPE), _NONE)),
    "tapes": lambda header: iter((_header(header), _NONE, varint(RUNS), bytes((0, 0)) * RUNS, _NONE)),
    "numbers": lambda header: iter(
        (_header(header), _NONE, varint(1), _NONE, varint(RUNS), varint(1 << 50) * RUNS, _NONE)
    ),
    "checks": lambda header: iter((_header(header), _NONE, _NONE, varint(TAPE), bytes(TAPE))),
    "deep": lambda header: iter((varint(2 * DEEP), b"[" * DEEP + b"]" * DEEP, _NONE, _NONE, _NONE)),
    "names": lambda header: iter((_header(header | {f"name {n}": n for n in range(100_000)}), _NONE * 3)),
    "params": lambda header: iter(
        (_header(header | {"case": header["case"] | {"params": [["order", n] for n in range(100_000)]}}), _NONE * 3)
    ),
    "zeros": lambda header: (bytes(1 << 20) for _ in range(200)),
}
"""Small files that ask for much below right checksums: name -> the pieces of a body, from a good
header.
"""


def _header(header: Any) -> bytes:
    return joined(header, b"")


def bomb(name: str, data: bytes) -> bytes:
    """Return a bomb made from the good trace ``data``, without ever holding what it unpacks to."""
    packer = zlib.compressobj(9)
    header, _ = split(opened(data))
    return _sealed(b"".join([*map(packer.compress, BOMBS[name](header)), packer.flush()]), data)


class Traces:
    """Damaged traces: one in RIGHT_EVERY below a checksum that is right."""

    allowed = DOCUMENTED - {FAILED, SKIPPED}

    def __init__(self, folder: Path) -> None:
        self.folder, self.known = folder, good(folder)

    def tried(self, number: int, random: Random) -> Iterator[Seen]:
        """Damage one; yield what a command that reads traces did with it."""
        damage = damaged_within if number % RIGHT_EVERY == RIGHT_EVERY - 1 else damaged
        file = self.folder / "mutant.trace"
        file.write_bytes(damage(random.choice(self.known), random, self.known))
        shell = [word for command in random.sample(SHELL, 3) for word in ("--command", command)]
        command, *options = random.choice((*COMMANDS, ("replay", "--shell", *shell)))
        yield run((command, str(file), *options), cwd=self.folder)
