"""A campaign's database: the schema, and everything that is written to it or asked of it.

One process writes, the supervisor, which holds the directory's lock as long as it lives. Everything
that a batch of executions has brought is one transaction, and a failure's folder is complete before
the row that names it. So whatever process is killed at whatever moment, what was recorded stays,
and an open lease tells which seeds were handed out and not recorded.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stress.campaign.directory import DATABASE, keep, lock, storage_error
from stress.case import Case
from stress.errors import UsageError
from stress.workers.distinct import KEPT_MAX, DistinctCount
from stress.workers.messages import Batch, Failure
from stress.workers.metrics import MAX, METRICS, Counts, Distinct, Number, declared

APPLICATION_ID = 0x5A415053
"""``ZAPS``, in the header of the SQLite file."""

VERSION = 3
"""Of the schema. A directory of another version is refused. A new metric needs no new version."""

SCHEMA = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE cases (id INTEGER PRIMARY KEY, scenario TEXT NOT NULL, profile TEXT NOT NULL, geometry TEXT NOT NULL,
    params TEXT NOT NULL, UNIQUE (scenario, profile, geometry, params));
CREATE TABLE leases (id INTEGER PRIMARY KEY, case_id INTEGER NOT NULL REFERENCES cases, machine TEXT NOT NULL,
    strategy TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL);
CREATE INDEX leases_of_case ON leases (case_id, first);
CREATE TABLE numbers (case_id INTEGER NOT NULL REFERENCES cases, machine TEXT NOT NULL, strategy TEXT NOT NULL,
    metric TEXT NOT NULL, value NUMERIC NOT NULL, PRIMARY KEY (case_id, machine, strategy, metric));
CREATE TABLE counts (metric TEXT NOT NULL, profile TEXT NOT NULL, key TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (metric, profile, key)) WITHOUT ROWID;
CREATE TABLE hashes (metric TEXT NOT NULL, hash INTEGER NOT NULL, PRIMARY KEY (metric, hash)) WITHOUT ROWID;
CREATE TABLE failures (signature TEXT PRIMARY KEY, kind TEXT NOT NULL, checker TEXT NOT NULL, title TEXT NOT NULL,
    scenario TEXT NOT NULL, profile TEXT NOT NULL, strategy TEXT NOT NULL, seed INTEGER NOT NULL, trace TEXT NOT NULL);
CREATE TABLE failure_cases (signature TEXT NOT NULL REFERENCES failures, case_id INTEGER NOT NULL REFERENCES cases,
    count INTEGER NOT NULL, PRIMARY KEY (signature, case_id));
CREATE TABLE deaths (id INTEGER PRIMARY KEY, worker INTEGER NOT NULL, pid INTEGER NOT NULL, case_id INTEGER,
    seed INTEGER, exit_status INTEGER NOT NULL, unrecorded INTEGER NOT NULL);
CREATE TABLE twins (id INTEGER PRIMARY KEY, case_id INTEGER NOT NULL REFERENCES cases, seed INTEGER NOT NULL,
    same INTEGER NOT NULL, first_digest TEXT NOT NULL, second_digest TEXT NOT NULL);
CREATE TABLE sessions (id INTEGER PRIMARY KEY, elapsed_s REAL NOT NULL, executions INTEGER NOT NULL,
    ended TEXT NOT NULL);
"""

ADD_COUNT = " ON CONFLICT DO UPDATE SET count = count + excluded.count"
"""How rows that count merge."""


class Store:
    """An open results directory. Close it, or use it as a context manager."""

    def __init__(self, directory: Path, settings: Mapping[str, Any]) -> None:
        """Open ``directory``, or make it. ``settings`` must be those that it was made with.

        Raises UsageError if the directory is not a campaign's, or one of other settings or another
        version, and StorageError if it cannot be written or another campaign is at work in it.
        """
        self.directory = directory
        self._lock = lock(directory)
        try:
            self.db = self._open()
            with self.writing():
                self._settle(settings)
            self.distinct = {metric.name: self._distinct(metric.name) for metric in declared(Distinct)}
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

    # -- opening ---------------------------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        """Return the database: a campaign's of this format, or empty. Raises UsageError."""
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
            raise storage_error(path, error) from error
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

    def _distinct(self, metric: str) -> DistinctCount:
        """Return the count of distinct values that the database holds."""
        return DistinctCount(row[0] for row in self.db.execute("SELECT hash FROM hashes WHERE metric = ?", (metric,)))

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all or nothing. Raises StorageError if the disk does not take it."""
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
            raise storage_error(self.directory, error) from error

    def _insert(self, table: str, row: Mapping[str, Any]) -> int:
        """Add a row, within a transaction; return its number."""
        marks = ", ".join("?" * len(row))
        values = tuple(row.values())
        return int(self.db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", values).lastrowid or 0)

    # -- leases ----------------------------------------------------------------------------------------------------

    def add_cases(self, cases: Iterable[Case]) -> dict[Case, int]:
        """Return the cases' numbers; those that have none yet get one.

        Kernel and faults are not compared: the whole campaign has the same.
        """
        known = {
            tuple(key): number
            for number, *key in self.db.execute("SELECT id, scenario, profile, geometry, params FROM cases")
        }
        numbers = {}
        with self.writing():
            for case in cases:
                params = json.dumps(dict(case.params), sort_keys=True)
                key = {"scenario": case.scenario, "profile": case.profile, "geometry": case.geometry, "params": params}
                found = known.get(tuple(key.values()))
                numbers[case] = found if found is not None else self._insert("cases", key)
        return numbers

    def resume(self) -> dict[tuple[int, str], tuple[int, int]]:
        """Mark leases that nobody holds any more as torn; return per case and machine the next
        unused seed and the leases so far.
        """
        after = "MAX(CASE state WHEN 'done' THEN first + done ELSE first + count END)"
        with self.writing() as db:
            db.execute("UPDATE leases SET state = 'torn' WHERE state = 'open'")
            rows = db.execute(f"SELECT case_id, machine, {after}, COUNT(*) FROM leases GROUP BY case_id, machine")
            return {(case, machine): (seed, leases) for case, machine, seed, leases in rows}

    def open_lease(self, case: int, machine: str, strategy: str, first: int, count: int) -> int:
        """Record that seeds ``first`` to ``first + count - 1`` are handed out; return the lease's
        number.
        """
        row = {"case_id": case, "machine": machine, "strategy": strategy, "first": first, "count": count}
        with self.writing():
            return self._insert("leases", {**row, "state": "open"})

    def record(self, lease: int, batch: Batch) -> None:
        """Add what a batch of ``lease`` has brought; the last one closes the lease."""
        with self.writing() as db:
            case, machine, strategy, profile = db.execute(
                "SELECT case_id, machine, strategy, profile FROM leases JOIN cases ON cases.id = case_id"
                " WHERE leases.id = ?",
                (lease,),
            ).fetchone()
            for failure in batch.failures:
                self._fail(case, failure)
            db.execute(
                "UPDATE leases SET done = done + ?, state = ? WHERE id = ?",
                (batch.done, "done" if batch.last else "open", lease),
            )
            self._add_numbers((case, machine, strategy), batch.numbers)
            for name, counts in batch.counts.items():
                self._add_counts(name, profile, counts)
            for name, hashes in batch.hashes.items():
                self._add_hashes(name, hashes)

    def _add_numbers(self, place: tuple[int, str, str], numbers: Mapping[str, float]) -> None:
        """Merge numbers into those of a case, machine and strategy."""
        for name, value in numbers.items():
            merged = "MAX(value, excluded.value)" if METRICS[name].merge == MAX else "value + excluded.value"
            self.db.execute(
                f"INSERT INTO numbers VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = {merged}",
                (*place, name, value),
            )

    def _add_counts(self, name: str, profile: str, counts: Mapping[str, int]) -> None:
        """Add counts to those of a metric, and of the profile if the metric counts each apart."""
        metric = METRICS[name]
        place = profile if isinstance(metric, Counts) and metric.by_profile else ""
        rows = [(name, place, key, count) for key, count in counts.items()]
        self.db.executemany("INSERT INTO counts VALUES (?, ?, ?, ?)" + ADD_COUNT, rows)

    def _add_hashes(self, name: str, hashes: Iterable[int]) -> None:
        """Add hashes to those of a metric; drop the ones that are too large to be kept now."""
        distinct = self.distinct[name]
        fresh = [(name, value) for value in hashes if distinct.add(value)]
        self.db.executemany("INSERT OR IGNORE INTO hashes VALUES (?, ?)", fresh)
        if fresh and len(distinct.kept) == KEPT_MAX:
            self.db.execute("DELETE FROM hashes WHERE metric = ? AND hash > ?", (name, distinct.largest))

    def tear(self, lease: int) -> None:
        """Close a lease whose worker has died: seeds not accounted for are never run again."""
        with self.writing() as db:
            db.execute("UPDATE leases SET state = 'torn' WHERE id = ?", (lease,))

    # -- findings --------------------------------------------------------------------------------------------------

    def fail(self, case: int, failure: Failure) -> None:
        """Record a failure that belongs to no batch."""
        with self.writing():
            self._fail(case, failure)

    def _fail(self, case: int, failure: Failure) -> None:
        """Count a failure; keep the evidence of the first of its signature."""
        known = self.db.execute("SELECT 1 FROM failures WHERE signature = ?", (failure.signature,)).fetchone()
        if known is None:
            scenario, profile = self.db.execute("SELECT scenario, profile FROM cases WHERE id = ?", (case,)).fetchone()
            names = ("signature", "kind", "checker", "title", "strategy", "seed")
            row = {name: getattr(failure, name) for name in names}
            trace = keep(self.directory, failure)
            self._insert("failures", {**row, "scenario": scenario, "profile": profile, "trace": trace})
        found = (failure.signature, case, failure.count)
        self.db.execute("INSERT INTO failure_cases VALUES (?, ?, ?)" + ADD_COUNT, found)

    def died(self, worker: int, pid: int, held: tuple[int, int] | None, exit_status: int, unrecorded: int) -> None:
        """Record that a worker died; ``held`` is the (case, seed) that it was running, if any."""
        case, seed = held or (None, None)
        row = {"worker": worker, "pid": pid, "case_id": case, "seed": seed, "exit_status": exit_status}
        with self.writing():
            self._insert("deaths", {**row, "unrecorded": unrecorded})

    def twin(self, case: int, seed: int, first: str, second: str) -> None:
        """Record that an execution was run twice, and the digests that it had."""
        row = {"case_id": case, "seed": seed, "same": first == second, "first_digest": first, "second_digest": second}
        with self.writing():
            self._insert("twins", row)

    def begin_session(self) -> int:
        """Record that the campaign is run (again); return the number of this run.

        A run that is killed stays ``killed``.
        """
        with self.writing():
            return self._insert("sessions", {"elapsed_s": 0, "executions": 0, "ended": "killed"})

    def note_session(self, session: int, elapsed_s: float, executions: int, ended: str = "killed") -> None:
        """Record how far this run is, and, at its end, how it ended."""
        with self.writing() as db:
            db.execute(
                "UPDATE sessions SET elapsed_s = ?, executions = ?, ended = ? WHERE id = ?",
                (elapsed_s, executions, ended, session),
            )

    # -- what has come of it ---------------------------------------------------------------------------------------

    def totals(self) -> dict[str, dict[str, float]]:
        """Return the numbers of each machine that has executed anything, all that it can have."""
        found: dict[str, dict[str, list[float]]] = {}
        for machine, name, value in self.db.execute("SELECT machine, metric, value FROM numbers ORDER BY machine"):
            found.setdefault(machine, {}).setdefault(name, []).append(value)
        return {
            machine: {
                metric.name: metric.merged(values.get(metric.name, ()))
                for metric in declared(Number)
                if metric.machine in (None, machine)
            }
            for machine, values in found.items()
        }

    def counts(self, metric: str) -> dict[str, int]:
        """Return a metric's counts by key, over all profiles, the largest first."""
        return dict(
            self.db.execute(
                "SELECT key, SUM(count) AS n FROM counts WHERE metric = ? GROUP BY key ORDER BY n DESC, key", (metric,)
            )
        )

    def cells(self) -> dict[str, dict[str, int]]:
        """Return the executions per scenario and profile, also those that are none."""
        rows = self.db.execute(
            "SELECT scenario, profile, TOTAL(value) FROM cases LEFT JOIN numbers ON case_id = id"
            " AND metric = 'executions' GROUP BY scenario, profile ORDER BY scenario, profile"
        )
        found: dict[str, dict[str, int]] = {}
        for scenario, profile, executions in rows:
            found.setdefault(scenario, {})[profile] = int(executions)
        return found

    def failures(self) -> list[dict[str, Any]]:
        """Return one object per signature, the most frequent first; ``trace`` is below the
        directory, or ``""``.
        """
        rows = self.db.execute(
            "SELECT signature, checker, scenario, profile, seed,"
            " (SELECT SUM(count) FROM failure_cases c WHERE c.signature = f.signature) AS count,"
            " trace, kind, title, strategy FROM failures f ORDER BY count DESC, signature"
        )
        found = _objects(rows)
        for failure in found:
            failure["profiles"] = dict(
                self.db.execute(
                    "SELECT profile, SUM(count) FROM failure_cases JOIN cases ON id = case_id WHERE signature = ?"
                    " GROUP BY profile",
                    (failure["signature"],),
                )
            )
        return found

    def deaths(self) -> list[dict[str, Any]]:
        """Return the workers that died, with what each was running."""
        rows = self.db.execute(
            "SELECT worker, pid, scenario, profile, geometry, params, seed, exit_status, unrecorded FROM deaths"
            " LEFT JOIN cases c ON c.id = case_id ORDER BY deaths.id"
        )
        return [death | {"params": json.loads(death["params"] or "null")} for death in _objects(rows)]

    def twins(self) -> dict[str, int]:
        """Return how many executions were run twice, and how many of them differed."""
        (found,) = _objects(
            self.db.execute("SELECT COUNT(*) AS run, COUNT(*) FILTER (WHERE NOT same) AS differing FROM twins")
        )
        return found

    def unrecorded(self) -> int:
        """Return how many seeds of torn leases are not accounted for: they may have been run."""
        return int(self.db.execute("SELECT TOTAL(count - done) FROM leases WHERE state = 'torn'").fetchone()[0])

    def sessions(self) -> tuple[int, float]:
        """Return how many runs there were, and their seconds."""
        runs, seconds = self.db.execute("SELECT COUNT(*), TOTAL(elapsed_s) FROM sessions").fetchone()
        return int(runs), float(seconds)


def _objects(rows: sqlite3.Cursor) -> list[dict[str, Any]]:
    """Return rows as objects whose fields are the columns."""
    names = [column[0] for column in rows.description]
    return [dict(zip(names, row, strict=True)) for row in rows]


def peek(directory: Path) -> dict[str, Any] | None:
    """Return the settings of the campaign in ``directory``, or None if there is none yet.

    Raises as :class:`Store` does.
    """
    if not (directory / DATABASE).exists():
        return None
    with Store(directory, {}) as store:
        return store.settings() or None
