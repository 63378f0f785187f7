"""``zapstress check``: what a patch is told before a campaign."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from stress.cli.main import main
from stress.errors import CLEAN, INCONCLUSIVE, USAGE, VIOLATED
from tests.stress.patch.patches import method, written

HOLD = """
from sim.core.ledger import TRANSIENT
from sim.core.machine import site

HOLD, DROP = site("zap_hold", "take a reference"), site("zap_hold", "put the reference")
"""


def held(taken: str, put: str) -> str:
    """Return a patch that holds a folio while its rmaps go, and names those holders."""
    body = (
        f"await self.m.add(HOLD, self.k.swap.page_ref, batch.folio, 1{taken})\n"
        "await super().remove_rmaps(zap, batch)\n"
        f"await self.m.add(DROP, self.k.swap.page_ref, batch.folio, -1{put})"
    )
    return method("async def remove_rmaps(self, zap, batch)", body, before=HOLD)


def checked(
    capsys: pytest.CaptureFixture[str], path: str, status: int, *more: str, scenario: str = "munmap_vs_access"
) -> dict[str, Any]:
    """Check a patch over one scenario; return what was found."""
    assert status == main(["check", path, "--scenario", scenario, "--json", *more])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_sound_patch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is composed on every profile, and its runs are told."""
    path = written(tmp_path, held(", TRANSIENT", ", TRANSIENT"))
    found = checked(capsys, path, CLEAN)
    (override,) = found["overrides"]
    assert ("memory.remove_rmaps", ["munmap_vs_access"]) == (override["method"], override["scenarios"])
    assert override["runs"] > 0 and 8 == len(override["profiles"]) and not override["absent"]
    assert not found["violations"]


@pytest.mark.parametrize(
    ("taken", "put", "hint"),
    [
        ("", ", TRANSIENT", "zap_hold: take a reference"),
        (", TRANSIENT", "", "zap_hold: put the reference"),
    ],
)
def test_a_slip_of_bookkeeping_is_no_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], taken: str, put: str, hint: str
) -> None:
    """The counts are right: the step that names no holder is named."""
    path = written(tmp_path, held(taken, put))
    found = checked(capsys, path, USAGE, "--profile", "x86-64")
    assert {"bookkeeping"} == {violated["kind"] for violated in found["violations"]}
    assert f"the step '{hint}' changes a refcount and does not name who holds" in found["violations"][0]["hint"]


def test_a_reference_that_is_lost_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The ledger objects to it too; the counts are wrong."""
    body = (
        "await self.m.add(HOLD, self.k.swap.page_ref, batch.folio, 1, TRANSIENT)\n"
        "await super().remove_rmaps(zap, batch)"
    )
    path = written(tmp_path, method("async def remove_rmaps(self, zap, batch)", body, before=HOLD))
    found = checked(capsys, path, VIOLATED, "--profile", "x86-64")
    assert {"finding"} == {violated["kind"] for violated in found["violations"]}


def test_a_finding_is_made_again_as_it_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, method("def rss_nr(self, nr)", "return 1"))
    assert VIOLATED == main(["check", path, "--scenario", "munmap_vs_access", "--kernel", "6.18"])
    signature, words = re.findall(r"^(\w{8})  a finding.*\n +zapstress (.*)", capsys.readouterr().out, re.MULTILINE)[0]
    assert VIOLATED == main(shlex.split(words))
    assert f"signature {signature}" in capsys.readouterr().out


def test_an_override_that_never_ran_is_inconclusive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, method("async def write_folio(self, cpu, file, index)", "return None", "page_writeback"))
    found = checked(capsys, path, INCONCLUSIVE, "--profile", "x86-64")
    assert 0 == found["overrides"][0]["runs"]
    assert INCONCLUSIVE == main(["check", path, "--scenario", "munmap_vs_access", "--profile", "x86-64"])
    assert "page_writeback.write_folio never ran, so nothing is known of it" in capsys.readouterr().out


def test_what_only_some_profiles_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The dirty bits of blocks are lost, where there are blocks."""
    path = written(tmp_path, method("def seen_in_block(self, ptes)", "return 0", "pgtable"))
    found = checked(capsys, path, VIOLATED, "--profile", "x86-64", "arm64-4k", scenario="contiguous")
    (override,) = found["overrides"]
    assert ["arm64-4k"] == override["profiles"]
    assert {"x86-64": "it is there only on arm64-4k, arm64-16k, arm64-64k"} == override["absent"]
