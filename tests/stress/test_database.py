"""The database of a results directory that is damaged, a stranger's, or taken away."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from stress.campaign.database import DATABASE, FAILURES, at_work
from stress.campaign.results import Results, peek
from stress.campaign.store import Store
from stress.campaign.summary import summary, text
from stress.errors import StorageError, UsageError
from stress.sources import ROOT
from tests.stress.test_store import SETTINGS, batch, failure, lease, opened


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a failure in it."""
    store, case = opened(tmp_path / "dir")
    store.begin_session()
    store.record(lease(store, case, 0, 10), batch(10, failures=[failure()]))
    store.close()
    return tmp_path / "dir"


def change(path: Path, *statements: str) -> None:
    """Change a database behind the tool's back."""
    with closing(sqlite3.connect(path / DATABASE)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def refused(path: Path, what: str) -> None:
    """See that writers and readers refuse a directory with the same words."""
    for open_it in (lambda: Store(path, SETTINGS), lambda: Results.open(path), lambda: peek(path)):
        with pytest.raises(UsageError, match=what):
            open_it()


@pytest.mark.parametrize("size", [0, 1, 100, 4096, 8192])
def test_a_truncated_database_beside_failures_is_refused_with_the_way_on(directory: Path, size: int) -> None:
    os.truncate(directory / DATABASE, size)
    refused(directory, f"1 saved failures lie beside it: zapstress campaign --dir {directory} --rebuild")


def test_a_missing_database_beside_failures_is_refused(directory: Path) -> None:
    (directory / DATABASE).unlink()
    with pytest.raises(UsageError, match="empty; 1 saved failures lie beside it"):
        Store(directory, SETTINGS)


def test_a_campaign_that_was_killed_before_it_wrote_anything_begins(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"")
    assert peek(tmp_path) is None
    Store(tmp_path, SETTINGS).close()
    assert SETTINGS == peek(tmp_path)


def test_a_page_that_is_damaged_is_seen(directory: Path) -> None:
    file = directory / DATABASE
    data = bytearray(file.read_bytes())
    for at in range(4096 + 8, len(data), 4096):
        data[at : at + 64] = b"\xa5" * 64
    file.write_bytes(data)
    refused(directory, "damaged")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON sessions BEGIN DELETE FROM failures; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE more (x)",
        "DROP TABLE twins",
        "ALTER TABLE cases ADD COLUMN more TEXT",
    ],
)
def test_a_schema_that_is_not_ours_is_refused(directory: Path, statement: str) -> None:
    change(directory, statement)
    refused(directory, "its tables are not those that zapstress makes")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE failures SET seed = 'five'",
        "UPDATE failures SET signature = '../../up'",
        "UPDATE cases SET scenario = x'00'",
        "UPDATE cases SET params = hex(zeroblob(5000))",
        "UPDATE failure_cases SET case_id = 77",
    ],
)
def test_a_value_that_a_column_does_not_allow_is_damage(directory: Path, statement: str) -> None:
    change(directory, "PRAGMA ignore_check_constraints = ON", statement)
    refused(directory, "damaged; 1 saved failures")


def test_settings_that_are_no_json_are_damage(directory: Path) -> None:
    change(directory, "UPDATE settings SET value = '[' WHERE name = 'seed'")
    with pytest.raises(UsageError, match="damaged .its settings"):
        peek(directory)


@pytest.mark.parametrize("name", [DATABASE, f"{DATABASE}-wal", f"{DATABASE}-journal", FAILURES])
@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_a_link_or_a_fifo_in_place_of_a_file_is_refused(directory: Path, name: str, kind: str) -> None:
    outside = directory.parent / "outside"
    path = directory / name
    if path.exists():
        (shutil.copytree if path.is_dir() else shutil.copy)(path, outside)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(outside) if kind == "link" else os.mkfifo(path)
    before = sorted(outside.parent.rglob("*"))
    refused(directory, "symbolic link|no plain file|file of another kind")
    assert before == sorted(outside.parent.rglob("*"))


def test_a_folder_of_failures_that_is_a_link_is_never_written(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    shutil.rmtree(directory / FAILURES / failure().signature)
    (directory / FAILURES / failure().signature).symlink_to(tmp_path / "outside")
    store, case = opened(directory)
    assert [failure().signature] == store.lost
    with pytest.raises(UsageError, match="no folder, and a campaign has not made it so"):
        store.fail(case, failure())
    store.close()
    assert not list((tmp_path / "outside").iterdir())


def test_a_deleted_folder_is_noticed_and_its_next_failure_kept(directory: Path) -> None:
    shutil.rmtree(directory / FAILURES)
    store, case = opened(directory)
    store.begin_session()
    assert [failure().signature] == store.lost
    assert "its trace was deleted" in text(summary(store))
    store.fail(case, failure(9, None))
    assert summary(store)["violations"][0]["trace"] is None
    store.fail(case, failure(10))
    (found,) = summary(store)["violations"]
    assert (3, 10) == (found["count"], found["seed"])
    assert b"trace" == Path(found["trace"]).read_bytes()
    store.close()


def test_the_lock_is_the_databases_own(directory: Path) -> None:
    """There is no file that one could delete and so have two campaigns in one directory."""
    with Store(directory, SETTINGS) as store:
        assert at_work(directory)
        for file in directory.iterdir():
            if file.name not in (DATABASE, FAILURES) and not file.name.endswith(("-wal", "-shm")):
                file.unlink()
        with pytest.raises(StorageError, match="another campaign is at work"):
            Store(directory, SETTINGS)
        store.check_in_place()
        (directory / DATABASE).rename(directory / "elsewhere")
        with pytest.raises(StorageError, match="was taken away while the campaign was at work"):
            store.check_in_place()
    (directory / "elsewhere").rename(directory / DATABASE)
    assert not at_work(directory)


HOLD = """
import sys
from pathlib import Path
from tests.stress.test_store import SETTINGS
from stress.campaign.store import Store
store = Store(Path(sys.argv[1]), SETTINGS)
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_is_kept_out_and_may_read(directory: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(directory)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and b"held\n" == holder.stdout.readline()
        with pytest.raises(StorageError, match="another campaign is at work"):
            Store(directory, SETTINGS)
        with Results.open(directory) as results:
            assert 10 == summary(results)["executions"]
        assert at_work(directory)
        holder.kill()
    assert not at_work(directory)
    Store(directory, SETTINGS).close()


def test_what_is_written_for_ever_does_not_grow(tmp_path: Path) -> None:
    """Leases, second runs and deaths leave counts, and no row each."""
    store, case = opened(tmp_path)
    store.begin_session()

    def a_while() -> int:
        for _ in range(300):
            first = store.resume().get((case, "lockstep"), (0, 0))[0]
            store.record(lease(store, case, first, 8), batch(8, counts={"visits": {"f: load": 3}}))
            store.twin(case, same=True)
            store.died(0, 1, (case, 0), -9, 1)
        return sum(
            store.db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
            for (table,) in store.db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        )

    assert a_while() == a_while()
    assert (4800, {"run": 600, "differing": 0}) == (summary(store)["executions"], summary(store)["twins"])
    store.close()
