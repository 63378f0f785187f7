"""What an execution does changes only on purpose (tests/scenarios/digests.py writes the file anew)."""

from __future__ import annotations

import pytest

from stress.catalogue import CATALOGUE
from tests.scenarios.digests import FILE, lines


@pytest.mark.parametrize("profile", CATALOGUE.profiles())
async def test_digests_are_those_that_were_written_down(profile: str) -> None:
    known = [line for line in FILE.read_text().splitlines() if line.startswith(profile + " ")]
    assert known == await lines(profile)
