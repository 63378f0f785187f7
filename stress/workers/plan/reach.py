"""What each case reaches, as far as it was measured: a table in the user's cache directory.

A row is what the unpatched kernel reaches (:mod:`stress.execution.calls`). The table's file is
named by a hash of the sources that decide it, so a model that was changed is measured again. It is
a cache: a file that is missing, damaged or not to be written costs time and nothing else.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from stress.case import Case, without_additions
from stress.errors import StorageError
from stress.execution.calls import Reach
from stress.files import DAMAGED, write_atomically
from stress.patch.scenario.file import is_file
from stress.sources import ROOT

SOURCES = ("sim", "scenarios", "stress/programs", "stress/execution", "stress/machine", "stress/strategies")
"""The folders whose sources decide what a case reaches, and what its probes do."""

FILES_MAX = 8
"""Tables that the directory keeps, the newest ones: one per kernel version and state of the model.
"""

ROWS_MAX = 8192
"""Rows of a table that are kept on disk; three hundred bytes each."""


class Kept(msgspec.Struct):
    """A table on disk: every name once, and each row as three sets of bits over the names, and what
    the probes did.
    """

    names: list[str]
    rows: list[tuple[Case, bytes, bytes, bytes, tuple[str, ...]]]


class ReachTable:
    """What cases of one kernel version reach. ``path`` is its file, or None if it has none."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.rows: dict[Case, Reach] = {}
        self._cells: dict[tuple[str, str], Reach] = {}
        """By scenario and profile, the row that was measured first."""
        self.executed: set[str] = set()
        """The methods that executions of any row reach."""
        self.changed = False

    def add(self, case: Case, reach: Reach) -> None:
        """Add what a case reaches; its faults and its patch are left out of account."""
        case = without_additions(case)
        self.rows[case] = reach
        self._cells.setdefault((case.scenario, case.profile), reach)
        self.executed |= reach.methods
        self.changed = True

    def reach(self, case: Case) -> Reach | None:
        """Return what a case reaches, or None if that was not measured."""
        return self.rows.get(without_additions(case))

    def expected(self, case: Case) -> Reach | None:
        """Return what a case reaches, or else what its scenario was first seen to reach on its
        profile; None if that was not measured either.
        """
        return self.reach(case) or self._cells.get((case.scenario, case.profile))

    def reaches(self, case: Case, methods: Iterable[str]) -> bool:
        """Return whether a case is expected to reach one of ``methods``, named as overrides are.

        A method that executions of no row reach counts where the setup reaches it.
        """
        row = self.expected(case)
        return row is not None and any(
            name in row.methods or (name in row.setup and name not in self.executed) for name in methods
        )

    def load(self) -> None:
        """Take the rows of the file, if there is one that can be read."""
        if self.path is None:
            return
        try:
            kept = msgspec.msgpack.decode(self.path.read_bytes(), type=Kept)
            for case, *sets, probes in kept.rows:
                methods, setup, sites = (_named(bits, kept.names) for bits in sets)
                self.add(case, Reach(methods, setup, sites, probes))
        except (*DAMAGED, IndexError):
            self.__init__(self.path)  # type: ignore[misc]
        self.changed = False

    def save(self) -> None:
        """Write the file if rows have come to it, and let go of the oldest others. A scenario in a
        file of the user's has no row in it: that file may be another tomorrow.
        """
        if self.path is None or not self.changed:
            return
        names = sorted(set().union(*(row.methods | row.setup | row.sites for row in self.rows.values())))
        places = {name: place for place, name in enumerate(names)}
        rows = [
            (case, _bits(row.methods, places), _bits(row.setup, places), _bits(row.sites, places), row.probes)
            for case, row in [(case, row) for case, row in self.rows.items() if not is_file(case.scenario)][:ROWS_MAX]
        ]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, msgspec.msgpack.encode(Kept(names, rows)))
            others = sorted(self.path.parent.glob("reach-*"), key=lambda file: file.stat().st_mtime, reverse=True)
            for file in others[FILES_MAX:]:
                file.unlink(missing_ok=True)
        except (OSError, StorageError):
            return
        self.changed = False


def kept_table(kernel: str) -> ReachTable:
    """Return the table that the user's cache directory has of a kernel version."""
    table = ReachTable(cache_directory() / f"reach-{sources_hash()}-{kernel}")
    table.load()
    return table


def cache_directory() -> Path:
    """Return the directory of this tool's caches: zapstress in $XDG_CACHE_HOME, or in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zapstress"


def sources_hash(root: Path = ROOT) -> str:
    """Return a hash over the sources that decide what a case reaches: 16 hex digits."""
    total = hashlib.blake2b(digest_size=8)
    for folder in SOURCES:
        for file in sorted((root / folder).rglob("*.py")):
            total.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()


def _bits(names: Iterable[str], places: dict[str, int]) -> bytes:
    word = sum(1 << places[name] for name in names)
    return word.to_bytes((word.bit_length() + 7) // 8, "little")


def _named(bits: bytes, names: list[str]) -> frozenset[str]:
    word, found = int.from_bytes(bits, "little"), []
    while word:
        low = word & -word
        found.append(names[low.bit_length() - 1])
        word ^= low
    return frozenset(found)
