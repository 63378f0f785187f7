"""What a results directory holds, for whoever asks: the campaign itself, or ``zapstress status``
beside it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from statistics import median_low
from typing import Any, Self

import msgspec

from stress.campaign.database import connect_to_read, damaged, is_new
from stress.campaign.directory import expected_in, is_kept, side_folder, trace_of
from stress.files import DAMAGED
from stress.native.proofs.result import PROVED
from stress.patch.scenario.staging import SPECULATION
from stress.workers.distinct import DistinctCount
from stress.workers.measure.bound import Block, risk
from stress.workers.metrics import Distinct, Number, declared
from stress.workers.settings import machine_of

CLEAN_TIMES = 10
"""An old failure is gone only after so many times the executions that first found it were clean."""

FAILURE = (
    "signature, checker, scenario, profile, seed,"
    " (SELECT SUM(count) FROM failure_cases c WHERE c.signature = f.signature) AS count,"
    " kept, kind, title, strategy, session, unpatched, needed AS first"
)
"""What is told of a failure."""

ORDER = "ORDER BY count DESC, signature"


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

    @property
    def generation(self) -> int:
        """The number of the newest generation; 0 before there is one."""
        return int(self.db.execute("SELECT TOTAL(id) FROM (SELECT MAX(id) AS id FROM generations)").fetchone()[0])

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
        except DAMAGED as error:
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

    def cases(self) -> dict[str, int]:
        """Return how many cases there are; how many were opened, that is executed, and with how
        many executions these were left; how many were neither executed nor proved; and how many of
        all executions are of cases whose CPUs speculate.
        """
        opened = sorted(
            int(row[0])
            for row in self.db.execute("SELECT SUM(value) FROM numbers WHERE metric = 'executions' GROUP BY case_id")
        )
        known, never = self.db.execute(
            "SELECT COUNT(*), COUNT(*) FILTER (WHERE id NOT IN (SELECT case_id FROM proofs WHERE kind = 'proved')"
            " AND id NOT IN (SELECT case_id FROM numbers WHERE metric = 'executions')) FROM cases"
        ).fetchone()
        (speculating,) = self.db.execute(
            "SELECT TOTAL(value) FROM numbers JOIN cases ON case_id = id WHERE metric = 'executions' AND params LIKE ?",
            (f'%"{SPECULATION}": 1%',),
        ).fetchone()
        return {
            "known": known,
            "opened": len(opened),
            "never_opened": never,
            "executions_min": min(opened, default=0),
            "executions_median": median_low(opened) if opened else 0,
            "executions_speculating": int(speculating),
        }

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

    def coverage(self) -> list[dict[str, Any]]:
        """Return one object per scenario and profile: how many ``cases`` it has and how many were
        ``opened``, their ``executions`` and the ``inconclusive`` ones among them, and how many the
        opened case has had that has had the ``fewest``; how many are ``proved``; its ``risk``; how
        many were ``sampled`` and are not proved, and the ``sampled_risk`` of these alone.
        """
        blocks, sampled = self.blocks(), self.blocks(sampled=True)
        found = _objects(
            self.db.execute(
                "SELECT scenario, profile, COUNT(*) AS cases, COUNT(done) AS opened, CAST(TOTAL(done) AS INTEGER)"
                " AS executions, CAST(TOTAL(undecided) AS INTEGER) AS inconclusive,"
                " CAST(COALESCE(MIN(done), 0) AS INTEGER) AS fewest FROM cases LEFT JOIN"
                " (SELECT case_id, SUM(value) FILTER (WHERE metric = 'executions') AS done,"
                " SUM(value) FILTER (WHERE metric = 'inconclusive') AS undecided FROM numbers GROUP BY case_id)"
                " ON case_id = id GROUP BY scenario, profile ORDER BY scenario, profile"
            )
        )
        proved = {
            (scenario, profile): nr
            for scenario, profile, nr in self.db.execute(
                "SELECT scenario, profile, COUNT(*) FROM proofs JOIN cases ON case_id = id WHERE kind = 'proved'"
                " GROUP BY scenario, profile"
            )
        }
        cells = [(row["scenario"], row["profile"]) for row in found]
        return [
            row
            | {"proved": proved.get(cell, 0), "risk": risk(blocks[cell])}
            | {"sampled": len(sampled.get(cell, ())), "sampled_risk": risk(sampled.get(cell, ()))}
            for row, cell in zip(found, cells, strict=True)
        ]

    def risk(self) -> float:
        """Return the largest chance that the next execution of any case shows a class that was not
        seen (:func:`stress.workers.measure.bound.risk`).
        """
        return risk(block for blocks in self.blocks().values() for block in blocks)

    def proofs(self) -> list[tuple[int, str, float]]:
        """Return what came of searching cases to their end: (number of the case, kind, seconds)."""
        return self.db.execute("SELECT case_id, kind, seconds FROM proofs ORDER BY case_id").fetchall()

    def blocks(self, sampled: bool = False) -> dict[tuple[str, str], list[Block | None]]:
        """Return the newest block of measured executions of each case that is not proved, or of
        those of them that were executed, by scenario and profile; None of a case of which nothing
        was measured.
        """
        found: dict[tuple[str, str], list[Block | None]] = {}
        for scenario, profile, kind, done, *block in self.db.execute(
            "SELECT scenario, profile, kind, done, executions, unseen, before FROM cases"
            " LEFT JOIN blocks b ON b.case_id = id LEFT JOIN proofs p ON p.case_id = id"
            " LEFT JOIN (SELECT case_id, SUM(value) AS done FROM numbers WHERE metric = 'executions' GROUP BY case_id)"
            " n ON n.case_id = id ORDER BY scenario, profile, id"
        ):
            cell = found.setdefault((scenario, profile), [])
            if kind != PROVED and (done or not sampled):
                cell.append(Block(*block) if block[0] is not None else None)
        return found

    def merged(self) -> list[dict[str, int]]:
        """Return the campaigns that the directory was made of, if it was: ``seed`` and
        ``executions``.
        """
        return _objects(self.db.execute("SELECT seed, executions FROM merged ORDER BY seed"))

    def rows_of_failures(self) -> list[dict[str, Any]]:
        """Return the failures of the newest generation as the database has them."""
        return _objects(self.db.execute("SELECT * FROM failures WHERE generation = ?", (self.generation,)))

    def signatures(self) -> list[str]:
        """Return every signature that any generation has shown."""
        return [row[0] for row in self.db.execute("SELECT signature FROM failures ORDER BY signature")]

    def without_trace(self) -> list[dict[str, str]]:
        """Return the failures of any generation whose trace is not in the directory: ``signature``,
        ``scenario`` and ``profile``; somebody has deleted it.
        """
        rows = self.db.execute("SELECT signature, scenario, profile FROM failures ORDER BY signature")
        return [row for row in _objects(rows) if not is_kept(self.directory, row["signature"])]

    def seen(self) -> list[dict[str, Any]]:
        """Return how often each signature of the newest generation was found, per scenario and
        profile.
        """
        return _objects(
            self.db.execute(
                "SELECT c.signature AS signature, k.scenario AS scenario, k.profile AS profile, SUM(count) AS count"
                " FROM failure_cases c JOIN failures f ON f.signature = c.signature JOIN cases k ON k.id = c.case_id"
                " WHERE f.generation = ? GROUP BY 1, 2, 3 ORDER BY 1, 4 DESC, 2, 3",
                (self.generation,),
            )
        )

    def texts(self, role: str) -> list[dict[str, Any]]:
        """Return the user's files of a role in the newest generation: ``path``, ``hash`` and
        ``text``.
        """
        return _objects(
            self.db.execute(
                "SELECT path, hash, text FROM texts WHERE generation = ? AND role = ? ORDER BY path",
                (self.generation, role),
            )
        )

    def failures(self) -> list[dict[str, Any]]:
        """Return one object per signature that the newest generation shows, the most frequent
        first; ``trace`` is a path, or None if none is there, and ``session`` the run that found it
        first.
        """
        return self._failures("generation = ?", FAILURE)

    def old_failures(self) -> list[dict[str, Any]]:
        """Return one object per signature that earlier generations have shown and the newest has
        not. ``retried`` is how its trace has ended now, ``""`` if it was not run; ``clean`` is how
        many of the ``executions`` of its case were clean, and ``clean_needed`` how many make it
        gone.
        """
        found = self._failures("generation < ?", f"{FAILURE}, case_id, generation, retried")
        for failure in found:
            failure["executions"], failure["clean"] = self._tried(failure["case_id"], machine_of(failure["strategy"]))
            failure["clean_needed"] = CLEAN_TIMES * failure["first"]
        return found

    def _failures(self, where: str, columns: str) -> list[dict[str, Any]]:
        rows = self.db.execute(f"SELECT {columns} FROM failures f WHERE {where} {ORDER}", (self.generation,))
        found = _objects(rows)
        for failure in found:
            name = failure["signature"]
            there = failure.pop("kept") and is_kept(self.directory, name)
            failure["trace"] = str(trace_of(self.directory, name)) if there else None
            unpatched = failure["unpatched"]
            failure["unpatched"] = None if unpatched is None else bool(unpatched)
            failure["profiles"] = dict(
                self.db.execute(
                    "SELECT profile, SUM(count) FROM failure_cases JOIN cases ON id = case_id WHERE signature = ?"
                    " GROUP BY profile",
                    (failure["signature"],),
                )
            )
        return found

    def _tried(self, case: int, machine: str) -> tuple[int, int]:
        """Return how many executions of a case the newest generation has made on a machine, and how
        many of them had a clean end.
        """
        executions, inconclusive = self.db.execute(
            "SELECT TOTAL(value) FILTER (WHERE metric = 'executions'), TOTAL(value) FILTER (WHERE metric ="
            " 'inconclusive') FROM numbers WHERE case_id = ? AND machine = ?",
            (case, machine),
        ).fetchone()
        (violating,) = self.db.execute(
            "SELECT TOTAL(count) FROM failure_cases c JOIN failures f ON f.signature = c.signature"
            " WHERE c.case_id = ? AND f.generation = ?",
            (case, self.generation),
        ).fetchone()
        return int(executions), max(0, int(executions - inconclusive - violating))

    def unsearched(self) -> list[dict[str, Any]]:
        """Return the signatures of the newest generation of which it is not known yet whether the
        unpatched kernel has them: how many executions have ``needed`` and ``searched`` them.
        """
        return _objects(
            self.db.execute(
                "SELECT signature, case_id, strategy, needed, searched FROM failures"
                " WHERE generation = ? AND unpatched IS NULL AND kind = 'violation' ORDER BY signature",
                (self.generation,),
            )
        )

    def traced(self) -> list[tuple[str, int]]:
        """Return the violations of the newest generation whose trace is kept, and their cases."""
        return self.db.execute(
            "SELECT signature, case_id FROM failures WHERE generation = ? AND kept AND kind = 'violation'"
            " ORDER BY signature",
            (self.generation,),
        ).fetchall()

    def generations(self) -> list[dict[str, Any]]:
        """Return the earlier generations with their totals, and the newest with 0 in their place."""
        return _objects(
            self.db.execute(
                "SELECT id AS generation, zapstress, model, code, executions, steps, elapsed_s FROM generations"
                " ORDER BY id"
            )
        )

    def growth(self) -> list[dict[str, Any]]:
        """Return how many executions were measured, and how many ``classes`` were known, after how
        much time of all runs: points of a curve, the earliest first.
        """
        return _objects(self.db.execute("SELECT elapsed_s, measured, classes FROM growth ORDER BY elapsed_s"))

    def sides(self) -> dict[int, int]:
        """Return the executions of each side of a comparison, by its number."""
        return dict(self.db.execute("SELECT side, SUM(executions) FROM sides GROUP BY side ORDER BY side").fetchall())

    def side_failures(self, side: int) -> list[dict[str, Any]]:
        """Return one object per signature that a side of a comparison has shown, as
        :meth:`failures` does.
        """
        found = _objects(
            self.db.execute(
                "SELECT signature, checker, title, count, first FROM side_failures WHERE side = ? " + ORDER, (side,)
            )
        )
        for failure in found:
            failure["trace"] = str(trace_of(side_folder(self.directory, side), failure["signature"]))
        return found

    def overrides(self) -> list[dict[str, Any]]:
        """Return what the patch overrides: how often each ran, on which profiles and in which
        scenarios; ``absent`` has the profiles on which it cannot run, with the reasons.
        """
        found: dict[str, dict[str, Any]] = {}
        for method, profile, why in self.db.execute("SELECT method, profile, absent FROM overrides ORDER BY method"):
            row = found.setdefault(
                method, {"method": method, "runs": 0, "profiles": [], "scenarios": [], "absent": {}, "here": False}
            )
            row["here"] |= not why
            row["absent"] |= {profile: why} if why else {}
        for profile, key, count in self.db.execute(
            "SELECT profile, key, count FROM counts WHERE metric = 'overrides' ORDER BY profile, key"
        ):
            method, _, scenario = key.partition(" / ")
            if method in found and count:
                row = found[method]
                row["runs"] += count
                row["profiles"] += [profile] if profile not in row["profiles"] else []
                row["scenarios"] += [scenario] if scenario not in row["scenarios"] else []
        return list(found.values())

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
            except DAMAGED as error:
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
        """Return how many runs the newest generation had, and their seconds."""
        runs, seconds = self.db.execute(
            "SELECT COUNT(*), TOTAL(elapsed_s) FROM sessions WHERE generation = ?", (self.generation,)
        ).fetchone()
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


def baseline(directory: Path) -> dict[str, str]:
    """Return what a campaign expects that has the one in ``directory`` as its baseline: all
    signatures that it has ever shown, and those that it expects itself, each with the reason.

    Raises UsageError if it is no campaign's, or damaged.
    """
    with Results.open(directory) as results:
        return dict.fromkeys(results.signatures(), "in the baseline") | expected_in(directory)


def peek(directory: Path) -> dict[str, Any] | None:
    """Return the settings of the campaign in ``directory``, or None if there is none yet.

    Raises UsageError if there is something else, or what is there is damaged.
    """
    if is_new(directory):
        return None
    with Results.open(directory) as results:
        return results.settings() or None
