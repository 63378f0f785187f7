"""Join the directories of campaigns that searched the same with different seeds, on machines that
never met.
"""

from __future__ import annotations

import argparse
import secrets

from stress.cli.options import directory, seed
from stress.cli.status import read
from stress.cli.status import text as status_text
from stress.errors import CLEAN, UsageError
from stress.output import put, put_json, tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("dirs", nargs="+", type=directory, metavar="DIR", help="results directories; they are only read")
    add("--into", type=directory, required=True, metavar="DIR", help="the directory to make, which is not there yet")
    about = "the seed with which a campaign goes on in the new directory (default: drawn)"
    add("--seed", type=seed, metavar="N", help=about)


def run(args: argparse.Namespace) -> int:
    """Merge, and print what the new directory holds."""
    from stress.campaign.cluster.merge import merge
    from stress.campaign.results import Results
    from stress.workers.settings import SEED_MAX

    if len(args.dirs) < 2:
        raise UsageError("merge wants two directories or more")
    chosen = args.seed if args.seed is not None else secrets.randbelow(SEED_MAX)
    merge(args.dirs, args.into, chosen)
    for source in args.dirs:
        with Results.open(source) as results:
            if old := len(results.old_failures()):
                tell(f"{source}: {old} failures that only earlier generations have shown are left out")
    data = read(args.into)
    put_json(data) if args.json else put(status_text(data))
    return CLEAN
