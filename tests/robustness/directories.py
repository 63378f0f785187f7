"""Results directories, damaged: their database as bytes and as tables, their folders and links."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from random import Random

from stress.campaign.database import DATABASE, FAILURES
from tests.robustness.damage import POISON, damaged, no_plain_file
from tests.robustness.subject import DOCUMENTED, Seen, run
from tests.stress.campaign_toys import TOYS

CAMPAIGN = ("campaign", "--executions", "2", "--workers", "1")

SERVE = ("serve", "--port", "0")

OTHER, MADE = "other", "made"
"""A good directory beside the damaged one; and one that a command makes."""

WRITTEN: tuple[tuple[str, ...], ...] = (
    (*CAMPAIGN, "--scenario", "counters", "--dir", MADE, "--baseline"), ("merge", OTHER, "--seed", "9", "--into", MADE),
    ("mark", "{signature}", "expected", "--why", "it is known", "--dir"), ("mark", "{signature}", "unexpected", "--dir"),
)  # fmt: skip
"""Commands that write what they have read of a directory, there or in another."""

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("status",), ("recheck", "--json"), (*CAMPAIGN, "--dir"), ("status", "--json"),
    ("report",), ("report", "--json", "--format", "html"), ("report", "--format", "md"), ("report", "--format", "ktap"),
    ("report", "--format", "junit"), ("report", "--format", "sarif"), SERVE,
    *WRITTEN,
)  # fmt: skip
"""What reads a results directory; its name is added."""

COMMANDS_EACH = 6
"""Commands, one after the other, that read each damaged directory."""

Damage = Callable[[Path, Random], None]


def good(folder: Path, name: str = "good", seed: int = 5) -> Path:
    """Return the directory of a campaign that has found something."""
    found = folder / name
    words = (
        "campaign",
        "--scenario",
        "abba",
        "counters",
        "--fault",
        "T01",
        "--executions",
        "60",
        "--workers",
        "2",
        "--seed",
        str(seed),
    )
    seen = run((*words, "--dir", str(found)), TOYS, folder)
    assert any((found / FAILURES).iterdir()), seen
    return found


def signature_in(directory: Path) -> str:
    """Return a signature that a good directory has a failure of."""
    return min(file.name for file in (directory / FAILURES).iterdir())


def read_by(command: tuple[str, ...], path: Path, folder: Path, signature: str) -> Seen:
    """Run one of COMMANDS on a directory, in ``folder``, and return what it did."""
    words = [word.format(signature=signature) for word in command]
    paths = ("/", "/metrics", f"/failures/{signature}") if command == SERVE else ()
    shutil.rmtree(folder / MADE, ignore_errors=True)
    try:
        if command[0] == "merge":
            return run((words[0], str(path), *words[1:]), TOYS, folder)
        return run((*words, str(path)), TOYS, folder, paths)
    finally:
        shutil.rmtree(folder / MADE, ignore_errors=True)


# -- damage ----------------------------------------------------------------------------------------------------------


def bytes_of_the_database(path: Path, random: Random) -> None:
    file = path / DATABASE
    data = file.read_bytes()
    at = random.choice((100, 4096, len(data)))
    file.write_bytes(damaged(data[:at], random, [data]) + data[at:])


def length_of_the_database(path: Path, random: Random) -> None:
    os.truncate(path / DATABASE, random.choice((0, 1, 99, 100, 4095, 4096, 8192, 1 << 40)))


def kind_of_a_file(path: Path, random: Random) -> None:
    """Put something that is no plain file in the place of one."""
    traces = sorted(path.glob(f"{FAILURES}/*/*"))
    file = random.choice([path / DATABASE, path / f"{DATABASE}-wal", path / FAILURES, *traces])
    shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
    no_plain_file(file, random)


def journal(path: Path, random: Random) -> None:
    for name in ("-wal", "-shm", "-journal"):
        if random.randrange(2):
            (path / f"{DATABASE}{name}").write_bytes(random.randbytes(random.choice((0, 32, 4152, 32768))))


def folders(path: Path, random: Random) -> None:
    """Take failures away, in part or whole, or put others there."""
    known = sorted((path / FAILURES).iterdir())
    folder = random.choice(known)
    what = random.randrange(5)
    if what == 0:
        shutil.rmtree(folder)
    elif what == 1:
        (folder / "trace").unlink()
    elif what == 2:
        (folder / "trace").write_bytes(damaged((folder / "trace").read_bytes(), random, [b"x"]))
    elif what == 3:
        (folder / "environment.json").write_bytes(random.choice((b"", b"[", b"[" * 100_000, b'{"case": 3}')))
    else:
        shutil.copytree(folder, path / FAILURES / random.choice(("deadbeef", "\x1b[31m", "a" * 200)))


def a_cell(path: Path, random: Random) -> None:
    """Put another value into a place of a table."""
    with closing(sqlite3.connect(path / DATABASE)) as db:
        table = random.choice(_tables(db))
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        value = random.choice(
            [value for value in POISON if isinstance(value, int | float | str | None)] + [b"\xff" * 9]
        )
        try:
            value = value.encode("utf-16", "surrogatepass") if value == "\ud800" else value
            db.execute(f"UPDATE {table} SET {random.choice(columns)} = ?", (value,))
        except (sqlite3.Error, OverflowError):
            db.execute(f"DELETE FROM {table}")
        db.commit()


def the_schema(path: Path, random: Random) -> None:
    """Drop, rename, widen or watch a table, or put a view without an end in its place."""
    with closing(sqlite3.connect(path / DATABASE)) as db:
        table = random.choice(_tables(db))
        statement = random.choice((
            "DROP TABLE {0}", "ALTER TABLE {0} RENAME TO other", "ALTER TABLE {0} ADD COLUMN more TEXT", "DELETE FROM {0}",
            "CREATE TRIGGER t AFTER INSERT ON {0} BEGIN DELETE FROM settings; END",
            "CREATE TABLE more (x)", "PRAGMA user_version = {1}", "PRAGMA application_id = {1}",
            "CREATE VIEW endless AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x, x FROM n",
        ))  # fmt: skip
        db.execute(statement.format(table, random.choice((0, 1, 2, 99, -1))))
        db.commit()
        if "VIEW" in statement and random.randrange(2):
            db.executescript("DROP TABLE settings; ALTER TABLE settings RENAME TO x" if random.randrange(2) else
                             "DROP TABLE settings; DROP VIEW endless; CREATE VIEW settings AS WITH RECURSIVE n(name) AS "
                             "(SELECT 'a' UNION ALL SELECT name || 'a' FROM n) SELECT name, name AS value FROM n")  # fmt: skip


def _tables(db: sqlite3.Connection) -> list[str]:
    return [
        row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    ]


def foreign_rules(path: Path, random: Random) -> None:
    """Take rights away."""
    os.chmod(random.choice([path, path / DATABASE, path / FAILURES]), random.choice((0, 0o400, 0o500)))


DAMAGE: tuple[Damage, ...] = (
    bytes_of_the_database, bytes_of_the_database, length_of_the_database, kind_of_a_file, kind_of_a_file, journal, folders,
    folders, a_cell, a_cell, a_cell, the_schema, the_schema, foreign_rules,
)  # fmt: skip


class Directories:
    """Damaged results directories."""

    allowed = DOCUMENTED

    def __init__(self, folder: Path) -> None:
        self.folder, self.base, self.elsewhere = folder, good(folder), folder / "elsewhere"
        self.elsewhere.mkdir()
        good(folder, OTHER, 6)
        self.signature = signature_in(self.base)

    def tried(self, number: int, random: Random) -> Iterator[Seen]:
        """Damage one; yield what each command that reads one did with it."""
        path = self.folder / f"mutant{number}"
        shutil.copytree(self.base, path, symlinks=True)
        try:
            with suppress(sqlite3.Error):  # SQLite refuses some of it
                random.choice(DAMAGE)(path, random)
            for command in random.sample(COMMANDS, COMMANDS_EACH):
                yield read_by(command, path, self.folder, self.signature)
            assert not list(self.elsewhere.iterdir()), f"{path}: something was written outside of it"
        finally:
            os.chmod(path, 0o700)
            shutil.rmtree(path, ignore_errors=True)
