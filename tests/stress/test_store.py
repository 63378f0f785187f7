"""The results directory: what is recorded stays, and what cannot be used is refused in one line."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from stress.campaign import directory as directory_module
from stress.campaign.database import DATABASE, VERSION
from stress.campaign.results import peek
from stress.campaign.store import Store
from stress.campaign.summary import UNREACHED_NAMED_MAX, summary, text
from stress.case import Case
from stress.errors import StorageError, UsageError
from stress.execution.overlaps import PAIRS
from stress.workers.distinct import HASH_BITS, KEPT_MAX, DistinctCount
from stress.workers.messages import Batch, Failure
from stress.workers.metrics import MAX, METRICS, Number
from stress.workers.plan.leases import Progress

CASE = Case("counters", (("rounds", 2),), "toy")
SETTINGS: dict[str, Any] = {
    "seed": 7,
    "scenarios": ["counters"],
    "profiles": ["toy"],
    "geometry": None,
    "kernel": "6.9",
    "patch": [],
    "faults": [],
    "versus": [],
    "strategy": "random",
    "machine": "lockstep",
}


def opened(path: Path) -> tuple[Store, int]:
    """Open a store with one case; return the store and the case's number."""
    store = Store(path, SETTINGS)
    return store, store.add_cases([CASE])[CASE]


def lease(store: Store, case: int, first: int, count: int, machine: str = "lockstep") -> int:
    """Record a lease; return its number."""
    return store.open_lease(case, machine, "random", first, count)


def batch(executions: int, steps: int = 0, last: bool = True, **more: Any) -> Batch:
    """Return a batch of so many executions, as a worker's answer has it."""
    numbers = {"executions": executions, "steps": steps, "inconclusive": 0, "executing_s": 0.25} | more.pop(
        "numbers", {}
    )
    return Batch(done=executions, last=last, numbers=numbers, **more)


def failure(seed: int = 3, trace: bytes | None = b"trace") -> Failure:
    return Failure(
        signature="0badcafe",
        checker="I21",
        title="tlb-stale-after-free",
        strategy="random",
        seed=seed,
        trace=trace,
        report="BUG: ...\n",
        environment={"python": "3"},
    )


def test_counters_and_failures_survive_a_reopening(tmp_path: Path) -> None:
    store, case = opened(tmp_path)
    number = lease(store, case, 100, 50)
    counts = {"visits": {"f: load": 9}, "pairs": {"fork / munmap": 2}, "conflicts": {"f: load / g: store": 2}}
    store.record(
        number,
        batch(
            20,
            400,
            last=False,
            numbers={"inconclusive": 1},
            counts=counts,
            hashes={"classes": [5, 6]},
            failures=[failure()],
        ),
    )
    store.record(number, batch(10, 100, hashes={"classes": [6, 7]}, failures=[failure(9, None)]))
    store.know_sites(["f: load", "h: never"])
    store.close()
    again, _ = opened(tmp_path)
    data = summary(again)
    assert (30, 500, 1) == (data["executions"], data["steps"], data["inconclusive"])
    assert (3, 1, ["h: never"]) == (data["classes"], data["conflicts"], data["sites_unreached"])
    assert {"fork / munmap": 2} == data["pairs"]
    assert {"counters": {"toy": 30}} == data["cells"]
    assert ", 1 sites reached, 1 not, " in text(data)
    assert "not reached: h: never" in text(data).splitlines()
    assert f", 1 of {len(PAIRS)} pairs of operations overlapped," in text(data)
    assert "fork / munmap" not in data["pairs_missing"] and len(PAIRS) - 1 == len(data["pairs_missing"])
    everything = text(data | {"pairs": dict.fromkeys(PAIRS, 1), "pairs_missing": []})
    assert "never overlapped" not in everything
    some = [pair for pair in PAIRS if pair.startswith("exit / ")] + ["fork / age", "fork / exit"]
    assert "never overlapped: fork / exit, age; exit / any\n" in text(data | {"pairs_missing": some})
    for unreached in ([], ["h: never"] * (UNREACHED_NAMED_MAX + 1)):
        assert "not reached:" not in text(data | {"sites_unreached": unreached})
    known = text(data | {"sites_unreached": ["f: g", "h: never"], "unreachable": {"f: g": "no table"}})
    assert "not reached: h: never\ncannot be reached here: 1 site: no table (1)\n" in known
    (found,) = data["violations"]
    assert (2, 3, {"toy": 2}) == (found["count"], found["seed"], found["profiles"])
    assert b"trace" == Path(found["trace"]).read_bytes()
    assert {"trace", "report.txt", "environment.json"} == set(os.listdir(Path(found["trace"]).parent))
    again.close()


def test_seeds_are_not_handed_out_twice(tmp_path: Path) -> None:
    """A lease that ended early gives its rest back; one that was torn does not."""
    store, case = opened(tmp_path)
    store.record(lease(store, case, 0, 100), batch(40))
    store.close()
    store, _ = opened(tmp_path)
    assert {(case, "lockstep"): Progress(40, 1, 0.25, 40)} == store.resume()
    store.record(lease(store, case, 40, 100), batch(10, last=False))
    store.close()
    store, _ = opened(tmp_path)
    assert {(case, "lockstep"): Progress(140, 2, 0.5, 50)} == store.resume()
    assert 90 == summary(store)["unrecorded"]
    store.close()


def test_a_death_and_its_seed_are_recorded(tmp_path: Path) -> None:
    store, case = opened(tmp_path)
    store.died(0, 4242, (case, 17), -9, 3)
    store.died(1, 4243, None, 1, 0)
    first, second = summary(store)["worker_deaths"]
    assert ("counters", 17, -9, 3) == (first["scenario"], first["seed"], first["exit_status"], first["unrecorded"])
    assert (None, None) == (second["scenario"], second["seed"])
    store.close()


def test_cases_keep_their_numbers(tmp_path: Path) -> None:
    store, case = opened(tmp_path)
    other = Case("counters", (("rounds", 3),), "toy")
    numbers = store.add_cases([other, CASE])
    assert case == numbers[CASE] != numbers[other]
    store.close()


def test_executions_whose_cpus_speculate_are_told(tmp_path: Path) -> None:
    store, case = opened(tmp_path)
    other = Case("counters", (("rounds", 2), ("speculation", 1)), "toy")
    store.record(lease(store, case, 0, 10), batch(10, 100))
    store.record(lease(store, store.add_cases([other])[other], 0, 10), batch(3, 30))
    assert 3 == summary(store)["cases"]["executions_speculating"]
    store.close()


def test_machines_are_counted_apart(tmp_path: Path) -> None:
    """The largest of a metric that merges by maximum, the sum of others; what one machine alone has
    is not the other's.
    """
    store, case = opened(tmp_path)
    store.record(lease(store, case, 0, 10), batch(10, 100))
    recorded = {"recorded_steps": 50, "switches": 5, "pauses": 3}
    store.record(lease(store, case, 1 << 27, 10, "parallel"), batch(4, 60, numbers=recorded))
    machines = summary(store)["machines"]
    assert (10, 100, 0.5) == tuple(machines["lockstep"][name] for name in ("executions", "steps", "share"))
    assert not {"pauses", "switches_per_1000_steps"} & machines["lockstep"].keys()
    assert (4, 3, 100.0) == tuple(
        machines["parallel"][name] for name in ("executions", "pauses", "switches_per_1000_steps")
    )
    assert {
        (case, "lockstep"): Progress(10, 1, 0.25, 10),
        (case, "parallel"): Progress((1 << 27) + 4, 1, 0.25, 4),
    } == store.resume()
    store.close()


def test_a_metric_may_merge_by_its_maximum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "longest", Number(name="longest", about="the longest execution", merge=MAX))
    store, case = opened(tmp_path)
    for machine, longest in (("lockstep", 7), ("lockstep", 40), ("lockstep", 3), ("parallel", 9)):
        store.record(lease(store, case, 0, 1, machine), batch(1, numbers={"longest": longest}))
    assert 40 == summary(store)["longest"]
    store.close()


def test_other_settings_are_refused(tmp_path: Path) -> None:
    Store(tmp_path, SETTINGS).close()
    with pytest.raises(UsageError, match="has seed 7, not 8; resume it as it was, or give --dir a new directory"):
        Store(tmp_path, SETTINGS | {"seed": 8})
    assert SETTINGS == peek(tmp_path)
    assert peek(tmp_path / "none") is None


@pytest.mark.parametrize("version", [1, 2, 3, 99])
def test_another_version_is_refused(tmp_path: Path, version: int) -> None:
    Store(tmp_path, SETTINGS).close()
    with sqlite3.connect(tmp_path / DATABASE) as db:
        db.execute(f"PRAGMA user_version = {version}")
    db.close()
    with pytest.raises(UsageError, match=f"format {version}, this zapstress has {VERSION}; give --dir a new directory"):
        Store(tmp_path, SETTINGS)


def test_a_foreign_sqlite_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / DATABASE) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    before = (tmp_path / DATABASE).read_bytes()
    with pytest.raises(UsageError, match="an SQLite file of something else"):
        Store(tmp_path, SETTINGS)
    assert before == (tmp_path / DATABASE).read_bytes()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"once upon a time" * 100)
    with pytest.raises(UsageError, match="damaged .file is not a database.; nothing is saved beside it"):
        Store(tmp_path, SETTINGS)


def test_a_path_that_is_no_directory_is_bad_usage(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for path in (file, file / "below"):
        with pytest.raises(UsageError, match="not a directory"):
            Store(path, SETTINGS)


def test_a_directory_that_cannot_be_made_is_a_storage_error() -> None:
    with pytest.raises(StorageError, match="cannot write"):
        Store(Path("/proc/zapstress"), SETTINGS)


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "; make room or give --dir another directory."),
        (errno.EDQUOT, "; make room or give --dir another directory."),
        (errno.EROFS, "; make it writable or give --dir another directory."),
        (errno.EIO, "; give --dir another directory."),
    ],
)
def test_the_remedy_fits_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise OSError(number, os.strerror(number))

    store, case = opened(tmp_path)
    monkeypatch.setattr(directory_module, "write_atomically", refuse)
    with pytest.raises(StorageError) as caught:
        store.record(lease(store, case, 0, 1), batch(1, failures=[failure()]))
    assert f"({os.strerror(number)}){remedy}" in str(caught.value)
    store.close()


def test_two_campaigns_in_one_directory_are_refused(tmp_path: Path) -> None:
    with Store(tmp_path, SETTINGS), pytest.raises(StorageError, match="another campaign is at work"):
        Store(tmp_path, SETTINGS)


def test_a_full_disk_loses_nothing_that_was_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, case = opened(tmp_path)
    number = lease(store, case, 0, 100)
    store.record(number, batch(10, 100, last=False))

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(directory_module, "write_atomically", full)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        store.record(number, batch(10, 100, failures=[failure()]))
    assert 3 == caught.value.exit_status
    assert "\n" not in str(caught.value)
    store.close()
    store, _ = opened(tmp_path)
    assert (10, []) == (summary(store)["executions"], store.failures())
    store.close()


def test_a_database_that_cannot_grow_is_a_storage_error(tmp_path: Path) -> None:
    """SQLite's own word for a full disk, brought about by its limit on pages."""
    store, case = opened(tmp_path)
    store.db.execute(f"PRAGMA max_page_count = {store.db.execute('PRAGMA page_count').fetchone()[0]}")
    number = lease(store, case, 0, 1)
    with pytest.raises(StorageError, match=r"database or disk is full\); make room"):
        store.record(number, batch(1, counts={"visits": {f"site {n}" * 50: 1 for n in range(1000)}}))
    assert 0 == summary(store)["executions"]
    store.close()


def test_a_distinct_count_is_exact_while_it_has_room() -> None:
    count = DistinctCount()
    assert [True, False] == [count.add(5), count.add(5)]
    assert 1 == count.estimate()


def test_a_distinct_count_estimates_within_its_error_and_merges() -> None:
    golden = 0x9E3779B97F4A7C15
    values = [(n * golden % (1 << 64)) >> (64 - HASH_BITS) for n in range(1, 40_001)]
    whole, left, right = DistinctCount(values), DistinctCount(values[:25_000]), DistinctCount(values[15_000:])
    assert KEPT_MAX == len(whole.kept)
    assert abs(whole.estimate() - 40_000) < 40_000 * 0.06
    assert whole.kept == DistinctCount([*left.kept, *right.kept]).kept
