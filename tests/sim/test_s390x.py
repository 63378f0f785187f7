"""What s390x's page table primitives leave alone."""

from __future__ import annotations

import pytest

from sim.core.profile import World
from sim.core.pte import DIRTY, PRESENT, WRITE, YOUNG
from tests.scenarios.driving import driven

WIDE = PRESENT | YOUNG | DIRTY | WRITE


@pytest.mark.parametrize(("had", "steps"), [(WIDE, 0), (WIDE & ~YOUNG, 2)])
async def test_an_entry_that_is_wide_enough_is_not_invalidated(had: int, steps: int) -> None:
    """ptep_set_access_flags() compares the entries first (pte_same): two CPUs that fault on one
    page would else take its entry from each other, as an exhaustive search of first_touch has
    shown. One that is not young is invalid already: it is read and stored.
    """
    async with driven("s390x", "small", "6.9", World()) as driver:
        pgtable, made = driver.kernel.pgtable, driver.machine.log

        async def body() -> None:
            pgtable.pte.view[0] = had
            before = len(made)
            await pgtable.ptep_set_access_flags(0, 0, 0, 0, had, WIDE)
            assert (len(made) - before) // 2 == steps
            assert pgtable.pte.view[0] == WIDE
            pgtable.pte.view[0] = 0

        await driver.run(0, body)
