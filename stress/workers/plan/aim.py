"""What a search is aimed at: the cases that do something else because of a patch or planted faults.

Two facts are found out by a few executions (:mod:`stress.execution.calls`). *Difference*: whether a
case makes other steps with the patch than without it. That is what the search aims at, as most
methods are reached nearly everywhere: M21 overrides a decision that every zap of a file page makes,
and changes it for batches of dirty pages alone. *Reach*: which methods a case reaches. It is of the
unpatched kernel, so the table serves every patch, and tells where to look for a difference first.
It also has what the case does without a patch, so that a look executes only what it does with it.

The sweep looks at one parameter set of every scenario on every profile, before there is any lease.
Once there is a table, it leaves out what reaches no override. These cases reach 319 of the 321
methods that executions of 6.9 reach. As soon as a case is known to differ, leases begin, aimed at
what is known by then, and looking has half of the time. The other parameter sets are looked at
after the sweep, those that are expected to reach an override first; a table that lacks rows is
filled by turns with that. As long as no difference is known, the search aims at the cases that are
expected to reach an override.

After the sweep every other look is at a scenario and profile of which nothing is known to differ:
another parameter set may reach what the first does not. The rest is at those that are known. Where
nearly every case of these differs, looking at them finds out nothing: it ends, and the search aims
at all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import Enum

from stress.case import Case
from stress.catalogue import Catalogue
from stress.execution.calls import Reach
from stress.workers.messages import ReachAnswer, ReachOrder
from stress.workers.plan.laps import laps
from stress.workers.plan.reach import ReachTable, kept_table
from stress.workers.settings import Settings

SURVEY_SHARE = 0.5
"""The share of the time that looking at cases has, once one is known to differ. A look is a search
too: of the cases that M21 changes, one in eight breaks a rule under a look.
"""

COMMON_LOOKS_MIN, COMMON_SHARE = 16, 0.75
"""Differences are common if so many cases were looked at whose scenario and profile were known to
differ, and of them this share differs.
"""


class Change(Enum):
    """For which cases the aim may have changed."""

    NONE = "none"
    CELL = "those of one scenario and profile"
    ALL = "all"


class Aim:
    """The overridden ``methods``, what is known of the cases, and what is to be looked at.

    ``sides`` are the other patches of a comparison: the seeds are the same for all, and so is the
    aim.
    ``ranks`` is the cases of one geometry, as :meth:`Settings.ranks` has them; ``numbers`` are the
    store's.
    """

    def __init__(
        self,
        methods: Sequence[str],
        ranks: Iterable[Sequence[Case]],
        numbers: Mapping[Case, int],
        table: ReachTable,
        sides: Sequence[tuple[str, ...]] = (),
    ) -> None:
        self.methods, self.numbers, self.table, self.sides = methods, numbers, table, sides
        first, *others = ranks
        self.geometry = first[0].geometry
        self.unknown = deque(case for case in first if table.reach(case) is None)
        """Of which it is not known what they reach."""
        self.sweep = deque(laps([[case for case in first if table.reach(case) is None or self.reaches(case)]]))
        self.swept = frozenset(self.sweep)
        self.others = list(laps(others))
        """Those of other ranks; when the sweep is through, those that reach an override come first.
        """
        self.ordered = self.turn = False
        self.differs: dict[Case, bool] = {}
        self.looks = self.differing = 0
        """At cases whose scenario and profile were known to differ, and how many of them differ."""
        self.cells: set[tuple[str, str]] = set()
        """The scenarios and profiles of cases that differ."""
        self.spent_s = 0.0

    def reaches(self, case: Case) -> bool:
        """Return whether a case is expected to reach one of the overridden methods."""
        return self.table.reaches(case, self.methods)

    def aimed(self, case: Case) -> bool:
        """Return whether the search aims at a case. Of the other geometry nothing is looked at: a
        case is aimed at if one of its scenario and profile is known to differ.
        """
        if not self.cells:
            return self.reaches(case)
        if case.geometry == self.geometry:
            return self.differs.get(case, self.known(case) and self.common)
        return self.known(case)

    def known(self, case: Case) -> bool:
        """Return whether a case of this one's scenario and profile is known to differ."""
        return (case.scenario, case.profile) in self.cells

    @property
    def common(self) -> bool:
        """Whether nearly every case differs of the scenarios and profiles that are known to."""
        return self.looks >= COMMON_LOOKS_MIN and self.differing >= COMMON_SHARE * self.looks

    def order(self, spent_s: float) -> ReachOrder | None:
        """Return the order to look at a case, if one is due; all else has taken ``spent_s``
        seconds.
        """
        if (self.cells or not self.sweep) and self.spent_s > SURVEY_SHARE * (spent_s + self.spent_s):
            return None
        if self.sweep:
            return self._order(self.sweep.popleft())
        if not self.ordered:
            self.ordered = True
            self.others = sorted(self.others, key=lambda case: not self.reaches(case))
        if self.unknown and (len(self.unknown) + len(self.others)) % 2:
            return self._order(self.unknown.popleft(), reach=True)
        return self._other()

    def _other(self) -> ReachOrder | None:
        """Return the order to look at one of the others; by turns at one that is known to differ,
        if that finds out anything, and at one that is not.
        """
        self.turn = not self.turn
        for known in (False,) if self.common else (self.turn, not self.turn):
            for at, case in enumerate(self.others):
                if self.known(case) == known:
                    return self._order(self.others.pop(at))
        return None

    def _order(self, case: Case, reach: bool = False) -> ReachOrder:
        row, sides = self.table.reach(case), [replace(case, patch=patch) for patch in self.sides]
        plain = list(row.probes) if row is not None else []
        return ReachOrder(number=self.numbers[case], case=case, reach=reach, plain=plain, sides=sides)

    def took(self, order: ReachOrder, answer: ReachAnswer) -> Change:
        """Take what was found out of a case; return for which cases it may change the aim."""
        if order.reach:
            self.table.add(order.case, Reach.of(answer.methods, answer.setup, answer.sites, answer.probes))
        self.spent_s += answer.seconds
        common = self.common
        self.differs[order.case] = answer.differs
        if self.known(order.case):
            self.looks += 1
            self.differing += answer.differs
        first = answer.differs and not self.cells
        if answer.differs:
            self.cells.add((order.case.scenario, order.case.profile))
        if first or common != self.common or (order.case in self.swept and not self.sweep):
            return Change.ALL
        return Change.CELL if answer.differs else Change.NONE


def overridden(settings: Settings, catalogue: Catalogue) -> list[str]:
    """Return what the patch, others that it is compared with, and planted faults override, as
    ``memory.batch_limit``.
    """
    patches = (catalogue.patch(specs) for specs in (settings.patch, *settings.sides()))
    found = dict.fromkeys(name for patch in patches if patch is not None for name in patch.overrides)
    for fault in map(catalogue.fault_class, settings.faults):
        component: str = vars(fault)["component"]
        found |= dict.fromkeys(f"{component}.{name}" for name, value in vars(fault).items() if callable(value))
    return list(found)


def aim_of(
    settings: Settings,
    ranks: Iterable[Sequence[Case]],
    numbers: Mapping[Case, int],
    catalogue: Catalogue,
    kept: bool,
) -> Aim | None:
    """Return the aim of a search, or None if nothing is overridden; ``kept`` says that the cache
    directory has the table.
    """
    methods = overridden(settings, catalogue)
    if not methods:
        return None
    table = kept_table(settings.kernel) if kept else ReachTable()
    return Aim(methods, ranks, numbers, table, [side for side in settings.sides() if side])
