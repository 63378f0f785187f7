"""Run every saved failure of a campaign again, and say which still fails."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any

from stress.cli.options import directory, kernel_options, scenario_file_option
from stress.errors import CLEAN, INCONCLUSIVE, VIOLATED, Divergence, UsageError, ZapstressError
from stress.output import put, put_json, tell

if TYPE_CHECKING:
    from pathlib import Path

    from stress.catalogue import Catalogue
    from stress.trace.record import Trace
    from stress.trace.replay import Mode

SAME, OTHER, CLEAN_NOW, REFUSED, DELETED = "same", "other", "clean", "refused", "deleted"
"""What may come of a failure: it fails as it did, it ends otherwise or leaves its tape, it ends
clean, its trace cannot be run, or its folder was deleted.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("dir", type=directory, metavar="DIR", help="the results directory of a campaign")
    add(
        "--tolerant",
        action="store_true",
        help="follow the tapes as far as they can be followed, and compare signatures",
    )
    kernel_options(parser, "", "another version in place of the traces'")
    scenario_file_option(parser)


def run(args: argparse.Namespace) -> int:
    """Replay each failure; the exit status is 1 if one still fails."""
    from stress.campaign.database import saved

    if not args.dir.is_dir():
        raise UsageError(f"{args.dir}: not a directory; name one that a campaign has made")
    folders, gone = saved(args.dir), deleted(args.dir)
    if not folders and not gone:
        raise UsageError(f"{args.dir}: no failures are saved in it; there is nothing to run again")
    found = [*(judged(args, folder) for folder in folders), *gone]
    idle = never_ran(found)
    status = exit_status(found) or (INCONCLUSIVE if idle else CLEAN)
    data = {"dir": str(args.dir), "failures": found, "never_ran": idle, "exit_status": status}
    put_json(data) if args.json else put(text(data))
    return status


def deleted(where: Path) -> list[dict[str, Any]]:
    """Return the failures that the database of a directory knows, and that are saved there no more.

    A directory may have lost its database; then nobody knows of others than those that are saved.
    """
    from stress.campaign.database import is_new, saved
    from stress.campaign.results import Results

    if is_new(where):
        return []
    try:
        with Results.open(where) as results:
            gone = results.without_trace()
    except UsageError as error:
        tell(f"whether saved failures were deleted is not known: {error}")
        return []
    there = {folder.name for folder in saved(where)}
    rest: dict[str, Any] = {"trace": None, "override_runs": {}, "idle": [], "result": DELETED, "why": ""}
    return [{**failure, **rest} for failure in gone if failure["signature"] not in there]


def judged(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run the trace in a folder again; return what came of it, as plain data."""
    from stress.execution.vetting import vet
    from stress.machine.driver import run_plain
    from stress.trace.file import load
    from stress.trace.replay import Mode, case_of

    found: dict[str, Any] = {"signature": folder.name, "trace": str(folder / "trace"), "scenario": "", "profile": ""}
    found |= {"override_runs": {}, "idle": []}
    try:
        if folder.is_symlink():
            raise UsageError("a symbolic link, which a campaign has not made")
        trace = load(folder / "trace")
        scenario = args.scenario if trace.case.scenario.endswith(".py") else ""
        mode = Mode("plain", tolerant=args.tolerant, kernel=args.kernel, patch=tuple(args.patch), scenario=scenario)
        vet(case_of(trace, mode), args.catalogue)
        found |= {"scenario": trace.case.scenario, "profile": trace.case.profile}
        result, why, runs = run_plain(_again(trace, mode, args.catalogue))
        case = case_of(trace, mode)
        idle = args.catalogue.never_ran(case.patch, (case.profile,), case.kernel, runs)
        found |= {"override_runs": runs, "idle": idle}
    except ZapstressError as error:
        result, why = REFUSED, str(error)
    return found | {"result": result, "why": why}


async def _again(trace: Trace, mode: Mode, catalogue: Catalogue) -> tuple[str, str, dict[str, int]]:
    """Replay a trace; return what came of it, why it is not the same, and how often each override
    of the patch ran.
    """
    from stress.execution.signature import signature_of
    from stress.trace.replay import compare, replay

    runs: dict[str, int] = {}
    try:
        async with replay(trace, mode, catalogue) as replayed:
            outcome, runs = replayed.outcome, dict(replayed.override_runs)
            if outcome.verdict.kind == "clean" and trace.ending.kind != "clean":
                return CLEAN_NOW, "", runs
            if mode.tolerant and signature_of(outcome) == trace.ending.signature:
                return SAME, "", runs
            compare(trace, outcome)
    except Divergence as error:
        return OTHER, str(error), runs
    return SAME, "", runs


def never_ran(found: list[dict[str, Any]]) -> list[str]:
    """Return the overrides that could have run in one of the traces, and ran in none."""
    ran = {name for failure in found for name, runs in failure["override_runs"].items() if runs}
    return list(dict.fromkeys(name for failure in found for name in failure.pop("idle") if name not in ran))


def exit_status(found: list[dict[str, Any]]) -> int:
    """Return 1 if a failure fails as it did; else 5 if one could not be judged; else 0."""
    results = {failure["result"] for failure in found}
    if SAME in results:
        return VIOLATED
    return INCONCLUSIVE if results & {OTHER, REFUSED, DELETED} else CLEAN


def text(data: dict[str, Any]) -> str:
    """Return what came of the failures, for people."""
    from stress.cli.verdicts import never_ran as words_of

    found, idle = data["failures"], data["never_ran"]
    words = {SAME: "fails as it did", OTHER: "ends otherwise", CLEAN_NOW: "clean now", REFUSED: "cannot be run"}
    words[DELETED] = "deleted"
    lines = []
    for failure in found:
        where = f" ({failure['scenario']} on {failure['profile']})" if failure["scenario"] else ""
        why = f": {failure['why']}" if failure["why"] else ""
        lines.append(f"{failure['signature']}{where}  {words[failure['result']]}{why}")
    counts = Counter(words[failure["result"]] for failure in found)
    came = ", ".join(f"{counts[about]} {about}" for about in words.values() if counts[about])
    unknown = f"; inconclusive: {words_of(idle)}" if data["exit_status"] == INCONCLUSIVE and idle else ""
    return "\n".join([*lines, f"{len(found)} saved failure{'s' * (len(found) != 1)}: {came}{unknown}"])
