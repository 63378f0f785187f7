"""Joins the results directories of machines that never met, each execution counted once.

Machines that search the same with different seeds execute different seeds, so their counts add up.
What a directory holds is known by the seeds of the campaigns whose executions are in it: its own,
and those of directories that it was itself made of. No seed may come twice. The directory that is
made has a seed of its own, so that it can be gone on with, and merged again.

It is made under another name and moved into place when it is complete: whoever is killed meanwhile
leaves nothing under the name that was asked for. The sources are only read.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stress.campaign.code import Text, keep_texts
from stress.campaign.database import PROOFS, at_work, connect, database_error, lock, make_tables, storage_error
from stress.campaign.directory import TRACE, expect, expected_in, is_kept, kept_files, side_folder, trace_of
from stress.campaign.results import Results
from stress.campaign.store import ADD_BLOCK, ADD_COUNT, DEATHS_KEPT_MAX
from stress.errors import UsageError
from stress.files import read_plain, write_atomically
from stress.native.proofs.certificate import FILE_MIB_MAX
from stress.native.proofs.result import DIFFERS, NOT_REACHED, PROVED, UNFINISHED, VIOLATED_KIND
from stress.workers.distinct import KEPT_MAX
from stress.workers.metrics import MAX, METRICS
from stress.workers.settings import beginning

SAYS_MOST = (DIFFERS, VIOLATED_KIND, PROVED, NOT_REACHED, UNFINISHED)
"""What came of searching a case to its end: of several answers the first of these stands."""

GENERATION = 1
"""The only generation of a directory that was merged: the newest of its sources."""

LARGEST = ", ".join(f"'{metric.name}'" for metric in METRICS.values() if metric.merge == MAX)
"""Metrics of which the larger number counts; all others add up."""

COPIES = (
    (
        "SELECT case_id, machine, strategy, metric, value FROM numbers",
        "INSERT INTO numbers VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET value ="
        f" CASE WHEN metric IN ({LARGEST}) THEN MAX(value, excluded.value) ELSE value + excluded.value END",
    ),
    ("SELECT metric, profile, key, count FROM counts", f"INSERT INTO counts VALUES (?, ?, ?, ?){ADD_COUNT}"),
    ("SELECT metric, hash FROM hashes", "INSERT OR IGNORE INTO hashes VALUES (?, ?)"),
    ("SELECT case_id, executions, unseen, before FROM blocks", ADD_BLOCK),
    (
        "SELECT case_id, run, differing FROM twins",
        "INSERT INTO twins VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET run = run + excluded.run,"
        " differing = differing + excluded.differing",
    ),
    (
        "SELECT side, case_id, executions FROM sides",
        "INSERT INTO sides VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET executions = executions + excluded.executions",
    ),
    (
        "SELECT side, signature, checker, title, count, first FROM side_failures",
        f"INSERT INTO side_failures VALUES (?, ?, ?, ?, ?, ?){ADD_COUNT}, first = MIN(first, excluded.first)",
    ),
    (
        "SELECT worker, pid, case_id, seed, exit_status, unrecorded FROM deaths ORDER BY id",
        "INSERT INTO deaths VALUES (NULL, ?, ?, ?, ?, ?, ?)",
    ),
)
"""What is read of a source, and how each row of it is added to what is there."""


def merge(sources: Sequence[Path], into: Path, seed: int) -> None:
    """Make the directory ``into`` of the newest generations of ``sources``; its campaign, if it is
    gone on with, has ``seed``.

    Raises UsageError if ``into`` is there or lies in a source, if a source is no campaign's, is
    damaged or at work, if they have searched different things or run different code, or if the same
    executions are in two of them; and StorageError.
    """
    if os.path.lexists(into):
        raise UsageError(f"{into}: is there already; name a new directory")
    for source in sources:
        if source.resolve() in into.resolve().parents:
            raise UsageError(f"{into}: lies in {source}, which is only read; name a directory beside it")
    unfinished = into.with_name(f".{into.name}.merging")
    with ExitStack() as stack:
        opened = [stack.enter_context(Results.open(source)) for source in sources]
        check(opened, seed)
        try:
            shutil.rmtree(unfinished, ignore_errors=True)
            fill(opened, unfinished, seed)
            os.rename(unfinished, into)
        except BaseException as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            if isinstance(error, sqlite3.Error):
                raise database_error(into, error) from error
            if isinstance(error, OSError):
                raise storage_error(into, error) from error
            raise


# -- what can be merged --------------------------------------------------------------------------------------------


def check(sources: Sequence[Results], seed: int) -> None:
    """Raise UsageError unless the sources can be merged."""
    first, *others = sources
    owners: dict[int, Results] = {}
    for source in sources:
        if at_work(source.directory):
            raise UsageError(f"{source.directory}: a campaign is at work in it; wait for its end")
        for number in seeds_of(source):
            if number in owners:
                raise UsageError(
                    f"{owners[number].directory} and {source.directory}: the executions of seed {number:#x} are in"
                    " both; give each machine a --seed of its own"
                )
            owners[number] = source
    if seed in owners:
        raise UsageError(f"--seed {seed:#x}: {owners[seed].directory} has it already; give another")
    for other in others:
        compare(first, other)


def seeds_of(source: Results) -> list[int]:
    """Return the seeds of the campaigns whose executions a directory holds."""
    return [int(source.settings()["seed"]), *(row["seed"] for row in source.merged())]


def compare(one: Results, other: Results) -> None:
    """Raise UsageError unless two directories have searched the same, with the same code."""
    pair = f"{one.directory} and {other.directory}"
    theirs = other.settings()
    for name, value in one.settings().items():
        if name != "seed" and theirs.get(name) != value:
            here, there = json.dumps(value), json.dumps(theirs.get(name))
            raise UsageError(f"{pair}: they have {name} {shortened(here)} and {shortened(there)}; merge what is alike")
    for name, what in (("model", "model of the kernel"), ("code", "code of yours")):
        if one.generations()[-1][name] != other.generations()[-1][name]:
            raise UsageError(f"{pair}: they have run another {what}; go on with one of them where the other's is")
    numbers = cases_of(other)
    if any(numbers.get(number, case) != case for number, case in cases_of(one).items()):
        raise UsageError(f"{pair}: they number their cases differently, as one has older ones; begin that one anew")


def shortened(text: str) -> str:
    """Return a text of which an error line shows the beginning."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def cases_of(source: Results) -> dict[int, tuple[Any, ...]]:
    """Return the cases of a directory, by number."""
    rows = source.db.execute("SELECT id, scenario, profile, geometry, params FROM cases ORDER BY id")
    return {number: tuple(case) for number, *case in rows}


# -- what is merged ------------------------------------------------------------------------------------------------


def fill(sources: Sequence[Results], directory: Path, seed: int) -> None:
    """Make a directory of the sources, in one transaction."""
    descriptor = lock(directory)
    try:
        db = connect(directory, descriptor)
        try:
            db.execute("BEGIN IMMEDIATE")
            make_tables(db)
            begin(db, sources, seed)
            enter_failures(db, sources, directory)
            enter_proofs(db, sources, directory)
            for source in sources:
                add(db, source, seed)
            trim(db)
            keep_texts(directory, texts_of(db))
            db.execute("COMMIT")
        finally:
            db.close()
    finally:
        os.close(descriptor)
    for source in sources:
        copy_sides(source, directory)
        if expected := expected_in(source.directory):
            expect(directory, expected)


def begin(db: sqlite3.Connection, sources: Sequence[Results], seed: int) -> None:
    """Write down what the sources have in common: settings, code, overrides and cases."""
    first = sources[0]
    settings = first.settings() | {"seed": seed}
    db.executemany(
        "INSERT INTO settings VALUES (?, ?)", [(name, json.dumps(value)) for name, value in settings.items()]
    )
    newest = first.generations()[-1]
    row = (GENERATION, newest["zapstress"], newest["model"], newest["code"])
    db.execute("INSERT INTO generations VALUES (?, ?, ?, ?, 0, 0, 0.0)", row)
    texts = first.db.execute("SELECT role, path, hash, text FROM texts WHERE generation = ?", (first.generation,))
    db.executemany(f"INSERT INTO texts VALUES ({GENERATION}, ?, ?, ?, ?)", texts)
    overrides = first.db.execute("SELECT method, profile, absent FROM overrides")
    db.executemany("INSERT INTO overrides VALUES (?, ?, ?)", overrides)
    for source in sources:
        cases = [(number, *case) for number, case in cases_of(source).items()]
        db.executemany("INSERT OR IGNORE INTO cases VALUES (?, ?, ?, ?, ?)", cases)


def texts_of(db: sqlite3.Connection) -> list[Text]:
    """Return the user's files of a directory that was merged."""
    return [Text(*row) for row in db.execute("SELECT role, path, text FROM texts")]


def add(db: sqlite3.Connection, source: Results, seed: int) -> None:
    """Add what a source has counted."""
    for select, insert in COPIES:
        db.executemany(insert, source.db.execute(select).fetchall())
    counts = source.db.execute(
        "SELECT c.signature, c.case_id, c.count FROM failure_cases c JOIN failures f ON f.signature = c.signature"
        " WHERE f.generation = ?",
        (source.generation,),
    )
    db.executemany(f"INSERT INTO failure_cases VALUES (?, ?, ?){ADD_COUNT}", counts)
    progress = source.db.execute(
        "SELECT case_id, machine, leases, unrecorded + (SELECT CAST(TOTAL(count - done) AS INTEGER) FROM leases l"
        " WHERE l.case_id = p.case_id AND l.machine = p.machine) FROM progress p"
    )
    db.executemany(
        "INSERT INTO progress VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET leases = leases + excluded.leases,"
        " unrecorded = unrecorded + excluded.unrecorded",
        [(case, machine, beginning(seed, machine), leases, lost) for case, machine, leases, lost in progress],
    )
    runs = source.db.execute(
        "SELECT elapsed_s, executions, steps, ended FROM sessions WHERE generation = ? ORDER BY id",
        (source.generation,),
    )
    db.executemany(f"INSERT INTO sessions VALUES (NULL, ?, ?, ?, ?, {GENERATION})", runs)
    db.executemany("INSERT INTO merged VALUES (?, ?)", executed(source))


def executed(source: Results) -> list[tuple[int, int]]:
    """Return the seeds of the campaigns whose executions a directory holds, and how many of each."""
    earlier = [(row["seed"], row["executions"]) for row in source.merged()]
    made = int(sum(row["executions"] for row in source.totals().values()))
    return [(int(source.settings()["seed"]), made - sum(count for _, count in earlier)), *earlier]


def enter_failures(db: sqlite3.Connection, sources: Sequence[Results], directory: Path) -> None:
    """Enter each signature of the newest generations, and copy its folder.

    It is told as the source tells it that has kept its trace and has found it after the fewest
    executions. No run of the merged directory has found it.
    """
    found: dict[str, list[tuple[Results, dict[str, Any]]]] = {}
    for source in sources:
        for row in source.rows_of_failures():
            found.setdefault(row["signature"], []).append((source, row))
    for signature, rows in sorted(found.items()):
        source, best = min(rows, key=lambda pair: (not pair[1]["kept"], pair[1]["needed"], pair[1]["seed"]))
        kept = bool(best["kept"]) and copied(source.directory, directory, signature)
        known = [row["unpatched"] for _, row in rows if row["unpatched"] is not None]
        more = {
            "kept": kept,
            "session": 0,
            "generation": GENERATION,
            "retried": "",
            "unpatched": max(known, default=None),
            "searched": sum(row["searched"] for _, row in rows),
        }
        row = best | more
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        db.execute(f"INSERT INTO failures ({names}) VALUES ({marks})", tuple(row.values()))


def enter_proofs(db: sqlite3.Connection, sources: Sequence[Results], directory: Path) -> None:
    """Enter what came of searching each case to its end, where that says most, and copy the
    certificates; a proof without one is left out.
    """
    found: dict[int, list[tuple[int, float, tuple[Any, ...], Results]]] = {}
    for source in sources:
        for row in source.db.execute("SELECT * FROM proofs").fetchall():
            number, kind, *_, seconds, _ = row
            if kind in SAYS_MOST:
                entry = (SAYS_MOST.index(kind), -seconds, row, source)
                found.setdefault(number, []).append(entry)
    for answers in found.values():
        for _, _, row, source in sorted(answers, key=lambda answer: answer[:3]):
            if row[1] != PROVED or certified(source.directory, directory, row[-1]):
                db.execute("INSERT INTO proofs VALUES (?, ?, ?, ?, ?, ?, ?)", row)
                break


def certified(source: Path, directory: Path, name: str) -> bool:
    """Copy a certificate; return whether it was there. No link is followed, and a name that leads
    elsewhere is none of a certificate's.
    """
    if Path(name).name != name or (source / PROOFS).is_symlink():
        return False
    try:
        data = read_plain(source / PROOFS / name, FILE_MIB_MAX, links=False)
    except (OSError, ValueError):
        return False
    (directory / PROOFS).mkdir(exist_ok=True)
    write_atomically(directory / PROOFS / name, data)
    return True


def trim(db: sqlite3.Connection) -> None:
    """Leave what a directory keeps of hashes and deaths."""
    for (metric,) in db.execute("SELECT DISTINCT metric FROM hashes").fetchall():
        db.execute(
            "DELETE FROM hashes WHERE metric = ?1 AND hash > (SELECT hash FROM hashes WHERE metric = ?1"
            " ORDER BY hash LIMIT 1 OFFSET ?2)",
            (metric, KEPT_MAX - 1),
        )
    db.execute("DELETE FROM deaths WHERE id <= (SELECT MAX(id) FROM deaths) - ?", (DEATHS_KEPT_MAX,))


def copy_sides(source: Results, directory: Path) -> None:
    """Copy the failures of a comparison's sides that no source before has had."""
    for side in source.sides():
        for failure in source.side_failures(side):
            signature, there = failure["signature"], side_folder(directory, side)
            if not is_kept(there, signature):
                copied(side_folder(source.directory, side), there, signature)


def copied(source: Path, directory: Path, signature: str) -> bool:
    """Copy the folder of a failure; return whether its trace was there."""
    files = kept_files(source, signature)
    folder = trace_of(directory, signature).parent
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write_atomically(folder / name, data)
    return TRACE in files
