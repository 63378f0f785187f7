"""A results directory: a campaign's SQLite file, and one folder per failure signature
(docs/file-formats.md).

One process writes it, the supervisor, which holds a lock on it as long as it lives. Everything that
a batch of executions has brought is one transaction, and a failure's folder is complete before the
row that names it, so that whatever is killed whenever, what was recorded stays and what was not is
known by its open lease.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stress.errors import StorageError, UsageError
from stress.files import write_atomically
from stress.workers.distinct import SKETCH_MAX, Sketch

APPLICATION_ID = 0x5A415053
"""``ZAPS``, in the header of the SQLite file."""

VERSION = 2
"""Of the schema. A directory of another version is refused."""

OS_ERRORS = ((errno.ENOSPC, errno.EDQUOT), (errno.EACCES, errno.EPERM, errno.EROFS))
"""What the system says of a disk that is full, and of one that we may not write."""

SQLITE_ERRORS = ((sqlite3.SQLITE_FULL,), (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM))
"""The same in SQLite's primary codes."""

DATABASE, FAILURES, LOCK = "campaign.sqlite", "failures", "lock"

SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE cases (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, scenario TEXT NOT NULL, profile TEXT NOT NULL,
    geometry TEXT NOT NULL, params TEXT NOT NULL);
CREATE TABLE leases (id INTEGER PRIMARY KEY, case_id INTEGER NOT NULL REFERENCES cases, strategy TEXT NOT NULL,
    first INTEGER NOT NULL, count INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL);
CREATE INDEX leases_of_case ON leases (case_id, first);
CREATE TABLE counters (case_id INTEGER NOT NULL REFERENCES cases, strategy TEXT NOT NULL, executions INTEGER NOT NULL,
    steps INTEGER NOT NULL, inconclusive INTEGER NOT NULL, busy_s REAL NOT NULL, PRIMARY KEY (case_id, strategy));
CREATE TABLE together (case_id INTEGER PRIMARY KEY REFERENCES cases, runs INTEGER NOT NULL, steps INTEGER NOT NULL, switches INTEGER NOT NULL,
    pauses INTEGER NOT NULL);
CREATE TABLE visits (site TEXT NOT NULL, profile TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (site, profile));
CREATE TABLE pairs (first TEXT NOT NULL, second TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (first, second));
CREATE TABLE conflicts (first TEXT NOT NULL, second TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (first, second));
CREATE TABLE schedules (hash INTEGER PRIMARY KEY);
CREATE TABLE failures (signature TEXT PRIMARY KEY, kind TEXT NOT NULL, checker TEXT NOT NULL, title TEXT NOT NULL,
    scenario TEXT NOT NULL, profile TEXT NOT NULL, strategy TEXT NOT NULL, seed INTEGER NOT NULL, trace TEXT NOT NULL);
CREATE TABLE failure_cases (signature TEXT NOT NULL REFERENCES failures, case_id INTEGER NOT NULL REFERENCES cases,
    count INTEGER NOT NULL, PRIMARY KEY (signature, case_id));
CREATE TABLE deaths (id INTEGER PRIMARY KEY, worker INTEGER NOT NULL, pid INTEGER NOT NULL, case_id INTEGER, seed INTEGER,
    exit_status INTEGER NOT NULL, unrecorded INTEGER NOT NULL);
CREATE TABLE twins (id INTEGER PRIMARY KEY, case_id INTEGER NOT NULL REFERENCES cases, seed INTEGER NOT NULL, same INTEGER NOT NULL,
    first_digest TEXT NOT NULL, second_digest TEXT NOT NULL);
CREATE TABLE sessions (id INTEGER PRIMARY KEY, elapsed_s REAL NOT NULL, executions INTEGER NOT NULL, ended TEXT NOT NULL);
"""


@dataclass(frozen=True)
class CaseRow:
    """What an execution is an execution of, but for kernel and faults, which the whole campaign
    shares.
    """

    scenario: str
    profile: str
    geometry: str
    params: Mapping[str, int]

    @property
    def key(self) -> str:
        """The case in one line."""
        return f"{self.scenario} {self.profile} {self.geometry} {json.dumps(dict(self.params), sort_keys=True)}"


@dataclass
class Failure:
    """One failing execution.

    ``trace`` is None where the worker has sent one of this signature already.
    """

    signature: str
    checker: str
    title: str
    strategy: str
    seed: int
    trace: bytes | None = None
    report: str = ""
    environment: dict[str, Any] = field(default_factory=dict)
    kind: str = "violation"
    count: int = 1


TOGETHER = ("runs", "steps", "switches", "pauses")
"""What is counted of the parallel machine: runs, recorded steps, how often the next was another
process's, moments at which all stood still.
"""


@dataclass
class Batch:
    """What a stretch of a lease has brought.

    ``done`` executions from the lease's first on are accounted for.
    """

    executions: int = 0
    steps: int = 0
    inconclusive: int = 0
    busy_s: float = 0.0
    visits: dict[str, int] = field(default_factory=dict)
    pairs: dict[tuple[str, str], int] = field(default_factory=dict)
    """Operations that overlapped (the second began within the first)."""
    conflicts: dict[tuple[str, str], int] = field(default_factory=dict)
    """Sites of different actors that met at a location, one of them writing."""
    schedules: list[int] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    together: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOGETHER, 0))
    """Of the parallel machine."""


class Store:
    """An open results directory. Close it, or use it as a context manager."""

    def __init__(self, directory: Path, settings: Mapping[str, Any]) -> None:
        """Open ``directory``, or make it. ``settings`` must be those that it was made with.

        Raises UsageError if the directory is not a campaign's, or one of other settings or another
        version, and StorageError if it cannot be written or another campaign is at work in it.
        """
        self.directory = directory
        self._lock = _locked(directory)
        try:
            self.db = self._open()
            with self.writing():
                self._settle(settings)
            self.sketch = Sketch(row[0] for row in self.db.execute("SELECT hash FROM schedules"))
            self.cases: dict[str, int] = dict(self.db.execute("SELECT key, id FROM cases"))
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let go of the lock. A second call does nothing."""
        if self._lock >= 0:
            self.db.close()
            os.close(self._lock)
            self._lock = -1

    # -- opening -------------------------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        path = self.directory / DATABASE
        fresh = not path.exists() or not path.stat().st_size
        try:
            db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
            if fresh:
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            found = db.execute("PRAGMA application_id").fetchone()[0]
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if found == APPLICATION_ID and version in (0, VERSION):
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.DatabaseError as error:
            raise _storage_error(path, error) from error
        if found != APPLICATION_ID:
            raise UsageError(f"{path}: an SQLite file of something else; give --dir a directory of its own")
        if version not in (0, VERSION):
            raise UsageError(f"{path}: format {version}, this zapstress has {VERSION}; give --dir a new directory")
        return db

    def _settle(self, settings: Mapping[str, Any]) -> None:
        """Make the tables of a new campaign; compare the settings of an old one."""
        if self.db.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in SCHEMA.split(";\n"):
                self.db.execute(statement)
            self.db.execute(f"PRAGMA user_version = {VERSION}")
        kept = self.settings()
        if not kept:
            rows = [(name, json.dumps(value)) for name, value in settings.items()]
            self.db.executemany("INSERT INTO settings VALUES (?, ?)", rows)
            return
        for name, value in settings.items():
            if kept.get(name) != json.loads(json.dumps(value)):
                raise UsageError(
                    f"{self.directory}: its campaign has {name} {json.dumps(kept.get(name))}, not {json.dumps(value)}; "
                    f"resume it as it was, or give --dir a new directory"
                )

    def settings(self) -> dict[str, Any]:
        """Return what the campaign was started with."""
        return {name: json.loads(value) for name, value in self.db.execute("SELECT name, value FROM settings")}

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or nothing. Raises StorageError if the disk does not take it."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.execute("COMMIT")
            except BaseException:
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as error:
            raise _storage_error(self.directory, error) from error

    # -- leases --------------------------------------------------------------------------------------------------

    def add_cases(self, rows: Iterable[CaseRow]) -> None:
        """Number the cases that have no number yet."""
        with self.writing() as db:
            for row in rows:
                if row.key not in self.cases:
                    values = (
                        row.key,
                        row.scenario,
                        row.profile,
                        row.geometry,
                        json.dumps(dict(row.params), sort_keys=True),
                    )
                    cursor = db.execute(
                        "INSERT INTO cases (key, scenario, profile, geometry, params) VALUES (?, ?, ?, ?, ?)", values
                    )
                    self.cases[row.key] = int(cursor.lastrowid or 0)

    def resume(self) -> dict[tuple[int, bool], tuple[int, int]]:
        """Mark leases that nobody holds any more as torn; return per case and machine the next
        unused seed and the leases so far.
        """
        after = "MAX(CASE state WHEN 'done' THEN first + done ELSE first + count END)"
        with self.writing() as db:
            db.execute("UPDATE leases SET state = 'torn' WHERE state = 'open'")
            rows = db.execute(
                f"SELECT case_id, strategy = 'parallel', {after}, COUNT(*) FROM leases GROUP BY case_id, strategy = 'parallel'"
            )
            return {(case, bool(together)): (after, leases) for case, together, after, leases in rows}

    def open_lease(self, case: int, strategy: str, first: int, count: int) -> int:
        """Record that seeds ``first`` to ``first + count - 1`` are handed out; return the lease's
        number.
        """
        with self.writing() as db:
            values = (case, strategy, first, count)
            cursor = db.execute(
                "INSERT INTO leases (case_id, strategy, first, count, state) VALUES (?, ?, ?, ?, 'open')", values
            )
            return int(cursor.lastrowid or 0)

    def record(self, lease: int, batch: Batch, last: bool) -> None:
        """Add what a batch of ``lease`` has brought; ``last`` closes the lease."""
        with self.writing() as db:
            case, strategy = db.execute("SELECT case_id, strategy FROM leases WHERE id = ?", (lease,)).fetchone()
            for failure in batch.failures:
                self._fail(db, case, failure)
            db.execute(
                "UPDATE leases SET done = done + ?, state = ? WHERE id = ?",
                (batch.executions, "done" if last else "open", lease),
            )
            self._count(db, case, strategy, batch)

    def tear(self, lease: int) -> None:
        """Close a lease whose worker has died: seeds that were not accounted for are not run again."""
        with self.writing() as db:
            db.execute("UPDATE leases SET state = 'torn' WHERE id = ?", (lease,))

    def _count(self, db: sqlite3.Connection, case: int, strategy: str, batch: Batch) -> None:
        db.execute(
            "INSERT INTO counters VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET executions = executions + excluded.executions,"
            " steps = steps + excluded.steps, inconclusive = inconclusive + excluded.inconclusive, busy_s = busy_s + excluded.busy_s",
            (case, strategy, batch.executions, batch.steps, batch.inconclusive, batch.busy_s),
        )
        if batch.together["runs"]:
            db.execute(
                "INSERT INTO together VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET runs = runs + excluded.runs, steps = steps + excluded.steps,"
                " switches = switches + excluded.switches, pauses = pauses + excluded.pauses",
                (case, *batch.together.values()),
            )
        profile = db.execute("SELECT profile FROM cases WHERE id = ?", (case,)).fetchone()[0]
        add = " ON CONFLICT DO UPDATE SET count = count + excluded.count"
        db.executemany(
            "INSERT INTO visits VALUES (?, ?, ?)" + add, [(site, profile, n) for site, n in batch.visits.items()]
        )
        db.executemany("INSERT INTO pairs VALUES (?, ?, ?)" + add, [(*pair, n) for pair, n in batch.pairs.items()])
        db.executemany(
            "INSERT INTO conflicts VALUES (?, ?, ?)" + add, [(*pair, n) for pair, n in batch.conflicts.items()]
        )
        fresh = [value for value in batch.schedules if self.sketch.add(value)]
        db.executemany("INSERT OR IGNORE INTO schedules VALUES (?)", [(value,) for value in fresh])
        if fresh and len(self.sketch.kept) == SKETCH_MAX:
            db.execute("DELETE FROM schedules WHERE hash > ?", (max(self.sketch.kept),))

    # -- findings ------------------------------------------------------------------------------------------------

    def fail(self, case: int, failure: Failure) -> None:
        """Record a failure that belongs to no batch."""
        with self.writing() as db:
            self._fail(db, case, failure)

    def _fail(self, db: sqlite3.Connection, case: int, failure: Failure) -> None:
        known = db.execute("SELECT 1 FROM failures WHERE signature = ?", (failure.signature,)).fetchone()
        if known is None:
            scenario, profile = db.execute("SELECT scenario, profile FROM cases WHERE id = ?", (case,)).fetchone()
            trace = self._keep(failure)
            values = (
                failure.signature,
                failure.kind,
                failure.checker,
                failure.title,
                scenario,
                profile,
                failure.strategy,
                failure.seed,
                trace,
            )
            db.execute("INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        add = " ON CONFLICT DO UPDATE SET count = count + excluded.count"
        db.execute("INSERT INTO failure_cases VALUES (?, ?, ?)" + add, (failure.signature, case, failure.count))

    def _keep(self, failure: Failure) -> str:
        """Write the failure's folder; return the trace's path below the directory, or nothing if it
        has no trace.
        """
        name = f"{FAILURES}/{failure.signature}"
        folder = self.directory / name
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(
            folder / "environment.json", json.dumps(failure.environment, indent=1, sort_keys=True).encode() + b"\n"
        )
        write_atomically(folder / "report.txt", failure.report.encode())
        if failure.trace is None:
            return ""
        write_atomically(folder / "trace", failure.trace)
        return f"{name}/trace"

    def died(self, worker: int, pid: int, held: tuple[int, int] | None, exit_status: int, unrecorded: int) -> None:
        """Record that a worker died; ``held`` is the case and the seed that it was running, if any."""
        case, seed = held or (None, None)
        with self.writing() as db:
            values = (worker, pid, case, seed, exit_status, unrecorded)
            db.execute(
                "INSERT INTO deaths (worker, pid, case_id, seed, exit_status, unrecorded) VALUES (?, ?, ?, ?, ?, ?)",
                values,
            )

    def twin(self, case: int, seed: int, first: str, second: str) -> None:
        """Record that an execution was run twice, and the digests that it had."""
        with self.writing() as db:
            values = (case, seed, first == second, first, second)
            db.execute(
                "INSERT INTO twins (case_id, seed, same, first_digest, second_digest) VALUES (?, ?, ?, ?, ?)", values
            )

    def begin_session(self) -> int:
        """Record that the campaign is run (again); return the number of this run.

        One that was killed stays ``killed``.
        """
        with self.writing() as db:
            return int(
                db.execute("INSERT INTO sessions (elapsed_s, executions, ended) VALUES (0, 0, 'killed')").lastrowid or 0
            )

    def note_session(self, session: int, elapsed_s: float, executions: int, ended: str = "killed") -> None:
        """Record how far this run is, and, at its end, how it ended."""
        with self.writing() as db:
            db.execute(
                "UPDATE sessions SET elapsed_s = ?, executions = ?, ended = ? WHERE id = ?",
                (elapsed_s, executions, ended, session),
            )


def _locked(directory: Path) -> int:
    """Make ``directory`` and lock it for this process; return the lock's descriptor, which no child
    inherits.
    """
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory}: not a directory; --dir wants one, existing or new")
    try:
        if (
            directory.exists()
            and not (directory / DATABASE).exists()
            and {entry.name for entry in directory.iterdir()} - {LOCK}
        ):
            raise UsageError(f"{directory}: holds something else, and no campaign; give --dir a directory of its own")
        directory.mkdir(parents=True, exist_ok=True)
        fd = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except NotADirectoryError as error:
        raise UsageError(
            f"{directory}: a part of this path is not a directory; --dir wants one, existing or new"
        ) from error
    except OSError as error:
        raise _storage_error(directory, error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise StorageError(
            f"{directory}: another campaign is at work in it; wait for its end, or give --dir another directory"
        ) from error
    return fd


def _storage_error(path: Path, error: Exception) -> Exception:
    """Turn what the system said about ``path`` into one line that says what to do."""
    if isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error):
        return UsageError(f"{path}: not a campaign's file, or damaged; give --dir a directory of its own")
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StorageError(f"{path}: cannot write ({words}); {_remedy(error)}. What was recorded is kept")


def _remedy(error: Exception) -> str:
    """Return what the user can do about what the system, or SQLite on its behalf, said."""
    code = error.errno if isinstance(error, OSError) else (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
    full, denied = SQLITE_ERRORS if isinstance(error, sqlite3.Error) else OS_ERRORS
    if code in full:
        return "make room or give --dir another directory"
    return "make it writable or give --dir another directory" if code in denied else "give --dir another directory"


def peek(directory: Path) -> dict[str, Any] | None:
    """Return the settings of the campaign in ``directory``, or None if there is none yet.

    Raises as :class:`Store` does.
    """
    if not (directory / DATABASE).exists():
        return None
    with Store(directory, {}) as store:
        return store.settings() or None
