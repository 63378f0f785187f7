"""Everything that a campaign writes into its results directory.

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

from stress.campaign.code import Code, keep_texts
from stress.campaign.database import (
    DATABASE,
    PROOFS,
    connect,
    database_error,
    lock,
    make_tables,
    storage_error,
    taken_away,
)
from stress.campaign.directory import is_kept, keep, side_folder
from stress.campaign.history import growth
from stress.campaign.history.generations import settle
from stress.campaign.results import Results
from stress.case import Case
from stress.errors import StorageError, UsageError
from stress.files import write_atomically
from stress.workers.distinct import KEPT_MAX
from stress.workers.messages import Batch, Failure, ProveAnswer
from stress.workers.metrics import MAX, METRICS, Counts
from stress.workers.plan.leases import LEASED, Progress
from stress.workers.settings import nth

DEATHS_KEPT_MAX = 256
"""Deaths of workers that are remembered one by one."""

NO_CODE = Code()
"""Of a store whose code nobody has told of."""

ADD_COUNT = " ON CONFLICT DO UPDATE SET count = count + excluded.count"
"""How rows that count merge."""


ADD_BLOCK = (
    "INSERT INTO blocks VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET executions = excluded.executions,"
    " unseen = excluded.unseen, before = excluded.before WHERE excluded.before >= before"
)
"""Of two blocks of a case, of two workers or two runs, the one counts before which more was
measured.
"""


class Store(Results):
    """An open results directory, for the one process that writes it. Close it, or use it as a
    context manager.
    """

    def __init__(self, directory: Path, settings: Mapping[str, Any], code: Code = NO_CODE, anew: bool = False) -> None:
        """Open ``directory``, or make it. ``settings`` must be those that it was made with; another
        ``code`` begins a new generation; ``anew`` makes a database beside failures that are saved
        already.

        Raises UsageError if the directory is not a campaign's, is damaged, or is one of other
        settings or another version, and StorageError if it cannot be written or another campaign is
        at work in it.
        """
        self.directory, self.session = directory, 0
        self._lock = lock(directory)
        try:
            self.db = connect(directory, self._lock, anew)
            try:
                with self.writing():
                    make_tables(self.db)
                    self._settle(settings)
                    self.begun = settle(self.db, code)
                    keep_texts(directory, code.texts)
                super().__init__(directory, self.db)
                self.lost = self._miss_folders()
            except BaseException:
                self.db.close()
                raise
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Close the file and let go of the lock. A second call does nothing."""
        if self._lock >= 0:
            self.db.close()
            os.close(self._lock)
            self._lock = -1

    # -- opening ---------------------------------------------------------------------------------------------------

    def _settle(self, settings: Mapping[str, Any]) -> None:
        """Write the settings of a new campaign; compare those of an old one."""
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

    def _miss_folders(self) -> list[str]:
        """Return the signatures whose traces were kept and are gone: the next such failure is kept
        in their place.
        """
        kept = [row[0] for row in self.db.execute("SELECT signature FROM failures WHERE kept ORDER BY signature")]
        lost = [signature for signature in kept if not is_kept(self.directory, signature)]
        if lost:
            with self.writing() as db:
                db.executemany("UPDATE failures SET kept = 0 WHERE signature = ?", [(name,) for name in lost])
        return lost

    def check_in_place(self) -> None:
        """Raise StorageError if the database was taken away under the campaign that writes it."""
        if taken_away(self.directory, self._lock):
            raise StorageError(
                f"{self.directory / DATABASE}: was taken away while the campaign was at work in it; "
                "put it back and go on, or give --dir a new directory"
            )

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
        except sqlite3.Error as error:
            raise database_error(self.directory, error) from error
        except OSError as error:
            raise storage_error(self.directory, error) from error

    def _insert(self, table: str, row: Mapping[str, Any]) -> int:
        """Add a row, within a transaction; return its number."""
        marks = ", ".join("?" * len(row))
        values = tuple(row.values())
        return int(self.db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", values).lastrowid or 0)

    # -- leases ----------------------------------------------------------------------------------------------------

    def add_cases(self, cases: Iterable[Case]) -> dict[Case, int]:
        """Return the cases' numbers; those that have none yet get one.

        Kernel, patch and faults are not compared: the whole campaign has the same.
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

    def resume(self) -> dict[tuple[int, str], Progress]:
        """Tear the leases that nobody holds any more; return how far each case is on each machine."""
        with self.writing() as db:
            for (number,) in db.execute("SELECT id FROM leases").fetchall():
                self._tear(number)
            rows = db.execute("SELECT case_id, machine, next, leases FROM progress")
            found = {(case, machine): Progress(seed, leases) for case, machine, seed, leases in rows}
            sums = db.execute("SELECT case_id, machine, metric, SUM(value) FROM numbers GROUP BY 1, 2, 3")
            for case, machine, metric, value in sums:
                place = case, machine
                if place in found and metric == "executions":
                    found[place] = found[place]._replace(executions=int(value))
                elif place in found and metric in LEASED:
                    found[place] = found[place]._replace(spent_s=found[place].spent_s + value)
            return found

    def open_lease(self, case: int, machine: str, strategy: str, first: int, count: int) -> int:
        """Record that seeds ``first`` to ``first + count - 1`` are handed out; return the lease's
        number, which is its own until it is closed.
        """
        row = {"case_id": case, "machine": machine, "strategy": strategy, "first": first, "count": count}
        with self.writing() as db:
            db.execute(
                "INSERT INTO progress VALUES (?, ?, ?, 1, 0) ON CONFLICT DO UPDATE SET leases = leases + 1,"
                " next = MAX(next, excluded.next)",
                (case, machine, first + count),
            )
            return self._insert("leases", {**row, "done": 0})

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
            db.execute("UPDATE leases SET done = done + ? WHERE id = ?", (batch.done, lease))
            if batch.last:
                self._close(lease)
            self._add_numbers((case, machine, strategy), batch.numbers)
            for name, counts in batch.counts.items():
                self._add_counts(name, profile, counts)
            for name, hashes in batch.hashes.items():
                self._add_hashes(name, hashes)
            if batch.block is not None:
                db.execute(ADD_BLOCK, (case, *batch.block))

    def _close(self, lease: int) -> None:
        """Take a lease off the table.

        The seeds that it has not used are the next of its case, unless others were handed out
        since.
        """
        case, machine, first, count, done = self._lease(lease)
        self.db.execute(
            "UPDATE progress SET next = ? WHERE case_id = ? AND machine = ? AND next = ?",
            (first + done, case, machine, first + count),
        )
        self.db.execute("DELETE FROM leases WHERE id = ?", (lease,))

    def tear(self, lease: int) -> None:
        """Close a lease whose worker has died: seeds not accounted for are never run again."""
        with self.writing():
            self._tear(lease)

    def _tear(self, lease: int) -> None:
        case, machine, _, count, done = self._lease(lease)
        self.db.execute(
            "UPDATE progress SET unrecorded = unrecorded + ? WHERE case_id = ? AND machine = ?",
            (count - done, case, machine),
        )
        self.db.execute("DELETE FROM leases WHERE id = ?", (lease,))

    def _lease(self, lease: int) -> tuple[int, str, int, int, int]:
        found: tuple[int, str, int, int, int] = self.db.execute(
            "SELECT case_id, machine, first, count, done FROM leases WHERE id = ?", (lease,)
        ).fetchone()
        return found

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

    def know_sites(self, names: Iterable[str]) -> None:
        """Record sites that the kernel has: those that are never visited stay at 0."""
        with self.writing() as db:
            rows = [("visits", "", name, 0) for name in names]
            db.executemany("INSERT OR IGNORE INTO counts VALUES (?, ?, ?, ?)", rows)

    def _add_hashes(self, name: str, hashes: Iterable[int]) -> None:
        """Add hashes to those of a metric; drop the ones that are too large to be kept now."""
        distinct = self.distinct[name]
        fresh = [(name, value) for value in hashes if distinct.add(value)]
        self.db.executemany("INSERT OR IGNORE INTO hashes VALUES (?, ?)", fresh)
        if fresh and len(distinct.kept) == KEPT_MAX:
            self.db.execute("DELETE FROM hashes WHERE metric = ? AND hash > ?", (name, distinct.largest))

    # -- findings --------------------------------------------------------------------------------------------------

    def fail(self, case: int, failure: Failure) -> None:
        """Record a failure that belongs to no batch."""
        with self.writing():
            self._fail(case, failure)

    def _fail(self, case: int, failure: Failure) -> None:
        """Count a failure; keep the evidence of the first of its signature in this generation, and
        of the next one if that was deleted.
        """
        known = self.db.execute(
            "SELECT kept, generation FROM failures WHERE signature = ?", (failure.signature,)
        ).fetchone()
        if known is None:
            self._enter(case, failure, kept=keep(self.directory, failure))
        elif known[1] != self.generation:
            kept = keep(self.directory, failure) if failure.trace is not None else known[0]
            self.db.execute("DELETE FROM failure_cases WHERE signature = ?", (failure.signature,))
            self._change(failure.signature, {**self._first(case, failure), "kept": kept})
        elif failure.trace is not None and not known[0]:
            kept = keep(self.directory, failure)
            self._change(failure.signature, {"kept": kept, "strategy": failure.strategy, "seed": failure.seed})
        found = (failure.signature, case, failure.count)
        self.db.execute("INSERT INTO failure_cases VALUES (?, ?, ?)" + ADD_COUNT, found)

    def enter(self, case: int, failure: Failure) -> None:
        """Record a failure whose folder is there already."""
        with self.writing() as db:
            self._enter(case, failure, kept=True)
            db.execute("INSERT INTO failure_cases VALUES (?, ?, ?)", (failure.signature, case, failure.count))

    def _enter(self, case: int, failure: Failure, kept: bool) -> None:
        """Add the row of a signature."""
        row = {name: getattr(failure, name) for name in ("signature", "kind", "checker", "title")}
        self._insert("failures", {**row, **self._first(case, failure), "kept": kept})

    def _first(self, case: int, failure: Failure) -> dict[str, Any]:
        """Return what is written down of the first failure of a signature in this generation."""
        scenario, profile = self.db.execute("SELECT scenario, profile FROM cases WHERE id = ?", (case,)).fetchone()
        return {
            "scenario": scenario,
            "profile": profile,
            "strategy": failure.strategy,
            "seed": failure.seed,
            "session": self.session,
            "case_id": case,
            "generation": self.generation,
            "needed": nth(failure.seed),
            "retried": "",
            "unpatched": None,
            "searched": 0,
        }

    def _change(self, signature: str, values: Mapping[str, Any]) -> None:
        """Change columns of a signature's row, within a transaction."""
        names = ", ".join(f"{name} = ?" for name in values)
        self.db.execute(f"UPDATE failures SET {names} WHERE signature = ?", (*values.values(), signature))

    def retried(self, signature: str, kind: str, failure: Failure | None) -> None:
        """Record how an old failure's trace has ended under this generation's code: the kind of its
        verdict, and the failure that it has shown, if it did.

        The number of executions that have found it first stays: its trace has found it now.
        """
        with self.writing() as db:
            case, needed = db.execute(
                "SELECT case_id, needed FROM failures WHERE signature = ?", (signature,)
            ).fetchone()
            if failure is not None:
                self._fail(case, failure)
            same = failure is not None and failure.signature == signature
            self._change(signature, {"needed": needed} if same else {"retried": kind})

    def searched(self, signature: str, executions: int, unpatched: bool | None) -> None:
        """Record that a signature was looked for in so many more executions without the patch, and
        whether it is the unpatched kernel's too; None while that is open.
        """
        with self.writing() as db:
            db.execute(
                "UPDATE failures SET searched = searched + ?, unpatched = ? WHERE signature = ?",
                (executions, unpatched, signature),
            )

    def record_side(self, side: int, case: int, batch: Batch) -> None:
        """Add what a batch has brought on a side of a comparison."""
        folder = side_folder(self.directory, side)
        with self.writing() as db:
            db.execute(
                "INSERT INTO sides VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET executions = executions"
                " + excluded.executions",
                (side, case, batch.done),
            )
            for failure in batch.failures:
                known = db.execute(
                    "SELECT 1 FROM side_failures WHERE side = ? AND signature = ?", (side, failure.signature)
                ).fetchone()
                if known is None:
                    keep(folder, failure)
                row = (side, failure.signature, failure.checker, failure.title, failure.count, nth(failure.seed))
                db.execute("INSERT INTO side_failures VALUES (?, ?, ?, ?, ?, ?)" + ADD_COUNT, row)

    def proved(self, case: int, answer: ProveAnswer) -> None:
        """Record what came of searching a case to its end: what the latest slice has come to."""
        counts = answer.states, answer.transitions, answer.classes, answer.seconds
        if answer.file:
            (self.directory / PROOFS).mkdir(exist_ok=True)
            write_atomically(self.directory / PROOFS / Path(answer.file).name, answer.certificate)
        with self.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO proofs VALUES (?, ?, ?, ?, ?, ?, ?)",
                (case, answer.kind, *counts, answer.file),
            )
            if answer.failure is not None:
                self._fail(case, answer.failure)

    def died(self, worker: int, pid: int, held: tuple[int, int] | None, exit_status: int, unrecorded: int) -> None:
        """Record that a worker died; ``held`` is the (case, seed) that it was running, if any. Of
        very many deaths the last DEATHS_KEPT_MAX stay.
        """
        case, seed = held or (None, None)
        row = {"worker": worker, "pid": pid, "case_id": case, "seed": seed, "exit_status": exit_status}
        with self.writing() as db:
            number = self._insert("deaths", {**row, "unrecorded": unrecorded})
            db.execute("DELETE FROM deaths WHERE id <= ?", (number - DEATHS_KEPT_MAX,))

    def twin(self, case: int, same: bool) -> None:
        """Record that an execution was run twice, and whether its two digests were the same."""
        with self.writing() as db:
            db.execute(
                "INSERT INTO twins VALUES (?, 1, ?) ON CONFLICT DO UPDATE SET run = run + 1,"
                " differing = differing + excluded.differing",
                (case, not same),
            )

    def begin_session(self) -> None:
        """Record that the campaign is run (again).

        A run that is killed stays ``killed``.
        """
        with self.writing():
            row = {"elapsed_s": 0.0, "executions": 0, "steps": 0, "ended": "killed", "generation": self.generation}
            self.session = self._insert("sessions", row)

    def note_session(self, elapsed_s: float, executions: int, steps: int, ended: str = "killed") -> None:
        """Record how far this run is, and what is known by now; at its end, how it ended."""
        with self.writing() as db:
            db.execute(
                "UPDATE sessions SET elapsed_s = ?, executions = ?, steps = ?, ended = ? WHERE id = ?",
                (elapsed_s, executions, steps, ended, self.session),
            )
            growth.note(db, self.generation, self.distinct["classes"].estimate())
