"""What a component is: one file of mm/, replaceable by a subclass that overrides one method (law
L5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sim.core.arena import SHARED, Field

if TYPE_CHECKING:
    from sim.kernel import Kernel


class Component:
    """Base of every modelled file.

    Once bound, a component has every column of the arena as an attribute of its name; it annotates
    those that it uses. A shared one is a Column, to be passed to the machine's primitives; one that
    is private, or the checkers' own, is the bare cells, read and written with ``[]``.

    ``addr`` and ``end`` are virtual page numbers throughout, ``ptep`` is an index into the column
    ``pte``, ``page`` and ``pfn`` are page frame numbers, a folio is the pfn of its head, ``tlb`` is
    a gather (one per CPU).
    """

    name: ClassVar[str]

    def __init__(self, kernel: Kernel) -> None:
        self.k = kernel
        self.profile, self.g, self.w = kernel.profile, kernel.geometry, kernel.world

    def fields(self) -> list[Field]:
        """Return the columns that this component owns."""
        return []

    def bind(self) -> None:
        """Take the machine and the columns. Called once, when the arena exists."""
        self.m = self.k.machine
        for name, column in self.k.arena.columns.items():
            setattr(self, name, column if column.klass == SHARED else column.view)

    def boot(self) -> None:
        """Make the first state, by plain stores, before anything runs."""
