"""What the files of the model are made of: parts of one kernel, which find each other through it.

**References.** A cell that refers to another object (a VMA's mm, a PMD's table, a page cache slot's
page, what a folio's ``page_mapping`` names) holds the object's index plus one; 0 refers to nothing.
So an arena of zeros is a world where nothing refers to anything. :func:`ref_to` and
:func:`index_of_ref` convert; ``mm_of``, ``anon_vma_of`` and the other look-ups of
:class:`~sim.mm.mm_types.MmTypes` read the references that are private. Everything else (arguments,
results) is an index, or -1 for none.

**The one arrow up.** A part's ``k`` is the :class:`~sim.kernel.Kernel`, whose attributes are all
components: the type is imported from :mod:`sim.kernel`, for type checking only, and this is the
only import in ``sim`` that runs upward. A protocol here would have to name the type of every
component, and so import them all; ``Any`` would lose the check of every call between components.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sim.core.arena import SHARED, Field

if TYPE_CHECKING:
    from sim.kernel import Kernel as Kernel


def ref_to(index: int) -> int:
    """Return the reference to the object of that index; 0 for -1."""
    return index + 1


def index_of_ref(ref: int) -> int:
    """Return the index of the object that a reference refers to, or -1 if it is 0."""
    return ref - 1


class Part:
    """Something that belongs to one kernel: a component, a thread.

    Once it has taken the columns, each column of the arena is an attribute of its name; a class
    annotates those that it uses. A shared column is a Column, to be passed to the machine's
    primitives; one that is private, or the checkers' own, is the bare cells, read and written with
    ``[]``.

    ``addr`` and ``end`` are virtual page numbers throughout, ``ptep`` is an index into the column
    ``pte``, ``page`` and ``pfn`` are page frame numbers, a folio is the pfn of its head, ``tlb`` is
    a gather (one per CPU).
    """

    def __init__(self, kernel: Kernel) -> None:
        self.k = kernel
        self.profile, self.g, self.w = kernel.profile, kernel.geometry, kernel.world

    def bind(self) -> None:
        """Take the machine and the columns. Called once, when the arena exists."""
        self.m = self.k.machine
        for name, column in self.k.arena.columns.items():
            setattr(self, name, column if column.klass == SHARED else column.view)


class Component(Part):
    """The base of every modelled file: a class that a version, an architecture or a planted fault
    replaces by a subclass that overrides one method (law L5).
    """

    name: ClassVar[str]

    def fields(self) -> list[Field]:
        """Return the columns that this component owns."""
        return []

    def boot(self) -> None:
        """Make the first state, by plain stores, before anything runs."""
