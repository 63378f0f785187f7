"""What the kills look at can fail: each check finds what it is for."""

from __future__ import annotations

import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from stress.campaign.database import DATABASE, FAILURES
from stress.campaign.directory import TRACE
from tests.robustness import directories
from tests.robustness.accounts import Account, Books
from tests.robustness.kills import Watched, ended_wrongly

IN_HAND = "INSERT INTO leases SELECT 1000, case_id, machine, 'pct', next - 8, 8, 3 FROM progress LIMIT 1"
HANDED_OUT = (
    "UPDATE progress SET next = next + 8 WHERE (case_id, machine) = (SELECT case_id, machine FROM progress LIMIT 1)"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return directories.good(tmp_path_factory.mktemp("kills"))


@pytest.fixture
def directory(made: Path, tmp_path: Path) -> Iterator[Path]:
    """A campaign's directory, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "dir"))


def change(directory: Path, *statements: str) -> None:
    """Change the database of a directory."""
    with closing(sqlite3.connect(directory / DATABASE)) as db, db:
        for statement in statements:
            assert db.execute(statement).rowcount


def test_a_good_directory_has_kept_everything(directory: Path) -> None:
    watched = Watched(directory)
    assert [] == watched.look() == watched.look()
    assert watched.executions == 60 and watched.failures


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["UPDATE numbers SET value = value + 1 WHERE metric = 'executions'"], "seeds were handed out"),
        (["UPDATE numbers SET value = value - 1 WHERE metric = 'executions'"], "59 are|executions were recorded"),
        ([HANDED_OUT], "seeds were handed out"),
        (["UPDATE progress SET unrecorded = unrecorded + 1"], "1 lost with leases"),
        ([IN_HAND], "5 in hand"),
    ],
)
def test_counters_that_are_not_right(directory: Path, statements: list[str], words: str) -> None:
    watched = Watched(directory)
    assert [] == watched.look()
    change(directory, *statements)
    assert any(part in told for told in watched.look() for part in words.split("|"))


def test_a_lease_in_hand_accounts_for_its_seeds(directory: Path) -> None:
    """Eight seeds are handed out, and three of them told of."""
    three = (
        "UPDATE numbers SET value = value + 3 WHERE metric = 'executions' AND (case_id, machine, strategy) ="
        " (SELECT n.case_id, n.machine, strategy FROM numbers n JOIN (SELECT * FROM progress LIMIT 1) p"
        " ON p.case_id = n.case_id AND p.machine = n.machine WHERE metric = 'executions' LIMIT 1)"
    )
    change(directory, HANDED_OUT, IN_HAND, three)
    assert [] == Books.of(directory).wrong()
    assert 5 == sum(account.in_hand for account in Books.of(directory).accounts.values())


def test_a_failure_whose_folder_was_deleted(directory: Path) -> None:
    watched = Watched(directory)
    assert [] == watched.look()
    one = min((directory / FAILURES).iterdir())
    shutil.rmtree(one)
    assert [f"failure {one.name}: its trace is gone"] == watched.look()


def test_a_failure_whose_trace_is_torn(directory: Path) -> None:
    one = min((directory / FAILURES).iterdir())
    (one / TRACE).write_bytes((one / TRACE).read_bytes()[:-1])
    (told,) = Watched(directory).look()
    assert f"failure {one.name}: " in told


def test_what_a_run_must_take_over() -> None:
    rest = Books(1, {(1, "lockstep"): Account(20, 12, 3, 5)})
    assert [] == rest.wrong()
    taken = Account(30, 14, 8, 8)
    assert [] == Books(2, {(1, "lockstep"): taken}).wrong() == Books(2, {(1, "lockstep"): taken}).wrong_since(rest)
    for wrong, words in (
        (replace(taken, lost=3, in_hand=13), "5 seeds were in hand, and are not counted as lost"),
        (replace(taken, executed=11, lost=11), "has become"),
        (replace(taken, handed_out=15, executed=12, lost=3, in_hand=0), "has become"),
    ):
        books = Books(2, {(1, "lockstep"): wrong})
        assert not books.wrong(), "its sum is right"
        (told,) = books.wrong_since(rest)
        assert words in told
    assert Books(2, {}).wrong_since(rest), "the case is gone"


def test_the_books_of_a_run_that_was_killed_are_compared_with_the_next(directory: Path) -> None:
    """Its lease is closed by the next, and not counted as lost."""
    hand_out = [HANDED_OUT, IN_HAND, "UPDATE leases SET done = 0"]
    change(directory, *hand_out)
    watched = Watched(directory)
    assert [] == watched.look()
    watched.has_ended()
    assert [] == watched.look() and watched.rest is not None, "nobody was at work since"
    change(
        directory, "DELETE FROM leases", HANDED_OUT.replace("+ 8", "- 8"),
        "INSERT INTO sessions SELECT id + 1, 0.0, 0, 0, 'done', generation FROM sessions",
    )  # fmt: skip
    assert any("has become" in told for told in watched.look())
    assert watched.rest is None


@pytest.mark.parametrize(("status", "wrong"), [(None, 0), (-signal.SIGKILL, 0), (0, 1), (1, 1), (3, 1)])
def test_a_supervisor_ends_only_if_it_is_killed(status: int | None, wrong: int, tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.words.write(b"before\nits last words\n")
    told = ended_wrongly(status, watched)
    assert wrong == len(told) and all("its last words" in words for words in told)
