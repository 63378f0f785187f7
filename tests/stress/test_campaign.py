"""Campaigns over toys: what they cover, what they keep, and how they end when processes are killed."""

from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from stress.campaign import directory as directory_module
from stress.campaign.database import DATABASE, FAILURES
from stress.campaign.progress import figures
from stress.campaign.store import Store
from stress.campaign.summary import text
from stress.campaign.supervisor import Campaign, run_campaign
from stress.errors import StorageError
from stress.machine.chance import RandomData
from stress.sources import OVERDUE, ROOT
from stress.workers import fleet as fleet_module
from stress.workers.fleet import DeadWorker, FleetError, WorkerError
from stress.workers.measure.sampler import EVERY
from stress.workers.messages import Batch, LeaseOrder
from stress.workers.settings import SEED_BITS, Budget, Settings
from tests.children import started
from tests.stress.campaign_toys import SPEC, settings

WAIT_SECONDS_MAX = 120.0
"""How long another process may take to do what a test waits for, before the test is given up."""


STEPS_MIN = 16
"""Steps of the shortest execution of ``counters`` or ``mailbox``: two threads that each increment
twice.
"""


def campaign(path: Path, *scenarios: str, workers: int = 2, **budget: Any) -> dict[str, Any]:
    return run_campaign(path, settings(*scenarios), Budget(workers=workers, **budget), SPEC)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    """Read the database of a campaign that may be at work."""
    with closing(sqlite3.connect(path / DATABASE, timeout=5)) as db:
        return db.execute(query).fetchall()


def test_a_campaign_runs_every_scenario_and_counts(tmp_path: Path) -> None:
    data = campaign(tmp_path, "counters", "mailbox", executions=300, twin_every=4)
    assert (0, 300, "done") == (data["exit_status"], data["executions"], data["ended"])
    cells = [data["cells"][name]["toy"] for name in ("counters", "mailbox")]
    assert 300 == sum(cells) and 0 < min(cells)
    assert 300 * STEPS_MIN <= data["steps"] and 1 < data["classes"] <= data["measured"] <= 300 // EVERY
    assert 0 < data["conflicts"], "two threads meet on the counter, or else they did not run together"
    assert [] == data["sites_unreached"], "the toys that were not chosen have sites that these do not"
    assert 300 // 8 <= data["twins"]["run"] and 0 == data["twins"]["differing"]
    assert [] == data["violations"] == data["worker_deaths"]


def test_sites_that_only_the_setup_reaches_are_reached(tmp_path: Path) -> None:
    """The toys' setup increments under the lock; Hashed itself does not."""
    data = campaign(tmp_path, "hashed", executions=2, workers=1, twin_every=0)
    assert "toy_lock: lock" not in data["sites_unreached"]
    assert "toy_post: post" in data["sites_unreached"]


def test_no_seed_of_a_case_is_run_twice_also_after_a_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ranges: list[tuple[Store, int, int, int]] = []
    done: Counter[tuple[Store, int]] = Counter()
    opened, recorded = Store.open_lease, Store.record

    def open_lease(store: Store, case: int, machine: str, strategy: str, first: int, count: int) -> int:
        number = opened(store, case, machine, strategy, first, count)
        ranges.append((store, number, case, first))
        return number

    def record(store: Store, lease: int, batch: Batch) -> None:
        done[store, lease] += batch.done
        if batch.last:
            (place,) = [at for at, (of, number, *_) in enumerate(ranges) if (of, number) == (store, lease)]
            _, _, case, first = ranges.pop(place)
            run.extend((case, seed) for seed in range(first, first + done.pop((store, lease))))
        recorded(store, lease, batch)

    run: list[tuple[int, int]] = []
    monkeypatch.setattr(Store, "open_lease", open_lease)
    monkeypatch.setattr(Store, "record", record)
    first = campaign(tmp_path, "counters", "mailbox", executions=50)
    second = campaign(tmp_path, "counters", "mailbox", executions=50)
    assert (50, 100, 2) == (first["executions"], second["executions"], second["sessions"])
    assert (50, 50) == (second["this_run"]["executions"], second["executions"] - first["executions"])
    assert 100 == len(run) == len(set(run))


def test_each_signature_is_kept_once_with_its_evidence(tmp_path: Path) -> None:
    data = campaign(tmp_path, "abba", "counters", workers=1, executions=400)
    (found,) = data["violations"]
    assert (1, "deadlock", "abba") == (data["exit_status"], found["checker"], found["scenario"])
    assert found["count"] > 1
    folder = Path(found["trace"]).parent
    assert (folder / "report.txt").read_text().startswith("BUG: deadlock")
    assert "as recorded" == json.loads((folder / "environment.json").read_text())["replays"]


def test_stop_on_first_stops(tmp_path: Path) -> None:
    data = campaign(tmp_path, "abba", executions=1_000_000, stop_on_first=True)
    assert (1, "found") == (data["exit_status"], data["ended"])
    assert data["executions"] < 100_000


def test_a_setup_that_violates_is_a_failure_like_others(tmp_path: Path) -> None:
    data = campaign(tmp_path, "broken_setup", executions=3)
    assert 1 == data["exit_status"]
    assert 3 == data["violations"][0]["count"]


def test_nothing_but_inconclusive_executions_is_inconclusive(tmp_path: Path) -> None:
    data = campaign(tmp_path, "endless", executions=2, workers=1)
    assert (5, 2) == (data["exit_status"], data["inconclusive"])


def test_what_depends_on_the_hash_seed_is_a_violation(tmp_path: Path) -> None:
    data = campaign(tmp_path, "hashed", executions=40, workers=1, twin_every=4)
    (found,) = data["violations"]
    assert (1, "nondeterminism", "nondeterminism") == (data["exit_status"], found["checker"], found["kind"])
    assert data["twins"]["differing"] == data["twins"]["run"] == found["count"] > 0


def test_a_worker_that_dies_is_recorded_with_its_seed_and_not_retried(tmp_path: Path) -> None:
    data = campaign(tmp_path, "deadly", executions=100)
    assert 3 == data["exit_status"]
    deaths = data["worker_deaths"]
    assert deaths and len({(death["geometry"], death["seed"]) for death in deaths}) == len(deaths)
    for death in deaths:
        tape = RandomData(death["seed"])
        draws = [[tape.draw(slot, "kill", 2) for _ in range(3)] for slot in range(2)]
        assert ("deadly", {}, -signal.SIGKILL) == (death["scenario"], death["params"], death["exit_status"])
        assert [1, 1, 1] in draws
        assert death["unrecorded"] >= 1


def test_a_worker_that_hangs_is_killed_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_module, "HANG_SECONDS_MAX", 2.0)
    monkeypatch.setattr(fleet_module, "DEATHS_MAX", 1)
    with pytest.raises(FleetError, match="1 workers died; the seeds they held are in the results directory"):
        campaign(tmp_path, "hanging", executions=1, workers=1, twin_every=0)
    assert [(5 << SEED_BITS, -OVERDUE)] == rows(tmp_path, "SELECT seed, exit_status FROM deaths")


def test_a_mistake_in_a_scenario_ends_the_campaign(tmp_path: Path) -> None:
    words = r"mistaken on toy \((small|real)\), seed \d+: .*a mistake in a scenario"
    with pytest.raises(WorkerError, match=words) as caught:
        campaign(tmp_path, "mistaken", executions=5)
    assert 2 == caught.value.exit_status


def test_a_full_disk_ends_the_campaign_and_keeps_what_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = campaign(tmp_path, "counters", "abba", executions=1)["executions"]
    monkeypatch.setattr(
        directory_module,
        "write_atomically",
        lambda path, data: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")),
    )
    with pytest.raises(StorageError, match="No space left on device"):
        campaign(tmp_path, "counters", "abba", executions=500)
    assert rows(tmp_path, "SELECT SUM(value) FROM numbers WHERE metric = 'executions'")[0][0] >= before


FIGURES = {
    "elapsed_s",
    "executions",
    "executions_per_s",
    "steps_per_s",
    "classes",
    "failures",
    "worker_deaths",
    "compiled",
    "now",
    "left_s",
}


def test_what_is_shown_meanwhile_is_plain_words(tmp_path: Path) -> None:
    with Store(tmp_path, settings("counters").plain()) as store:
        shown = figures(Campaign(store, settings("counters"), Budget(executions=1), SPEC))
    assert FIGURES == set(shown)
    assert not any(" " in str(value) for value in shown.values())


# -- processes killed from outside -------------------------------------------------------------------------------


@contextmanager
def supervisor(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a campaign of a minute in a process of its own; it is gone afterwards."""
    command = [sys.executable, "-m", "tests.stress.campaign_toys", str(path), "60"]
    process = started(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def until(ready: Callable[[], Any]) -> Any:
    """Return what ``ready`` returns once it is true."""
    give_up = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < give_up:
        try:
            if found := ready():
                return found
        except (sqlite3.OperationalError, FileNotFoundError):
            pass
        time.sleep(0.02)
    raise TimeoutError(f"a test waits for what has not happened in {WAIT_SECONDS_MAX:.0f} s")


def workers_of(pid: int) -> list[int]:
    """Return the workers of a supervisor, the children of all its threads."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return [child for child in children if "stress.workers.worker" in Path(f"/proc/{child}/cmdline").read_text()]


def executions(path: Path) -> int:
    """Return how many executions are recorded."""
    return int(rows(path, "SELECT TOTAL(value) FROM numbers WHERE metric = 'executions'")[0][0])


def alive(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_nothing_recorded_is_lost_when_a_worker_and_then_the_supervisor_are_killed(tmp_path: Path) -> None:
    shm = sorted(os.listdir("/dev/shm"))
    with supervisor(tmp_path) as process:
        until(lambda: executions(tmp_path) > 100)
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
        (death,) = until(lambda: rows(tmp_path, "SELECT case_id, seed, exit_status FROM deaths"))
        assert -signal.SIGKILL == death[2]
        until(lambda: len(workers_of(process.pid)) == 2)
        workers = workers_of(process.pid)
        process.kill()
        process.wait()
        until(lambda: not any(map(alive, workers)))
    recorded = executions(tmp_path)
    data = campaign(tmp_path, "counters", "mailbox", executions=50)
    assert recorded + 50 == data["executions"]
    assert (3, 2, 1) == (data["exit_status"], data["sessions"], len(data["worker_deaths"]))
    assert shm == sorted(os.listdir("/dev/shm"))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_campaign_in_good_order(tmp_path: Path, signum: signal.Signals) -> None:
    with supervisor(tmp_path) as process:
        until(lambda: executions(tmp_path) > 10)
        process.send_signal(signum)
        out, _ = process.communicate(timeout=WAIT_SECONDS_MAX)
        assert 130 == process.returncode
    data = json.loads(out)
    assert ("interrupted", executions(tmp_path)) == (data["ended"], data["executions"])
    assert [("interrupted",)] == rows(tmp_path, "SELECT ended FROM sessions")
    assert 0 == data["unrecorded"]


def test_a_worker_that_is_killed_before_it_is_ready_is_replaced(tmp_path: Path) -> None:
    with supervisor(tmp_path) as process:
        first = until(lambda: workers_of(process.pid))[0]
        os.kill(first, signal.SIGKILL)
        until(lambda: executions(tmp_path) > 10)
        assert process.poll() is None
    assert [(-signal.SIGKILL, 0)] == rows(tmp_path, "SELECT exit_status, unrecorded FROM deaths")


def test_an_interrupted_campaign_says_how_to_go_on(tmp_path: Path) -> None:
    code = (
        "import sys; from stress.cli.main import main; from tests.stress.campaign_toys import TOYS; "
        "sys.exit(main(sys.argv[1:], TOYS))"
    )
    words = [
        "campaign",
        "--scenario",
        "counters",
        "--duration",
        "100s",
        "--workers",
        "1",
        "--dir",
        str(tmp_path / "a dir"),
    ]
    with started(
        [sys.executable, "-c", code, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        until(lambda: executions(tmp_path / "a dir") > 10)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=WAIT_SECONDS_MAX)
    assert 130 == process.returncode
    assert f"go on with: zapstress campaign --dir '{tmp_path / 'a dir'}' --duration 100s" in told.decode()


def test_an_interrupt_that_is_ignored_does_not_end_a_campaign(tmp_path: Path) -> None:
    """As under nohup, and in the background of a script; SIGTERM does."""
    command = [sys.executable, "-m", "tests.stress.campaign_toys", str(tmp_path), "60"]
    ignore = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=ignore
    ) as process:
        until(lambda: executions(tmp_path) > 10)
        process.send_signal(signal.SIGINT)
        before = executions(tmp_path)
        until(lambda: executions(tmp_path) > before + 10)
        process.send_signal(signal.SIGTERM)
        assert 130 == process.wait(WAIT_SECONDS_MAX)


def test_a_directory_that_is_too_large_ends_the_campaign(tmp_path: Path) -> None:
    (tmp_path / FAILURES).mkdir()
    campaign(tmp_path / "dir", "counters", executions=5)
    (tmp_path / "dir" / FAILURES).mkdir()
    (tmp_path / "dir" / FAILURES / "large").write_bytes(bytes(3 << 20))
    data = campaign(tmp_path / "dir", "counters", executions=10_000_000, disk_mib_max=2)
    assert ("full", 3) == (data["ended"], data["exit_status"])
    assert "--disk-mib-max" in text(data)


def test_a_seed_over_which_the_native_core_crashes_is_executed_in_python(tmp_path: Path) -> None:
    what = Settings(seed=1, scenarios=("partial_zap",), profiles=("x86-64",), machine="lockstep")
    with Store(tmp_path / "c", what.plain()) as store:
        made = Campaign(store, what, Budget(duration_s=60, native=True))
        torn = made.order(0)
        assert isinstance(torn, LeaseOrder) and torn.native
        made.died(0, torn, DeadWorker(1, -signal.SIGSEGV, (torn.number, torn.first + 5), unrecorded=6))
        again, after = made.order(0), made.order(0)
    assert isinstance(again, LeaseOrder) and isinstance(after, LeaseOrder)
    assert (torn.number, torn.strategy, torn.first + 5, 1) == (again.number, again.strategy, again.first, again.count)
    assert not again.native and not after.native
    assert after.first != again.first or after.number != again.number
