"""Searches of the same space, in full and by each reduction, held against each other.
``python -m tests.stress.native.reductions [--transitions N] [--profile NAME ...] [--faults N]``;
exit status 1 if they disagree.

The first case of every scenario is searched on the oldest version and the newest, and with planted
faults; a space that is larger than so many transitions is left out. Of each that is searched to its
end it prints what docs/proofs.md has in a table: states and transitions in full, then for each
reduction the transitions, and the processor's time as a share of that in full.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from sim.core.errors import WorldError
from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.cli.prove import newest_of
from stress.execution.runner import open_runner
from stress.machine.driver import run_plain
from stress.native.compilers import QUICK
from stress.native.kernels import KernelKey, searchable
from stress.native.runner import Library, NotCovered
from stress.native.search.explore import Ended, Exploration, Extent, StateReduction
from stress.native.search.space import StateSpace
from tests.stress.native.compiled import all_cases
from tests.stress.native.everything import kernels

WORDS_MAX = 1 << 23
TRANSITIONS, SLICE = 200_000, 20_000


@dataclass(frozen=True)
class Found:
    """What came of one search: ``why`` is what was objected to, 0 if nothing was; ``seconds`` of
    the processor.
    """

    ended: Ended
    why: int
    extent: Extent
    seconds: float


async def explored(library: Library, case: Case, transitions: int = TRANSITIONS) -> dict[StateReduction, Found]:
    """Search a case by each reduction, in other names of the states; nothing but the search in full
    if that needs more than so many transitions.
    """
    found: dict[StateReduction, Found] = {}
    async with open_runner(case, "plain") as runner:
        if runner.failed is not None:
            return found
        for salt, reduction in enumerate(StateReduction):
            exploration, ended = Exploration(StateSpace(library, runner, salt), reduction, WORDS_MAX), Ended.NOT_YET
            began = time.process_time()
            while ended == Ended.NOT_YET and (found or exploration.extent().transitions < transitions):
                ended = exploration.go_on(SLICE)
            found[reduction] = Found(ended, exploration.why, exploration.extent(), time.process_time() - began)
            if ended == Ended.NOT_YET:
                break
    return found


def disagreement(found: dict[StateReduction, Found]) -> str:
    """Return in words what the searches of a case do not agree on, or ""."""
    if not found or found[StateReduction.NONE].ended == Ended.NOT_YET:
        return ""
    full, sleeping = found[StateReduction.NONE], found[StateReduction.SLEEPING]
    if {one.ended for one in found.values()} != {full.ended}:
        return "how they end: " + ", ".join(f"{name.value}: {one.ended.name}" for name, one in found.items())
    if full.ended != Ended.COMPLETE:
        return ""
    ends = {one.extent.ends for one in found.values()}
    if len(ends) > 1:
        return f"{sorted(ends)} ends"
    if sleeping.extent.states != full.extent.states:
        return f"{full.extent.states} states in full, {sleeping.extent.states} with sleep sets"
    return ""


def row(case: Case, found: dict[StateReduction, Found]) -> str:
    """Return the row of docs/proofs.md of a case whose searches are complete."""
    full, reduced = found[StateReduction.NONE], (found[StateReduction.SLEEPING], found[StateReduction.PERSISTENT])
    cells = [f"{one.extent.transitions:,} | {one.seconds / full.seconds:.1f}" for one in reduced]
    counts = f"{full.extent.states:,} | {full.extent.transitions:,}"
    return f"| {case.scenario} | {case.kernel} | {case.profile} | {counts} | {' | '.join(cells)} |"


def judged(key: KernelKey, transitions: int) -> Iterator[tuple[Case, dict[StateReduction, Found]]]:
    """Yield the cases of a kernel, each with what its searches have found."""
    library = searchable(key, sorted(CATALOGUE.scenarios()), CATALOGUE, QUICK)
    for scenario in sorted(CATALOGUE.scenarios()):
        for case in all_cases(scenario, key.profile, key.kernel, faults=key.faults)[:1]:
            try:
                found = run_plain(explored(library, case, transitions))
            except (NotCovered, WorldError):
                continue
            yield case, found


def main(argv: list[str] | None = None) -> int:
    """Search; return 1 if searches of the same space disagree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transitions", type=int, default=TRANSITIONS)
    parser.add_argument("--profile", nargs="+", default=list(CATALOGUE.profiles()))
    parser.add_argument("--faults", type=int, default=len(CATALOGUE.faults()), help="how many of them, of each profile")
    args = parser.parse_args(argv)
    bad = complete = refuted = 0
    for profile in args.profile:
        versions = ("6.9", newest_of(CATALOGUE.kernels()))
        planted = [key for key in kernels([profile]) if key.faults][: args.faults]
        for key in [*(KernelKey(profile, version) for version in versions), *planted]:
            for case, found in judged(key, args.transitions):
                ended = found[StateReduction.NONE].ended if found else Ended.NOT_YET
                complete, refuted = complete + (ended == Ended.COMPLETE), refuted + (ended == Ended.FOUND)
                words = disagreement(found)
                bad += bool(words)
                if words:
                    print(f"{case}: {words}", flush=True)
                elif ended == Ended.COMPLETE and not case.faults:
                    print(row(case, found), flush=True)
        print(f"{profile}: {complete} spaces complete, {refuted} refuted, {bad} disagreements", flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
