"""A campaign's SQLite file: its schema, and how it is opened, made and vetted.

A results directory may be a stranger's, or damaged. What is opened here is a plain file whose
schema is ours to the letter, with no trigger and no view in it; whose pages are whole; and in which
every value has the type and the length that the schema allows (SQLite's ``quick_check`` looks at
the constraints of every row). Whoever reads it further has only the meaning left to judge.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import sqlite3
import stat
import time
from pathlib import Path

from stress.errors import StorageError, UsageError

DATABASE, FAILURES, PROOFS = "campaign.sqlite", "failures", "proofs"

APPLICATION_ID = 0x5A415053
"""``ZAPS``, in the header of the SQLite file."""

VERSION = 8
"""Of the schema. A directory of another version is refused. A new metric needs no new version."""

TEXT_MAX, VALUE_MAX = 4096, 1 << 20
"""Characters of a text; and of a setting, which may hold a list of names."""

HEADER_BYTES = 100
"""Of an SQLite file: what is shorter is none."""

JOURNAL_BYTES_MAX = 16 << 20
"""What is left of the journal's file once it has been written back."""

OS_ERRORS = ((errno.ENOSPC, errno.EDQUOT), (errno.EACCES, errno.EPERM, errno.EROFS))
"""What the system says of a disk that is full, and of one that we may not write."""

SQLITE_ERRORS = ((sqlite3.SQLITE_FULL,), (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM))
"""The same in SQLite's primary codes."""

LOCK_TRIES, LOCK_PAUSE_S = 10, 0.01
"""How often a campaign asks for its lock, and seconds in between: who asks whether one is at work
holds the lock for a moment.
"""

DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_TOOBIG)
"""SQLite's primary codes for a file that is no database any more."""

TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value VALUE);
CREATE TABLE generations (id INTEGER PRIMARY KEY, zapstress TEXT, model TEXT, code TEXT, executions INTEGER,
    steps INTEGER, elapsed_s REAL);
CREATE TABLE texts (generation INTEGER REFERENCES generations, role TEXT, path TEXT, hash TEXT, text VALUE,
    PRIMARY KEY (generation, role, path)) WITHOUT ROWID;
CREATE TABLE overrides (method TEXT, profile TEXT, absent TEXT, PRIMARY KEY (method, profile)) WITHOUT ROWID;
CREATE TABLE cases (id INTEGER PRIMARY KEY, scenario TEXT, profile TEXT, geometry TEXT, params TEXT,
    UNIQUE (scenario, profile, geometry, params));
CREATE TABLE leases (id INTEGER PRIMARY KEY, case_id INTEGER REFERENCES cases, machine TEXT, strategy TEXT,
    first INTEGER, count INTEGER, done INTEGER);
CREATE TABLE progress (case_id INTEGER REFERENCES cases, machine TEXT, next INTEGER, leases INTEGER,
    unrecorded INTEGER, PRIMARY KEY (case_id, machine)) WITHOUT ROWID;
CREATE TABLE numbers (case_id INTEGER REFERENCES cases, machine TEXT, strategy TEXT, metric TEXT, value REAL,
    PRIMARY KEY (case_id, machine, strategy, metric)) WITHOUT ROWID;
CREATE TABLE counts (metric TEXT, profile TEXT, key TEXT, count INTEGER,
    PRIMARY KEY (metric, profile, key)) WITHOUT ROWID;
CREATE TABLE hashes (metric TEXT, hash INTEGER, PRIMARY KEY (metric, hash)) WITHOUT ROWID;
CREATE TABLE blocks (case_id INTEGER PRIMARY KEY REFERENCES cases, executions INTEGER, unseen INTEGER, before INTEGER);
CREATE TABLE failures (signature SIGNATURE PRIMARY KEY, kind TEXT, checker TEXT, title TEXT, scenario TEXT,
    profile TEXT, strategy TEXT, seed INTEGER, kept INTEGER, session INTEGER, case_id INTEGER REFERENCES cases,
    generation INTEGER REFERENCES generations, needed INTEGER, retried TEXT, unpatched INTEGER_OR_NULL,
    searched INTEGER) WITHOUT ROWID;
CREATE TABLE failure_cases (signature SIGNATURE REFERENCES failures, case_id INTEGER REFERENCES cases, count INTEGER,
    PRIMARY KEY (signature, case_id)) WITHOUT ROWID;
CREATE TABLE deaths (id INTEGER PRIMARY KEY, worker INTEGER, pid INTEGER, case_id INTEGER_OR_NULL,
    seed INTEGER_OR_NULL, exit_status INTEGER, unrecorded INTEGER);
CREATE TABLE proofs (case_id INTEGER PRIMARY KEY REFERENCES cases, kind TEXT, states INTEGER, transitions INTEGER,
    classes INTEGER, seconds REAL, certificate TEXT);
CREATE TABLE twins (case_id INTEGER PRIMARY KEY REFERENCES cases, run INTEGER, differing INTEGER);
CREATE TABLE sides (side INTEGER, case_id INTEGER REFERENCES cases, executions INTEGER,
    PRIMARY KEY (side, case_id)) WITHOUT ROWID;
CREATE TABLE side_failures (side INTEGER, signature SIGNATURE, checker TEXT, title TEXT, count INTEGER,
    first INTEGER, PRIMARY KEY (side, signature)) WITHOUT ROWID;
CREATE TABLE growth (elapsed_s REAL PRIMARY KEY, measured INTEGER, classes INTEGER) WITHOUT ROWID;
CREATE TABLE merged (seed INTEGER PRIMARY KEY, executions INTEGER);
CREATE TABLE sessions (id INTEGER PRIMARY KEY, elapsed_s REAL, executions INTEGER, steps INTEGER, ended TEXT,
    generation INTEGER REFERENCES generations);
"""
"""The schema in short: a word for each column's type (:data:`TYPES`)."""

TYPES = {
    "TEXT": ("TEXT NOT NULL", f"typeof({{0}}) = 'text' AND length({{0}}) <= {TEXT_MAX}"),
    "VALUE": ("TEXT NOT NULL", f"typeof({{0}}) = 'text' AND length({{0}}) <= {VALUE_MAX}"),
    "INTEGER": ("INTEGER NOT NULL", "typeof({0}) = 'integer'"),
    "INTEGER_OR_NULL": ("INTEGER", "typeof({0}) IN ('integer', 'null')"),
    "REAL": ("REAL NOT NULL", "typeof({0}) = 'real'"),
    "SIGNATURE": ("TEXT NOT NULL", "length({0}) = 8 AND NOT {0} GLOB '*[^0-9a-f]*'"),
}
"""What a word of TABLES stands for: SQLite's type, and what holds for each value. Without such
checks SQLite keeps any value in any column.
"""

_COLUMN = re.compile(rf"(\w+) ({'|'.join(sorted(TYPES, key=len, reverse=True))})\b")


def _declaration(column: re.Match[str]) -> str:
    """Return how a column of TABLES is declared to SQLite."""
    kind, check = TYPES[column[2]]
    return f"{column[1]} {kind} CHECK ({check.format(column[1])})"


_STATEMENTS = TABLES.strip().removesuffix(";").split(";\n")

SCHEMA = tuple(_COLUMN.sub(_declaration, statement) for statement in _STATEMENTS)
"""The statements that make the tables."""

CHECKS = {
    statement.split()[2]: " AND ".join(TYPES[kind][1].format(name) for name, kind in _COLUMN.findall(statement))
    for statement in _STATEMENTS
}
"""What holds for every row of each table."""


class Damaged(UsageError):
    """A database that cannot be read any more, or is gone from beside its failures."""


# -- the file ------------------------------------------------------------------------------------------------------


def lock(directory: Path) -> int:
    """Make ``directory`` and its database's file, and lock the file for this process; return its
    descriptor, which no child inherits.

    The lock is the database's own, so that whoever takes the lock away takes the database too. No
    other descriptor of the file may be closed as long as SQLite has it open. Raises UsageError if
    the directory is none, or holds something that is not a campaign's, and StorageError if it
    cannot be written or another process has the lock.
    """
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory}: not a directory; --dir wants one, existing or new")
    try:
        if directory.exists() and not os.path.lexists(directory / DATABASE) and _others(directory):
            raise UsageError(f"{directory}: holds something else, and no campaign; give --dir a directory of its own")
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory / DATABASE, os.O_RDWR | os.O_CREAT | _SAFELY, 0o644)
    except NotADirectoryError as error:
        raise UsageError(
            f"{directory}: a part of this path is not a directory; --dir wants one, existing or new"
        ) from error
    except OSError as error:
        raise _cannot_open(directory, error) from error
    try:
        _plain(directory, descriptor)
        if not _take_soon(descriptor):
            raise StorageError(
                f"{directory}: another campaign is at work in it; wait for its end, or give --dir another directory"
            )
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def _take(descriptor: int, how: int) -> bool:
    """Lock the file; return False if another process has a lock that excludes this one."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _take_soon(descriptor: int) -> bool:
    """Lock the file for a campaign; return False if another process keeps the lock."""
    for _ in range(LOCK_TRIES):
        if _take(descriptor, fcntl.LOCK_EX):
            return True
        time.sleep(LOCK_PAUSE_S)
    return False


def at_work(directory: Path) -> bool:
    """Return whether a campaign is at work in ``directory``, whose database is there.

    The lock is shared among those who ask, so that none takes another for a campaign.
    """
    descriptor = os.open(directory / DATABASE, os.O_RDONLY | _SAFELY)
    try:
        return not _take(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def taken_away(directory: Path, descriptor: int) -> bool:
    """Return whether the file of ``descriptor`` is the directory's database no more."""
    try:
        there, ours = os.lstat(directory / DATABASE), os.fstat(descriptor)
    except OSError:
        return True
    return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)


def _others(directory: Path) -> list[str]:
    """Return what a directory holds besides saved failures, which may have lost their database, and
    databases that were put aside.
    """
    names = [entry.name for entry in directory.iterdir()]
    return [name for name in names if name not in (FAILURES, PROOFS) and not name.startswith(DATABASE)]


def _plain(directory: Path, descriptor: int) -> None:
    """Raise UsageError unless the files of the database are plain, and the failures a folder.

    SQLite would follow a symbolic link, and wait for a FIFO.
    """
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise UsageError(f"{directory / DATABASE}: no plain file; give --dir a directory of its own")
    for name, kind in [(f"{DATABASE}{end}", stat.S_ISREG) for end in ("-wal", "-shm", "-journal")] + [
        (FAILURES, stat.S_ISDIR)
    ]:
        try:
            mode = os.lstat(directory / name).st_mode
        except FileNotFoundError:
            continue
        if not kind(mode):
            raise _not_made(directory / name, mode)


def _not_made(path: Path, mode: int) -> UsageError:
    """Return what to raise for something that lies where a campaign has a file or folder."""
    what = "symbolic link" if stat.S_ISLNK(mode) else "file of another kind"
    return UsageError(f"{path}: a {what}, which a campaign has not made; give --dir another directory")


def _cannot_open(directory: Path, error: OSError) -> Exception:
    """Return what to raise where the database's file cannot be opened."""
    if error.errno == errno.ELOOP:
        return UsageError(f"{directory / DATABASE}: a symbolic link; name the directory that it leads to")
    if error.errno in (errno.EISDIR, errno.ENXIO):
        return UsageError(f"{directory / DATABASE}: no plain file; give --dir a directory of its own")
    return storage_error(directory, error)


# -- the database --------------------------------------------------------------------------------------------------


def connect(directory: Path, descriptor: int, anew: bool = False) -> sqlite3.Connection:
    """Open the database whose file is locked by ``descriptor``, for writing; make its tables if it
    is new. ``anew`` is for a directory that has lost its database.

    Raises UsageError, StorageError, and Damaged, which says how to go on.
    """
    path = directory / DATABASE
    size = os.fstat(descriptor).st_size
    fresh = not size
    if size < HEADER_BYTES and not (is_new(directory) or anew):
        raise damaged(directory, "empty" if fresh else "torn")
    db = None
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
        _guard(db)
        if fresh:
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _vet_version(db, path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES_MAX}")
        if db.execute("PRAGMA user_version").fetchone()[0]:
            _vet(db, directory)
        return db
    except BaseException as error:
        if db is not None:
            db.close()
        if isinstance(error, sqlite3.Error):
            raise database_error(directory, error) from error
        raise


def is_new(directory: Path) -> bool:
    """Return whether no campaign has written to ``directory`` yet: one that was killed before it
    did leaves an empty file.
    """
    try:
        size = os.lstat(directory / DATABASE).st_size
    except (FileNotFoundError, NotADirectoryError):
        return True
    return not size and not saved(directory)


def connect_to_read(directory: Path) -> sqlite3.Connection:
    """Open the database for reading, beside a campaign that may be at work.

    Raises UsageError if there is none, and Damaged.
    """
    path = directory / DATABASE
    try:
        descriptor = os.open(path, os.O_RDONLY | _SAFELY)
    except FileNotFoundError:
        raise UsageError(f"{directory}: holds no campaign; name a directory that a campaign has made") from None
    except NotADirectoryError:
        raise UsageError(f"{directory}: not a directory; name one that a campaign has made") from None
    except OSError as error:
        raise _cannot_open(directory, error) from error
    try:
        _plain(directory, descriptor)
        torn = os.fstat(descriptor).st_size < HEADER_BYTES
    finally:
        os.close(descriptor)
    if torn:
        raise damaged(directory, "empty or torn")
    try:
        return _vetted_to_read(directory)
    except sqlite3.Error as error:
        raise database_error(directory, error) from error


def _vetted_to_read(directory: Path) -> sqlite3.Connection:
    path = directory / DATABASE
    writable = os.access(directory, os.W_OK)
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro{'' if writable else '&immutable=1'}", uri=True, timeout=5.0
    )
    try:
        _guard(db)
        _vet_version(db, path)
        _vet(db, directory)
    except BaseException:
        db.close()
        raise
    return db


def make_tables(db: sqlite3.Connection) -> None:
    """Make the tables of a database that has none yet, within a transaction."""
    if db.execute("PRAGMA user_version").fetchone()[0]:
        return
    for statement in SCHEMA:
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {VERSION}")


def _guard(db: sqlite3.Connection) -> None:
    """Have SQLite trust nothing that is written in the file."""
    db.text_factory = lambda text: text.decode(errors="replace")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 4 * VALUE_MAX)
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("PRAGMA cell_size_check = ON")
    db.execute("PRAGMA foreign_keys = ON")


def _vet_version(db: sqlite3.Connection, path: Path) -> None:
    """Raise UsageError for the database of another program, or of another version."""
    found, version = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if found != APPLICATION_ID:
        raise UsageError(f"{path}: an SQLite file of something else; give --dir a directory of its own")
    if version not in (0, VERSION):
        raise UsageError(f"{path}: format {version}, this zapstress has {VERSION}; give --dir a new directory")


def _vet(db: sqlite3.Connection, directory: Path) -> None:
    """Raise unless the schema is ours, the pages are whole and every value is of its column's type.

    The values are looked at one by one: SQLite's own check passes over constraints where it may not
    write (3.40).
    """
    if _schema_of(db) != _our_schema():
        raise UsageError(
            f"{directory / DATABASE}: its tables are not those that zapstress makes; give --dir a new directory"
        )
    (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    wrong = [
        table for table, check in CHECKS.items() if db.execute(f"SELECT 1 FROM {table} WHERE NOT ({check})").fetchone()
    ]
    if verdict != "ok" or wrong or db.execute("PRAGMA foreign_key_check").fetchone() is not None:
        raise damaged(directory, "damaged")


def _schema_of(db: sqlite3.Connection) -> set[tuple[str, ...]]:
    return set(db.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema"))


def _our_schema() -> set[tuple[str, ...]]:
    db = sqlite3.connect(":memory:")
    try:
        make_tables(db)
        return _schema_of(db)
    finally:
        db.close()


# -- what goes wrong -----------------------------------------------------------------------------------------------


def saved(directory: Path) -> list[Path]:
    """Return the folders of failures that lie in ``directory``.

    Raises UsageError if they would be those of another place, which a symbolic link leads to.
    """
    folder = directory / FAILURES
    if folder.is_symlink():
        raise _not_made(folder, os.lstat(folder).st_mode)
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def damaged(directory: Path, how: str) -> Damaged:
    """Return what to raise for a database that is damaged, which says how to go on."""
    kept = len(saved(directory))
    remedy = (
        f"{kept} saved failures lie beside it: zapstress campaign --dir {directory} --rebuild, with the options that it"
        " was started with, makes it anew from them"
        if kept
        else "nothing is saved beside it; give --dir a new directory"
    )
    return Damaged(f"{directory / DATABASE}: {how}; {remedy}")


def database_error(directory: Path, error: sqlite3.Error) -> Exception:
    """Return what to raise for what SQLite said."""
    code = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
    if code in DAMAGE or "malformed" in str(error):
        return damaged(directory, f"damaged ({error})")
    return storage_error(directory, error)


def storage_error(path: Path, error: Exception) -> Exception:
    """Turn what the system said about ``path`` into one line that says what to do."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StorageError(f"{path}: cannot write ({words}); {_remedy(error)}. What was recorded is kept")


def _remedy(error: Exception) -> str:
    """Return what the user can do about what the system, or SQLite on its behalf, said."""
    code = error.errno if isinstance(error, OSError) else (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
    full, denied = SQLITE_ERRORS if isinstance(error, sqlite3.Error) else OS_ERRORS
    if code in full:
        return "make room or give --dir another directory"
    return "make it writable or give --dir another directory" if code in denied else "give --dir another directory"
