"""Which kernels are compiled by now, as the supervisor sees it."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from stress.native.compilers import FAST, QUICK
from stress.native.kernels import KernelKey, is_kept, search_file

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

LOOK_SECONDS = 0.2
"""How often it is looked whether a kernel has been compiled by now."""


class Compiled:
    """The kernels that can make single transitions: these are compiled right behind those that
    execute (:mod:`stress.native.builder`), so both are there.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue, self.scenarios = catalogue, list(catalogue.scenarios())
        self.there: set[KernelKey] = set()
        self.looked: dict[KernelKey, float] = {}

    def has(self, key: KernelKey) -> bool:
        """Return whether a kernel is compiled."""
        if key not in self.there and monotonic() - self.looked.get(key, 0.0) >= LOOK_SECONDS:
            self.looked[key] = monotonic()
            if any(is_kept(search_file(key, self.scenarios, self.catalogue, level)) for level in (FAST, QUICK)):
                self.there.add(key)
        return key in self.there
