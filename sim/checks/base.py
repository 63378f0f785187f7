"""What checkers share: where they are in the arena, and how they object."""

from __future__ import annotations

from sim.core.component import Component
from sim.core.machine import Violation
from sim.core.step import RMW, STORE_THROUGH_TLB, WRITE, kind_of, place, place_of


class Checker(Component):
    """Base of a group of checkers; a component, so that it has every column."""

    invariants: tuple[tuple[str, str, str], ...] = ()
    """(id, title, rule) of each invariant that the class judges, besides those of its bases."""

    @property
    def slots(self) -> int:
        """Actor slots: threads, hardware, RCU."""
        return 2 * self.w.cpus + 1

    def last_write(self, *cells: tuple[str, int, int], newest: bool = False) -> int:
        """Return the execution's last step but the newest that wrote one of ``cells``, as a site
        code, or 0; ``newest``: that one too.

        It looks through all steps: for a violation only.
        """
        wanted = {place(self.k.arena[name].id, index) for name, index, _ in cells}
        for seq in range(self.m.seq - (not newest), 0, -1):
            code = self.m.code_at(seq)
            if place_of(code) in wanted and kind_of(code) in (WRITE, RMW, STORE_THROUGH_TLB):
                return code
        return 0

    def violated(
        self,
        checker: str,
        message: str,
        victim: int = 0,
        locations: list[tuple[str, int, int]] | None = None,
        accused: int = 0,
    ) -> None:
        """Fail with the violation of invariant ``checker``.

        ``victim`` and ``accused`` are site codes: the step that was relied upon, and the step that
        broke the rule, which is the one just made unless it is named. ``locations`` are the cells
        concerned: (column, index, 0). Raises Violation, unless the machine is deaf to checkers
        (conformance runs models that are changed on purpose).
        """
        title, rule = next(
            (t, r) for cls in type(self).__mro__ for i, t, r in vars(cls).get("invariants", ()) if i == checker
        )
        violation = Violation(checker, title, message, accused or self.m.last_site, victim, locations or [], rule)
        self.m.fail(violation)
