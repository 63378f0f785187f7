"""Search for each patch of scenarios/patches: what ``selfcheck --patches`` does and prints."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from stress.cli.exports import export
from stress.errors import UsageError
from stress.output import put, put_json, tell

if TYPE_CHECKING:
    from stress.selfcheck.patches import Trial

TRIAL_SECONDS = 60.0
"""How long a patch is searched for."""


def run_patches(
    args: argparse.Namespace, names: tuple[str, ...], scenarios: tuple[str, ...], profiles: tuple[str, ...]
) -> int:
    """Try the patches of ``names``, one after the other, and print the table."""
    from stress.campaign.report.suites import patches_suite
    from stress.catalogue import spec_of
    from stress.cli.campaign import machine_here
    from stress.selfcheck.patches import Trials, planted
    from stress.workers.settings import Budget, Settings

    if args.fault or args.patch or args.kernel:
        raise UsageError("--fault, --kernel and --patch do not go with --patches: a patch names its own kernel")
    known = args.catalogue
    files = known.patch_files()
    patches = [planted(name, files[name]) for name in names]
    if not patches:
        raise UsageError("there are no patches to try")
    settings = Settings(args.seed, scenarios, profiles, machine=machine_here())
    seconds = None if args.executions else args.duration or TRIAL_SECONDS
    budget = Budget(seconds, args.executions, args.workers or 1, stop_on_first=True, native=True)
    data = Trials(settings, budget, args.dir / "patches", spec_of(known)).run(patches, told)
    put_json(data) if args.json else put(table(data))
    export(args, lambda: patches_suite(data))
    return int(data["exit_status"])


def told(trial: Trial) -> None:
    """Print what came of one patch."""
    word = trial.error or (f"{trial.checker} {trial.title}" if trial.found else "not found")
    tell(f"patch={trial.patch.name} seconds={trial.seconds:.1f} executions={trial.executions} {word}")


def table(data: dict[str, Any]) -> str:
    """Return the patches as the table of docs/patches.md, with a line below that sums up."""
    out = ["| patch | kind | component | kernel | profiles | found by | executions | seconds |"]
    out.append("|---|---|---|---|---|---|---|---|")
    out += [f"| {' | '.join(columns(trial))} |" for trial in data["patches"]]
    median = f"; median {data['median_s']:.1f} s, {data['median_executions']:g} executions" if data["found"] else ""
    out += ["", f"{data['found']} of {len(data['patches'])} found{median}; results in {data['dir']}"]
    out += [f"{trial['name']}: {trial['error']}" for trial in data["patches"] if trial["error"]]
    return "\n".join(out)


def columns(trial: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of one patch's line."""
    found = f"{trial['checker']} in {trial['scenario']} on {trial['profile']}" if trial["found"] else "**not found**"
    return (
        trial["name"],
        trial["kind"],
        trial["component"],
        trial["kernel"],
        ", ".join(trial["profiles"]) or "all",
        "**error**" if trial["error"] else found,
        str(trial["executions"]),
        f"{trial['seconds']:.1f}",
    )
