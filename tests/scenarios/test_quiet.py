"""Shared memory, which is mapped writable and clean (``quiet``), has no disk: no scenario writes it
out, or past the page cache. In the kernel nothing ever cleans such a mapping.
"""

from __future__ import annotations

from typing import Any

import pytest

from sim.compose import compose
from sim.core.profile import SMALL
from sim.mm.mm_types import VM_QUIET
from sim.mm.page_writeback import PageWriteback
from stress.case import Case
from stress.catalogue import CATALOGUE, Catalogue
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.sources import ROOT

SCENARIOS = [name for name in CATALOGUE.scenarios() if "quiet=" in (ROOT / f"scenarios/{name}.py").read_text()]
"""Scenarios that map something so."""


class Watching(Catalogue):
    """Composes the kernel with a look at what is written out."""

    def __init__(self) -> None:
        self.written = found = set[int]()

        class Watched(PageWriteback):
            component = "page_writeback"

            async def write_folio(self, cpu: int, file: int, index: int) -> bool:
                for vma in self.k.rmap.file_vmas(file):
                    if self.k.mm_types.vma_flags[vma] & VM_QUIET:
                        found.add(file)
                return await super().write_folio(cpu, file, index)

        self.part = Watched

    def compose(self, *, profile: Any, geometry: str, kernel: str, world: Any, faults: Any, **more: Any) -> Any:
        return compose(profile, geometry, kernel, world, (self.part,))


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_shared_memory_is_never_written_out(scenario: str) -> None:
    for params in CATALOGUE.scenario_class(scenario).parameters(CATALOGUE.profile("x86-64"), SMALL):
        watching = Watching()
        async with open_runner(Case(scenario, tuple(sorted(params.items())), "x86-64"), catalogue=watching) as runner:
            runner.run(CATALOGUE.strategy("sequential"), 0, RandomData(0))
        assert set() == watching.written, params
