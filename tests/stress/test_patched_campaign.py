"""What a campaign tells of a patch: what of it ran, and which failures are its own."""

from __future__ import annotations

from pathlib import Path

from stress.campaign.summary import never_ran, text, verdict
from tests.stress.patch_toys import LOCKED, UNLOCKED, campaign, written


def test_every_override_is_counted_where_it_ran(tmp_path: Path) -> None:
    data = campaign(tmp_path / "results", written(tmp_path / "p.py", LOCKED), 20)
    (row,) = data["overrides"]
    assert ("counter.increment", ["toy"], ["counters"], None) == tuple(
        row[name] for name in ("method", "profiles", "scenarios", "why_not")
    )
    assert 20 * 4 <= row["runs"], "two threads increment twice or more in each execution"
    assert f"override counter.increment ran {row['runs']} times: on toy; in counters" in text(data)


def test_an_override_that_never_ran_is_inconclusive(tmp_path: Path) -> None:
    patch = written(tmp_path / "p.py", LOCKED + "\n    async def reset(self, i):\n        pass\n")
    data = campaign(tmp_path / "results", patch, 20)
    assert (5, ["counter.reset"]) == (data["exit_status"], never_ran(data))
    assert "no violation; inconclusive: counter.reset never ran" == verdict(data)


def test_a_failure_of_the_kernel_itself_is_not_the_patchs(tmp_path: Path) -> None:
    """Abba is a deadlock whatever the counter does."""
    patch = written(tmp_path / "p.py", UNLOCKED)
    data = campaign(tmp_path / "results", patch, 40, "--scenario", "counters", scenario="abba")
    kinds = {row["checker"]: row["unpatched"] for row in data["violations"]}
    assert {"deadlock": True, "T1": False} == kinds
    assert "2 signatures: 1 the patch's own, 1 the unpatched kernel's too" == verdict(data)


def test_without_a_patch_nobody_asks_whose_a_failure_is(tmp_path: Path) -> None:
    data = campaign(tmp_path / "results", "", 20, scenario="abba")
    assert [None] == [row["unpatched"] for row in data["violations"]]
    assert "1 signature" == verdict(data)
