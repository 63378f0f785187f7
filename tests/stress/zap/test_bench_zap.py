"""``bench zap``: what it counts, for every version, what it prints and draws, and the running
kernel.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from stress.bench.zap import linux
from stress.bench.zap.linux import Linux
from stress.bench.zap.measure import PUBLISHED, Teardown, bench_zap, change, counts_of
from stress.bench.zap.page import text
from stress.bench.zap.picture import Scale, curves_of, drawn
from stress.catalogue import CATALOGUE
from stress.cli.main import main
from stress.errors import USAGE, Skipped
from stress.native.compilers import cc
from stress.sources import ROOT
from tests.children import started
from tests.stress.zap.table import FILE, rows

pytestmark = pytest.mark.skipif(not cc(), reason="no C compiler")

SMALL = 2 << 20
PATCH = Path(__file__).resolve().parents[3] / "docs" / "headline.md"


@pytest.mark.parametrize("version", CATALOGUE.kernels())
def test_the_table_of_counts(version: str) -> None:
    """After a change of the model that is meant: ``python -m tests.stress.zap.table``."""
    written = [line for line in FILE.read_text().splitlines() if line.startswith(f"{version} ")]
    assert written == rows(version)


def test_batched_does_once_per_folio_what_was_done_per_page() -> None:
    found = counts_of(Teardown("munmap", SMALL), CATALOGUE)
    assert list(found) == sorted(PUBLISHED)
    for kib, columns in found.items():
        pages = kib // 4
        once, each = columns["6.9"]["per_folio"], columns["6.9-perpage"]["per_folio"]
        for name in ("refcount_updates", "rmap_calls", "gather_entries"):
            assert (kib, name, 1, pages) == (kib, name, once[name], each[name])
        assert (kib, 1 if pages == 1 else 2, pages) == (kib, once["gather_words"], each["gather_words"])
        assert (kib, 1, 1) == (kib, once["frees"], each["frees"])


LOOP = """
from sim.mm.rmap import DEC, Rmap


class Endless(Rmap):
    component = "rmap"

    async def folio_remove_rmap_ptes(self, folio, page, nr, vma, where=DEC):
        while page >= 0:
            page = page + 0
"""


def test_order_0_is_not_degraded() -> None:
    """At 4 KiB nothing is done more often than before the series, but that a batch of the gather
    ends an entry earlier: pages are freed in more batches, each under the zone lock.
    """
    columns = counts_of(Teardown("munmap", 4 << 20), CATALOGUE)[4]
    before, after = (columns[name] for name in ("6.9-perpage", "6.9"))
    assert {name for name in before if before[name] != after[name]} <= {"locks", "per_page"}
    assert 1 == after["locks"] - before["locks"]
    assert before["per_page"] | {"locks": 0} == after["per_page"] | {"locks": 0}


def test_s390x_frees_at_once_and_hash_flushes_in_batches_of_192() -> None:
    s390x = counts_of(Teardown("munmap", 1 << 20, "s390x", ("6.9",)), CATALOGUE)[4]["6.9"]
    assert (0, 256) == (s390x["gather_entries"], s390x["frees"])
    hashed = counts_of(Teardown("munmap", 16 << 20, "ppc64-hash", ("6.9",)), CATALOGUE)[64]["6.9"]
    assert hashed["hash_batches"] > 256 // 192


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return bench_zap(Teardown("munmap", SMALL, runs=2), CATALOGUE)


def test_rows_have_the_fields_that_are_promised(measured: dict[str, Any]) -> None:
    assert sorted(PUBLISHED) == [row["folio_kib"] for row in measured["rows"]]
    for row in measured["rows"]:
        assert "munmap" == row["operation"]
        assert row["perpage_ms"] > 0 and row["batched_ms"] > 0
        each = (row["kernels"][name]["ns_per_page"] for name in ("6.9-perpage", "6.9"))
        assert change(*each) == pytest.approx(row["change_percent"], abs=0.2)
        assert PUBLISHED[row["folio_kib"]] == row["published_percent"]
        assert {"6.9-perpage", "6.9"} == set(row["counts"]) == set(row["kernels"])
        assert bool(row["kernel_unavailable"]) == (row["kernel_ms"] is None)


def test_what_is_left_is_without_the_atomic_instructions_that_are_counted(measured: dict[str, Any]) -> None:
    for row in measured["rows"]:
        assert row["atomic_ns"] > 0
        for name, column in row["kernels"].items():
            each = row["counts"][name]["per_page"]
            left = column["ns_per_page"] - (each["atomics"] + each["locks"]) * row["atomic_ns"]
            assert left == pytest.approx(column["rest_ns_per_page"], abs=0.1)
        rest = [row["kernels"][name]["rest_ns_per_page"] for name in ("6.9-perpage", "6.9")]
        assert row["rest_change_percent"] == (change(*rest) if min(rest) > 0 else None)


def test_a_mapped_page_takes_at_most_72_bytes() -> None:
    found = counts_of(Teardown("munmap", 1 << 30, kernels=tuple(CATALOGUE.kernels())), CATALOGUE)
    for kib, columns in found.items():
        for name, counts in columns.items():
            assert counts["arena_bytes_per_page"] <= 72, (kib, name)


def test_the_picture_has_a_curve_and_a_band_for_each_kernel(measured: dict[str, Any]) -> None:
    tree = ElementTree.fromstring(drawn(measured))
    lines = [element for element in tree.iter() if element.tag.endswith("polyline")]
    words = {element.text for element in tree.iter() if element.tag.endswith("text")}
    assert len(curves_of(measured)) <= len(lines)
    assert {"6.9", "6.9-perpage"} <= words


def test_a_curve_is_broken_where_nothing_was_measured() -> None:
    three = Scale([4, 16, 32, 64], 1.0, 8.0)
    points = [(4, 2.0, 1.0, 3.0), (32, 2.0, 1.0, 3.0), (64, 2.0, 1.0, 3.0)]
    assert [points[:1], points[1:]] == three.pieces(points)


def test_the_page_says_why_the_running_kernel_is_not_there(measured: dict[str, Any]) -> None:
    for row in measured["rows"]:
        assert row["kernel_unavailable"] in text(measured)


def test_folio_sizes_that_are_off_are_refused_in_words() -> None:
    if any(not Linux(None).why_not(order) for order in (2, 3)):
        pytest.skip("this machine has such folios on")
    assert "add --configure-mthp" in Linux(None).why_not(2)


def test_where_sizes_cannot_be_set_the_column_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a kernel without sizes, or while another run sets them; 4 KiB need no setting."""

    def refused() -> None:
        raise Skipped("it is being configured by another run")

    monkeypatch.setattr(linux, "ConfiguredSizes", refused)
    monkeypatch.setattr(linux, "effective", lambda: ())
    with linux.opened(True) as running:
        assert not running.why_not(0) and running.why_not(2).endswith("by another run")


def test_a_picture_that_cannot_be_is_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, why in ((tmp_path, "is a folder"), (tmp_path / "no" / "x.svg", "there is no folder")):
        assert 2 == main(["bench", "zap", "--picture", str(path)])
        assert why in (told := capsys.readouterr().err) and "folios" not in told
    assert 2 == main(["bench", "zap", "--profile", "s390x", "--picture", str(tmp_path / "x.svg")])
    assert "s390x has none" in capsys.readouterr().err


def test_an_endless_loop_of_a_patch_can_be_interrupted(tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(LOOP)
    words = ["-m", "stress", "bench", "zap", "--size", "64K", "--kernel", "6.9", "--patch", str(tmp_path / "loop.py")]
    with started([sys.executable, *words], cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        try:
            for line in running.stderr:
                if line.startswith("folios of"):
                    break
            time.sleep(2)
            running.send_signal(signal.SIGINT)
            assert running.wait(60) in (-signal.SIGINT, 130)
        finally:
            running.kill()


def test_the_running_kernel_is_measured_at_4_kib() -> None:
    assert Linux(None).measure("munmap", SMALL, 0) > 0


def test_a_patch_has_a_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = PATCH.read_text().partition("```python\n")[2].partition("```")[0]
    (tmp_path / "mapped_once.py").write_text(source)
    assert 0 == main(
        ["bench", "zap", "--size", "2M", "--patch", str(tmp_path / "mapped_once.py"), "--kernel", "6.9", "--json"]
    )
    data = json.loads(capsys.readouterr().out)
    for row in data["rows"]:
        counts = row["counts"]
        saved = counts["6.9"]["mapcount_updates"] - counts["6.9+patch"]["mapcount_updates"]
        folios = SMALL // 1024 // row["folio_kib"]
        assert (0 if row["folio_kib"] == 4 else 512 - folios) == saved


@pytest.mark.parametrize("words", [("--size", "3M"), ("--size", "much"), ("--kernel", "5.0"), ("--profile", "vax")])
def test_mistakes_are_usage_errors(words: tuple[str, str]) -> None:
    assert USAGE == main(["bench", "zap", *words])
