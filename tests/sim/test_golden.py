"""The order of steps changes only on purpose (tests/sim/golden writes the files anew)."""

from __future__ import annotations

import difflib

from tests.sim.golden.orders import FOLDER, file_of, folded, texts


async def test_the_order_of_steps_is_the_one_that_was_read() -> None:
    """Every profile's file is what its calls do now; what differs is shown as a diff."""
    found = await texts()
    assert {file_of(profile).name for profile in found} == {path.name for path in FOLDER.glob("*.txt")}
    different: list[str] = []
    for profile, text in found.items():
        known, now = (of.splitlines() for of in (file_of(profile).read_text(), text))
        name = file_of(profile).name
        different += difflib.unified_diff(known, now, f"{name}, as read", f"{name}, as it is now", n=6, lineterm="")
    assert not different, (
        "another order of steps; if that is meant, `python -m tests.sim.golden` writes it down:\n"
        + "\n".join(different)
    )


def test_repetitions_are_folded() -> None:
    """The group that covers most is folded, and of groups that cover the same the shortest."""
    assert ["      a", "  2x  b", "   |  c", "   |  d", "      b"] == folded(["a", *"bcd", *"bcd", "b"])
    assert ["  4x  a", "      b"] == folded(["a", "a", "a", "a", "b"])
    assert [] == folded([])
