"""A campaign goes on after its code has changed: counts begin anew, old failures are tried again."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stress.campaign.code import Code, Text
from stress.campaign.history.generations import TEXTS_KEPT_MAX
from stress.campaign.history.growth import DENSITY
from stress.campaign.results import CLEAN_TIMES, Results
from stress.campaign.store import Store
from stress.campaign.summary import old_failures, summary, text, verdict
from tests.stress.patch_toys import ATOMIC, HEAD, LOCKED, UNLOCKED, campaign, written
from tests.stress.test_store import CASE, SETTINGS, batch, failure, lease

ONE, TWO = (
    Code("1", "model", "a", (Text("patch", "p.py", "one"),)),
    Code("1", "model", "b", (Text("patch", "p.py", "two"),)),
)


def opened(path: Path, code: Code) -> tuple[Store, int]:
    store = Store(path, SETTINGS, code)
    number = store.add_cases([CASE])[CASE]
    store.resume()
    store.begin_session()
    return store, number


def found_in_the_third(path: Path) -> None:
    """Have the first generation find a failure with its third execution."""
    store, case = opened(path, ONE)
    store.record(lease(store, case, 0, 10), batch(10, 100, failures=[failure(2)]))
    store.note_session(2.0, 10, 100)
    store.close()


def test_the_same_code_goes_on_counting(tmp_path: Path) -> None:
    found_in_the_third(tmp_path)
    store, case = opened(tmp_path, ONE)
    store.record(lease(store, case, 10, 10), batch(10, 100))
    data = summary(store)
    assert (1, 20, 2) == (data["generation"], data["executions"], data["sessions"])
    assert ["0badcafe"] == [row["signature"] for row in data["violations"]]
    store.close()


def test_the_growth_of_what_is_known_is_kept(tmp_path: Path) -> None:
    """Of one generation, over all its runs: a point whenever the time has grown by a share."""
    store, case = opened(tmp_path, ONE)
    store.record(lease(store, case, 0, 10), batch(10, 100, numbers={"measured": 4}, hashes={"classes": [5, 6, 7]}))
    for second in range(1, 101):
        store.note_session(float(second), 10, 100)
    first = summary(store)["growth"]
    assert {"elapsed_s": 1.0, "measured": 4, "classes": 3} == first[0]
    times = [point["elapsed_s"] for point in first]
    assert 50 < len(times) < 80 and all(b - a > a / DENSITY for a, b in pairwise(times)) and times[-1] > 95
    store.close()
    store, _ = opened(tmp_path, ONE)
    store.note_session(20.0, 0, 0)
    assert 120.0 == summary(store)["growth"][-1]["elapsed_s"], "after those of the run before"
    store.close()
    store, _ = opened(tmp_path, TWO)
    assert [] == summary(store)["growth"]
    store.close()


@pytest.mark.parametrize("changed", [TWO, Code("1", "another model", "a", ONE.texts)], ids=["patch", "model"])
def test_another_code_counts_from_nothing(tmp_path: Path, changed: Code) -> None:
    found_in_the_third(tmp_path)
    store, _ = opened(tmp_path, changed)
    data = summary(store)
    assert (2, 0, 0.0, 1) == (data["generation"], data["executions"], data["elapsed_s"], data["sessions"])
    assert [] == data["violations"] == data["gone"]
    assert ["0badcafe"] == [row["signature"] for row in data["not_seen_again"]]
    assert {} == store.resume(), "seeds begin anew"
    assert [10, 0] == [row["executions"] for row in data["generations"]]
    assert "10 executions of earlier generations do not count" in text(data)
    store.close()


def test_the_texts_of_the_newest_generations_are_kept(tmp_path: Path) -> None:
    for number in range(TEXTS_KEPT_MAX + 2):
        opened(tmp_path, Code("1", "model", str(number), (Text("patch", "p.py", f"text {number}"),)))[0].close()
    with Results.open(tmp_path) as results:
        kept = [row[0] for row in results.db.execute("SELECT text FROM texts ORDER BY generation")]
        assert [f"text {number}" for number in range(2, TEXTS_KEPT_MAX + 2)] == kept
        assert TEXTS_KEPT_MAX + 2 == len(results.generations())


def old(store: Store) -> tuple[list[Any], list[Any]]:
    """Return the signatures that are gone, and those that were not seen again."""
    found = old_failures(store)
    return [row["signature"] for row in found["gone"]], [row["signature"] for row in found["not_seen_again"]]


def test_a_failure_is_gone_after_a_clean_trace_and_ten_times_its_executions(tmp_path: Path) -> None:
    found_in_the_third(tmp_path)
    store, case = opened(tmp_path, TWO)
    store.record(lease(store, case, 0, 29), batch(29, 100, numbers={"executions": 29}))
    assert ([], ["0badcafe"]) == old(store)
    store.record(lease(store, case, 29, 1), batch(1, 10, numbers={"executions": 1}))
    assert ([], ["0badcafe"]) == old(store), "the trace was not run"
    store.retried("0badcafe", "clean", None)
    assert (["0badcafe"], []) == old(store)
    store.close()


def test_only_clean_executions_of_its_case_and_machine_count(tmp_path: Path) -> None:
    found_in_the_third(tmp_path)
    store, case = opened(tmp_path, TWO)
    store.retried("0badcafe", "clean", None)
    store.record(lease(store, case, 0, 30), batch(30, 100, numbers={"executions": 30, "inconclusive": 1}))
    store.record(lease(store, case, 1 << 27, 30, "parallel"), batch(30))
    other = store.add_cases([type(CASE)("mailbox", (), "toy")])[type(CASE)("mailbox", (), "toy")]
    store.record(lease(store, other, 0, 30), batch(30))
    assert ([], ["0badcafe"]) == old(store)
    (row,) = store.old_failures()
    assert (29, CLEAN_TIMES * 3) == (row["clean"], row["clean_needed"])
    store.close()


def test_a_trace_that_fails_again_is_a_violation_of_the_newest_generation(tmp_path: Path) -> None:
    found_in_the_third(tmp_path)
    store, _ = opened(tmp_path, TWO)
    store.retried("0badcafe", "violation", failure(2))
    assert ([], []) == old(store)
    (row,) = summary(store)["violations"]
    assert 1 == row["count"], "the first generation's do not count"
    store.close()


def test_the_last_line_of_the_old_and_the_new(tmp_path: Path) -> None:
    found_in_the_third(tmp_path)
    store, _ = opened(tmp_path, TWO)
    assert "no violation, 1 old one not seen again" == verdict(summary(store))
    store.close()


def test_a_mended_patch_begins_a_generation_and_the_failure_is_gone(tmp_path: Path) -> None:
    patch, where = tmp_path / "rework.py", tmp_path / "results"
    broken = campaign(where, written(patch, UNLOCKED), 40)
    (signature,) = (row["signature"] for row in broken["violations"])
    assert (1, False) == (broken["exit_status"], broken["violations"][0]["unpatched"])
    mended = campaign(where, written(patch, LOCKED), 400)
    assert (0, 2, 400, []) == tuple(mended[name] for name in ("exit_status", "generation", "executions", "violations"))
    assert [signature] == [row["signature"] for row in mended["gone"]]
    assert [HEAD + UNLOCKED, HEAD + LOCKED] == texts(where)
    broken = campaign(where, written(patch, UNLOCKED), 1)
    assert (1, 3) == (broken["exit_status"], broken["generation"])
    assert [signature] == [row["signature"] for row in broken["violations"]], "its trace shows it at once"


def texts(directory: Path) -> list[str]:
    with Results.open(directory) as results:
        return [row[0] for row in results.db.execute("SELECT text FROM texts ORDER BY generation")]


def test_what_a_patch_imports_is_a_part_of_it(tmp_path: Path) -> None:
    helper, where = tmp_path / "locking_help.py", tmp_path / "results"
    helper.write_text("STEP = 1\n")
    patch = written(tmp_path / "rework.py", "from locking_help import STEP\n" + ATOMIC.replace("i, 1)", "i, STEP)"))
    assert (0, 1) == tuple(campaign(where, patch, 10)[name] for name in ("exit_status", "generation"))
    helper.write_text("STEP = 2\n")
    data = campaign(where, patch, 10)
    assert (1, 2, "T1") == (data["exit_status"], data["generation"], data["violations"][0]["checker"])
    assert "STEP = 2\n" in texts(where)


FLUSHES = """
class Flush:
    component = "mmu_gather"

    async def tlb_flush_mmu_tlbonly(self, tlb):
        await super().tlb_flush_mmu_tlbonly(tlb)
"""


def test_a_real_patch_that_forgets_a_flush_is_mended(tmp_path: Path) -> None:
    patch, where = tmp_path / "flush.py", tmp_path / "results"
    words = ("--profile", "arm64-4k")
    patch.write_text(FLUSHES.replace("await super().tlb_flush_mmu_tlbonly(tlb)", "return None"))
    broken = campaign(where, str(patch), 60, *words, scenario="munmap_vs_access", toys=False)
    stale = next(row for row in broken["violations"] if row["title"] == "tlb-stale-after-free")
    assert (1, False, ["arm64-4k"]) == (broken["exit_status"], stale["unpatched"], broken["overrides"][0]["profiles"])
    patch.write_text(FLUSHES)
    mended = campaign(where, str(patch), 60, *words, scenario="munmap_vs_access", toys=False)
    assert (0, []) == (mended["exit_status"], mended["violations"])
    old = {row["signature"]: row["retried"] for row in (*mended["gone"], *mended["not_seen_again"])}
    assert {row["signature"]: "clean" for row in broken["violations"]} == old
