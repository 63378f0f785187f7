"""In which order cases have the profiles: every scenario once, each on another, and again.

There are thousands of cases, and the first minute opens some hundred. So those that come early are
to be as different from each other as can be. After one lap every scenario was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from stress.case import Case


def laps(ranks: Iterable[Sequence[Case]]) -> Mapping[Case, int]:
    """Return each case's lap, from 0, in the order of laps. ``ranks`` is the cases of one geometry,
    as :meth:`Settings.ranks` has them.

    A lap has every parameter set of every scenario, each on one profile. On which profile one
    begins changes from one to the next; in the next lap each is on its next profile.
    """
    rows: dict[str, int] = {}
    columns: dict[str, int] = {}
    placed = [
        (columns.setdefault(case.profile, len(columns)), rank, rows.setdefault(case.scenario, len(rows)), case)
        for rank, cases in enumerate(ranks)
        for case in cases
    ]
    found = [((column - rank - row) % len(columns), rank, row, case) for column, rank, row, case in placed]
    return {case: lap for lap, _, _, case in sorted(found, key=lambda place: place[:3])}
