"""What a campaign tells of a patch: what of it ran, and which failures are its own."""

from __future__ import annotations

from pathlib import Path

from stress.campaign.summary import never_ran, text, verdict
from tests.stress.patch_toys import ATOMIC, LOCKED, UNLOCKED, campaign, written


def test_every_override_is_counted_where_it_ran(tmp_path: Path) -> None:
    data = campaign(tmp_path / "results", written(tmp_path / "p.py", LOCKED), 20)
    (row,) = data["overrides"]
    assert ("counter.increment", ["toy"], ["counters"], {}) == tuple(
        row[name] for name in ("method", "profiles", "scenarios", "absent")
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


def test_patches_side_by_side_have_the_same_seeds(tmp_path: Path) -> None:
    """Of two threads that increment without the lock, some lose updates; under it, and at once,
    none does.
    """
    broken, atomic = written(tmp_path / "broken.py", UNLOCKED), written(tmp_path / "atomic.py", ATOMIC)
    data = campaign(tmp_path / "results", broken, 60, "--versus", atomic)
    assert [([broken], 60), ([atomic], 60), ([], 60)] == [
        (side["patch"], side["executions"]) for side in data["versus"]
    ]
    (found,) = data["versus"][0]["violations"]
    assert [[], []] == [side["violations"] for side in data["versus"][1:]]
    assert data["violations"][0]["count"] == found["count"] > 0
    lines = text(data).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("the same seeds"))
    assert [broken, atomic, "unpatched"] == lines[at].split()[3:]
    assert ["60", "60", "60"] == lines[at + 1].split()[1:]
    assert lines[at + 2].startswith(f"{found['signature']}  T1 lost-update") and lines[at + 2].split()[-2:] == [
        "-",
        "-",
    ]


def test_what_fails_beside_the_patch_is_kept_and_is_no_violation(tmp_path: Path) -> None:
    broken, locked = written(tmp_path / "broken.py", UNLOCKED), written(tmp_path / "locked.py", LOCKED)
    data = campaign(tmp_path / "results", locked, 60, "--versus", broken)
    assert (0, []) == (data["exit_status"], data["violations"])
    (found,) = data["versus"][1]["violations"]
    assert Path(found["trace"]).is_file() and 1 <= found["first"] <= 60


def test_what_is_compared_needs_a_patch(tmp_path: Path) -> None:
    data = campaign(tmp_path / "results", "", 10, "--versus", written(tmp_path / "p.py", LOCKED))
    assert (2, True) == (data["exit_status"], "name that too" in data["error"])
