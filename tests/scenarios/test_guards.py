"""Each part that a version has added is guarded by patches of one method, and docs/guards.md says
by which. That a patch overrides one method, and composes, is tested beside this.
"""

from __future__ import annotations

import pytest

from tests.scenarios.guards import AT_LEAST, PAGE, guards, missed, page, parts

PARTS = [part for ids in parts().values() for part in ids]


@pytest.mark.parametrize("part", PARTS)
def test_three_patches_that_are_found_guard_a_part(part: str) -> None:
    assert len(set(guards().get(part, [])) - missed()) >= AT_LEAST


def test_patches_guard_nothing_else() -> None:
    assert set(guards()) == set(PARTS)


def test_the_page_of_guards() -> None:
    """After a change of ``GUARDS`` that is meant: ``python -m tests.scenarios.guards``."""
    assert page() == PAGE.read_text()
