"""Search: many executions over scenarios, profiles and strategies, with every failure kept."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stress.cli.options import positive
from stress.cli.output import put, put_json

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.workers.settings import Settings

SEED_DRAWN_BITS = 24
"""Of a campaign's seed when none is given."""

RESULTS = "zapstress-results"
"""Where campaigns without --dir keep their directories."""

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

SELECTION = ("seed", "scenario", "profile", "geometry", "kernel", "fault", "strategy", "depth", "machine")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("--scenario", nargs="+", action="extend", metavar="NAME", help="only these scenarios (default: all)")
    add("--profile", nargs="+", action="extend", metavar="NAME", help="only these architecture profiles (default: all)")
    add(
        "--geometry",
        choices=("small", "real"),
        help="sizes of tables and batches (default: small, with a share of real)",
    )
    add(
        "--kernel",
        metavar="VERSION|FILE.py:CLASS",
        help="the kernel, or a component of your own in the default one (default: 6.9)",
    )
    add("--fault", nargs="+", action="extend", metavar="ID", help="put these faults in")
    add("--strategy", metavar="NAME", help="default: portfolio, which takes random, pct and round-robin in turn")
    add("--depth", type=positive, metavar="N", help="of pct: bugs of depth N (default: drawn for each execution)")
    add(
        "--machine",
        choices=("lockstep", "parallel", "both"),
        help="default: both where there are cores for it and numba, else lockstep",
    )
    add("--seed", type=seed, metavar="N", help="default: drawn, and printed")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--duration", type=duration, metavar="TIME", help="how long, as 60s, 5m or 2h (default: 60s)")
    budget.add_argument("--executions", type=positive, metavar="N", help="how many executions in this run")
    add("--workers", type=positive, metavar="N", help="worker processes (default: the cores)")
    add(
        "--dir",
        type=directory,
        metavar="DIR",
        help=f"results; if it holds a campaign, go on with it (default: a new one in {RESULTS}/)",
    )
    add("--stop-on-first", action="store_true", help="end at the first failure")


def seed(text: str) -> int:
    """Parse a campaign's seed, decimal or 0x."""
    from stress.workers.settings import SEED_MAX

    value = int(text, 0)
    if not 0 <= value < SEED_MAX:
        raise argparse.ArgumentTypeError(f"a seed is from 0 to {SEED_MAX - 1}")
    return value


def directory(text: str) -> Path:
    """Parse a directory's name."""
    if not text:
        raise argparse.ArgumentTypeError("name a directory")
    return Path(text)


def duration(text: str) -> float:
    """Parse a time as 60s, 5m, 2h or 1d; a bare number is seconds."""
    number, unit = (text[:-1], UNITS[text[-1]]) if text[-1:] in UNITS else (text, 1)
    try:
        value = float(number) * unit
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a time as 60s, 5m or 2h") from None
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a time to search for")
    return value


def run(args: argparse.Namespace) -> int:
    """Run the campaign; print its summary."""
    from stress.campaign.progress import show
    from stress.campaign.summary import text
    from stress.campaign.supervisor import Budget, run_campaign
    from stress.catalogue import spec_of

    settings, where = settle(args)
    budget = Budget(args.duration, args.executions, args.workers or workers(settings), args.stop_on_first)
    if budget.duration_s is None and budget.executions is None:
        budget.duration_s = 60.0
    print(f"campaign of seed {settings.seed:#x} in {where}", file=sys.stderr)
    data = run_campaign(where, settings, budget, spec_of(args.catalogue), show)
    put_json(data) if args.json else put(text(data))
    return int(data["exit_status"])


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def workers(settings: Settings) -> int:
    """Return how many workers a campaign has unless it is told: the cores, less what a worker's
    processes take.
    """
    from stress.parallel.settings import PROCESSES
    from stress.workers.settings import PARALLEL

    return max(1, cores() // PROCESSES) if settings.machine == PARALLEL else cores()


def settle(args: argparse.Namespace) -> tuple[Settings, Path]:
    """Return settings and directory.

    A directory that holds a campaign gives what the command line leaves open.
    """
    from stress.campaign.store import peek
    from stress.workers.settings import Settings

    given = {name: getattr(args, name) for name in SELECTION if getattr(args, name) is not None}
    if args.fault:
        given["fault"] = [name.upper() for name in args.fault]
    kept = peek(args.dir) if args.dir is not None else None
    if kept is None:
        chosen = defaults(args.catalogue) | renamed(given)
        chosen.setdefault("seed", secrets.randbits(SEED_DRAWN_BITS))
    else:
        chosen = kept | renamed(given)
    settings = Settings.of(chosen).checked(args.catalogue)
    return settings, args.dir if args.dir is not None else new_directory(settings.seed)


def defaults(catalogue: Catalogue) -> dict[str, Any]:
    """Return what is searched when nothing is said."""
    return {"scenarios": list(catalogue.scenarios()), "profiles": list(catalogue.profiles()), "machine": machine_here()}


def renamed(given: dict[str, Any]) -> dict[str, Any]:
    """Return options under the names of settings."""
    names = {"scenario": "scenarios", "profile": "profiles", "fault": "faults"}
    found = {names.get(name, name): value for name, value in given.items() if name != "depth"}
    if "depth" in given:
        found["options"] = {"depth": given["depth"]}
    return found


def machine_here() -> str:
    """Return the machine that a campaign uses unless it is told."""
    from stress.parallel.gang import why_not
    from stress.workers.settings import BOTH, LOCKSTEP

    return BOTH if cores() > 1 and not why_not() else LOCKSTEP


def new_directory(seed: int) -> Path:
    """Return a directory that does not exist yet, named after the seed."""
    path, again = Path(RESULTS, f"{seed:#x}"), 1
    while path.exists():
        again += 1
        path = Path(RESULTS, f"{seed:#x}-{again}")
    return path
