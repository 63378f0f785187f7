"""Whether a case, which may be a stranger's, is one that its scenario could rotate to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stress.catalogue import choose, once
from stress.errors import UsageError
from stress.patch.scenario.staging import SPECULATION

if TYPE_CHECKING:
    from stress.case import Case
    from stress.catalogue import Catalogue


def vet(case: Case, catalogue: Catalogue) -> None:
    """Raise UsageError unless every parameter of ``case`` is one that its scenario has, and lies
    between the least and the greatest value that the scenario rotates through.

    A case that gives no parameter at all is good: the scenario has its own for each.
    """
    once("fault", case.faults)
    once("patch", case.patch)
    choose("geometry", case.geometry, ("small", "real"))
    profile = catalogue.profile(case.profile).at(case.kernel)
    known = [
        *catalogue.parameters(case.scenario, profile, case.geometry),
        *catalogue.smallest(case.scenario, profile, case.geometry),
    ]
    names = sorted({name for params in known for name in params})
    for name, value in case.params:
        if name not in names:
            raise UsageError(
                f"scenario {case.scenario} has no parameter '{name}'; it has: {', '.join(names) or 'none'}"
            )
        values = [params[name] for params in known if name in params]
        if not min(values) <= value <= max(values):
            raise UsageError(
                f"parameter {name} of {case.scenario} is from {min(values)} to {max(values)} "
                f"on {case.profile}, not {value}"
            )
    given = dict(case.params)
    missing = [name for name in names if name not in given and name != SPECULATION]
    if missing:
        raise UsageError(
            f"scenario {case.scenario} now has a parameter '{missing[0]}' too, which the case does not give; "
            "it was made by another version"
        )
