"""List what there is to choose from."""

from __future__ import annotations

import argparse

from stress.catalogue import KINDS
from stress.errors import CLEAN
from stress.output import put, put_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("kind", nargs="?", choices=KINDS, help="what to list (default: all of it)")


def run(args: argparse.Namespace) -> int:
    """Print names, each with a line about it."""
    found = {kind: args.catalogue.list(kind) for kind in ([args.kind] if args.kind else KINDS)}
    if args.json:
        put_json(
            {kind: [{"name": name, "about": about} for name, about in names.items()] for kind, names in found.items()}
        )
        return CLEAN
    for kind, names in found.items():
        lines = [] if args.kind else [f"{kind}:"]
        width = max(map(len, names), default=0)
        lines += [f"{'' if args.kind else '  '}{name:<{width}}  {about}".rstrip() for name, about in names.items()]
        put("\n".join(lines))
    return CLEAN
