"""What cases reach: measured, kept on disk, measured again when the model has changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import trio

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.calls import Reach, measure
from stress.workers.plan import reach as reach_module
from stress.workers.plan.reach import FILES_MAX, ReachTable, sources_hash
from stress.workers.settings import Settings

CASE = Case("munmap_vs_access", (), "x86-64")
OTHER = replace(CASE, params=(("order", 2),))
REACH = Reach(frozenset({"memory.a", "swap.b"}), frozenset({"fork.c"}), frozenset({"f: load"}), ("clean 5d",))


def test_a_case_reaches_what_its_executions_call() -> None:
    """Unmapping zaps; nothing of it forks, neither in the setup nor in the executions."""
    (case, *_), *_ = Settings(1, ("munmap_vs_access",), ("x86-64",)).ranks("small", CATALOGUE)
    found = trio.run(measure, case, CATALOGUE)
    assert {"memory.zap_pte_range", "mmu_gather.tlb_finish_mmu"} <= found.methods
    assert "fork.dup_mmap" not in found.methods | found.setup
    assert "page_fault.handle_mm_fault" in found.setup | found.methods
    assert not found.methods & found.setup
    assert {"ptep_get_and_clear: clear pte", "user_load: load through TLB"} <= found.sites
    assert ["clean"] * 3 == [probe.split()[0] for probe in found.probes]
    assert found == trio.run(measure, case, CATALOGUE)


def test_a_table_on_disk_is_the_table(tmp_path: Path) -> None:
    table = ReachTable(tmp_path / "zapstress" / "reach-0-6.9")
    table.add(replace(CASE, faults=("C02",), patch=("mine.py",)), REACH)
    table.save()
    again = ReachTable(table.path)
    again.load()
    assert REACH == again.reach(CASE) and {CASE: REACH} == again.rows
    assert again.reach(OTHER) is None


def test_a_users_scenario_has_no_row_on_disk(tmp_path: Path) -> None:
    """The table is everybody's, and the file may be another tomorrow."""
    table = ReachTable(tmp_path / "reach-0-6.9")
    table.add(replace(CASE, scenario=str(tmp_path / "mine.py")), REACH)
    table.add(CASE, REACH)
    table.save()
    again = ReachTable(table.path)
    again.load()
    assert {CASE} == set(again.rows)


def test_a_case_that_was_not_measured_is_expected_to_reach_what_its_scenario_does() -> None:
    table = ReachTable()
    table.add(CASE, REACH)
    assert REACH == table.expected(OTHER)
    assert table.expected(replace(CASE, profile="arm64-4k")) is None
    assert table.reaches(OTHER, ["memory.a"]) and not table.reaches(OTHER, ["memory.z"])


def test_a_method_counts_as_reached_by_a_setup_only_if_no_execution_reaches_it() -> None:
    table = ReachTable()
    table.add(CASE, REACH)
    assert table.reaches(CASE, ["fork.c"])
    table.add(OTHER, Reach(frozenset({"fork.c"}), frozenset(), frozenset()))
    assert not table.reaches(CASE, ["fork.c"]) and table.reaches(OTHER, ["fork.c"])


def test_a_damaged_file_is_no_table_and_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "reach-0-6.9"
    for data in (b"", b"\x93", b"[1, 2]"):
        path.write_bytes(data)
        table = ReachTable(path)
        table.load()
        assert {} == table.rows
    table.add(CASE, REACH)
    table.save()
    table.load()
    assert {CASE: REACH} == table.rows


def test_a_directory_that_cannot_be_written_costs_the_table_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    table = ReachTable(tmp_path / "file" / "reach-0-6.9")
    table.load()
    table.add(CASE, REACH)
    table.save()
    assert REACH == table.reach(CASE)


def test_the_directory_keeps_the_newest_tables(tmp_path: Path) -> None:
    for number in range(FILES_MAX + 3):
        table = ReachTable(tmp_path / f"reach-{number}-6.9")
        table.add(CASE, REACH)
        table.save()
    assert FILES_MAX == len(list(tmp_path.iterdir()))
    assert (tmp_path / f"reach-{FILES_MAX + 2}-6.9").exists()


def test_a_changed_model_has_another_table(tmp_path: Path) -> None:
    for folder in reach_module.SOURCES:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.py").write_text("a = 1")
    hashes = [sources_hash(tmp_path)]
    for folder in reach_module.SOURCES:
        (tmp_path / folder / "a.py").write_text("a = 2")
        hashes.append(sources_hash(tmp_path))
    assert len(hashes) == len(set(hashes))
