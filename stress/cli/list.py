"""List what there is to choose from."""

from __future__ import annotations

import argparse

from stress.catalogue import KINDS
from stress.errors import CLEAN, UsageError
from stress.output import put, put_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("kind", nargs="?", choices=KINDS, help="what to list (default: all of it)")
    parser.add_argument("name", nargs="?", metavar="NAME", help="of a scenario: what it races, line by line")


def run(args: argparse.Namespace) -> int:
    """Print names, each with a line about it."""
    if args.name is not None:
        return one(args)
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


def one(args: argparse.Namespace) -> int:
    """Print one scenario."""
    from stress.cli.scenario_words import scenario_data, scenario_text

    if args.kind != "scenarios":
        raise UsageError(f"list {args.kind} takes no name; list scenarios does")
    data = scenario_data(args.name, args.catalogue)
    put_json(data) if args.json else put(scenario_text(data))
    return CLEAN
