"""The kernel of a process of the parallel machine: the same layout, without step-time checkers, and
with a ledger that processes share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sim.checks.facade import Checks
from sim.core.component import Component

if TYPE_CHECKING:
    from sim.kernel import Kernel
    from stress.parallel.machine import Parallel


class Unwatched:
    """The checkers' facade for a machine that cannot run checkers in a step: it ignores every
    event.
    """

    component = "checks"

    def bind(self) -> None:
        """Take the columns, and replace the method of every event by one that does nothing."""
        Component.bind(self)  # type: ignore[arg-type]
        for name, event in vars(Checks).items():
            if callable(event) and name not in ("fields", "bind", "boot"):
                setattr(self, name, _pass_over)


def _pass_over(*args: Any, **keywords: Any) -> None:
    """Do nothing: no event is judged here."""


class SharedLedger:
    """The ledger, changed by atomic additions: other processes change it too."""

    component = "ledger"

    def _changer(self) -> Callable[[int, int, int], None]:
        machine: Parallel = self.m  # type: ignore[attr-defined]
        pages, first = self.w.pages, machine.at[machine.arena["ledger"].id]  # type: ignore[attr-defined]
        add_to, here = machine.add_to, machine.here

        def change(holder: int, folio: int, delta: int) -> None:
            add_to(here, first + (holder * pages + folio << 3), delta)

        return change


def unwatched(kernel: Kernel) -> Kernel:
    """Return the kernel for a process of the parallel machine: the same layout, no step-time
    checkers.
    """
    return kernel.wrapped((Unwatched, SharedLedger)) if "ledger" in getattr(kernel, "components", ()) else kernel
