"""What a results directory holds, for whoever asks: the campaign itself, or ``zapstress status``
beside it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Self

import msgspec

from stress.campaign.database import connect_to_read, damaged, is_new
from stress.campaign.directory import trace_of
from stress.workers.distinct import DistinctCount
from stress.workers.metrics import Distinct, Number, declared


class Results:
    """An open results directory. Close it, or use it as a context manager."""

    def __init__(self, directory: Path, db: sqlite3.Connection) -> None:
        self.directory, self.db = directory, db
        self.distinct = {metric.name: self._distinct(metric.name) for metric in declared(Distinct)}

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open a directory for reading, also while a campaign is at work in it.

        Raises UsageError if it is not a campaign's, or is damaged.
        """
        return cls(directory, connect_to_read(directory))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def settings(self) -> dict[str, Any]:
        """Return what the campaign was started with, as it was written; empty before it was."""
        try:
            return {
                name: msgspec.json.decode(value) for name, value in self.db.execute("SELECT name, value FROM settings")
            }
        except (msgspec.DecodeError, RecursionError) as error:
            raise damaged(self.directory, f"damaged (its settings: {error})") from error

    def _distinct(self, metric: str) -> DistinctCount:
        """Return the count of distinct values that the database holds."""
        return DistinctCount(row[0] for row in self.db.execute("SELECT hash FROM hashes WHERE metric = ?", (metric,)))

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
        """Return one object per signature, the most frequent first; ``trace`` is a path, or None if
        none is kept, and ``session`` the run that found it first.
        """
        rows = self.db.execute(
            "SELECT signature, checker, scenario, profile, seed,"
            " (SELECT SUM(count) FROM failure_cases c WHERE c.signature = f.signature) AS count,"
            " kept, kind, title, strategy, session FROM failures f ORDER BY count DESC, signature"
        )
        found = _objects(rows)
        for failure in found:
            failure["trace"] = str(trace_of(self.directory, failure["signature"])) if failure.pop("kept") else None
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
        found = _objects(rows)
        for death in found:
            try:
                death["params"] = msgspec.json.decode(death["params"] or "null", type=dict[str, int] | None)
            except msgspec.DecodeError as error:
                raise damaged(self.directory, f"damaged (a case's parameters: {error})") from error
        return found

    def twins(self) -> dict[str, int]:
        """Return how many executions were run twice, and how many of them differed."""
        run, differing = self.db.execute("SELECT TOTAL(run), TOTAL(differing) FROM twins").fetchone()
        return {"run": int(run), "differing": int(differing)}

    def unrecorded(self) -> int:
        """Return how many seeds of torn leases are not accounted for: they may have been run."""
        return int(self.db.execute("SELECT TOTAL(unrecorded) FROM progress").fetchone()[0])

    def sessions(self) -> tuple[int, float]:
        """Return how many runs there were, and their seconds."""
        runs, seconds = self.db.execute("SELECT COUNT(*), TOTAL(elapsed_s) FROM sessions").fetchone()
        return int(runs), float(seconds)

    def latest(self) -> dict[str, Any]:
        """Return the latest run: its number, seconds, executions, steps, and how it ended."""
        rows = self.db.execute("SELECT id, elapsed_s, executions, steps, ended FROM sessions ORDER BY id DESC LIMIT 1")
        found = _objects(rows)
        return found[0] if found else {"id": 0, "elapsed_s": 0.0, "executions": 0, "steps": 0, "ended": "killed"}


def _objects(rows: sqlite3.Cursor) -> list[dict[str, Any]]:
    """Return rows as objects whose fields are the columns."""
    names = [column[0] for column in rows.description]
    return [dict(zip(names, row, strict=True)) for row in rows]


def peek(directory: Path) -> dict[str, Any] | None:
    """Return the settings of the campaign in ``directory``, or None if there is none yet.

    Raises UsageError if there is something else, or what is there is damaged.
    """
    if is_new(directory):
        return None
    with Results.open(directory) as results:
        return results.settings() or None
