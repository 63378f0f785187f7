"""The arena after so many steps of a film."""

from __future__ import annotations

from sim.core.arena import WORD
from sim.core.component import index_of_ref
from stress.execution.steps import words
from stress.trace.shell.film import Film


class State:
    """A state of a film; :meth:`move` makes it another."""

    def __init__(self, film: Film) -> None:
        self.film, self.at = film, 0
        self._words = film.camera.first
        self._starts = {name: offset // WORD for name, offset in film.layout.offsets.items()}
        self.counts = {column.name: column.count for column in film.layout.fields}

    def move(self, to: int) -> None:
        """Become state ``to``, whole or not at all."""
        made = self._words[:]
        for at in range(self.at + 1, to + 1):
            for word, _, after in self.film.changes(at):
                made[word] = after
        for at in range(self.at, to, -1):
            for word, before, _ in self.film.changes(at):
                made[word] = before
        self._words, self.at = made, to

    def cell(self, column: str, index: int) -> int:
        """Return the value of a cell."""
        return self._words[self._starts[column] + index]

    def shown(self, column: str, index: int) -> str:
        """Return the value of a cell as a kernel engineer would say it."""
        return words(column, self.cell(column, index))

    def entry(self, mm: int, addr: int) -> tuple[int, int]:
        """Return where the page table entry of page ``addr`` of ``mm`` is in ``pte``, and what it
        holds; (-1, 0) if there is no table.
        """
        pgtable = self.film.kernel.pgtable
        table = index_of_ref(self.cell("pmd", pgtable.pmd_index(mm, addr)))
        if table < 0:
            return -1, 0
        ptep = pgtable.ptep(table, addr)
        return ptep, self.cell("pte", ptep)
