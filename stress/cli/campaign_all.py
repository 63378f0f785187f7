"""Every kernel version in turn: ``zapstress campaign --kernel all``.

Each version has a campaign of its own, with the budget that the options give, in a folder of the
results directory that has its name. What is asked of one directory is not asked of many: those
options are refused.
"""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stress.errors import CLEAN, FAILED, INCONCLUSIVE, INTERRUPTED, VIOLATED, UsageError
from stress.output import put_json, tell

ALL = "all"
"""The version that stands for every version."""

OF_ONE = ("rebuild", "baseline", "sarif", "ktap", "junit")
"""Options that speak of one directory."""


def search_all(
    args: argparse.Namespace,
    search_one: Callable[[argparse.Namespace], dict[str, Any]],
    new_directory: Callable[[int], Path],
) -> int:
    """Run a campaign of each version; return the worst exit status. Raises UsageError for an option
    of OF_ONE.
    """
    from stress.workers.settings import SEED_MAX

    for name in OF_ONE:
        if getattr(args, name):
            raise UsageError(f"--{name} speaks of one campaign, and --kernel all runs several: name a version")
    if args.dir is None:
        args.seed = secrets.randbelow(SEED_MAX) if args.seed is None else args.seed
        args.dir = new_directory(args.seed)
    found: dict[str, dict[str, Any]] = {}
    kernels = args.catalogue.kernels()
    for at, kernel in enumerate(kernels, 1):
        tell(f"kernel {kernel}, {at} of {len(kernels)}")
        found[kernel] = search_one(argparse.Namespace(**vars(args) | {"kernel": kernel, "dir": args.dir / kernel}))
        if found[kernel]["exit_status"] == INTERRUPTED:
            break
    status = worst({int(data["exit_status"]) for data in found.values()})
    if args.json:
        put_json({"kernels": found, "exit_status": status})
    return status


def worst(statuses: set[int]) -> int:
    """Return the exit status of campaigns that ended with ``statuses``."""
    return next(
        one for one in (INTERRUPTED, FAILED, VIOLATED, INCONCLUSIVE, *sorted(statuses), CLEAN) if one in statuses
    )
