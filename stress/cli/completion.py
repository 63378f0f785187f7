"""Print completion for your shell, of commands, options, files and the names that there are."""

from __future__ import annotations

import argparse

from stress.errors import CLEAN, Skipped
from stress.output import put_json, put_whole

SHELLS = ("bash", "zsh", "tcsh")

KINDS = {
    "scenario": "scenarios",
    "name": "scenarios",
    "profile": "profiles",
    "fault": "faults",
    "strategy": "strategies",
    "kernel": "kernels",
}
"""Options that take names, and the kind of things that the names are of."""

FILES = ("FILE", "TRACE", "FILE.py", "FILE.py[:CLASS,...]", "DIR|TRACE")
"""What stands for a file in help texts."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("shell", choices=SHELLS, help="for bash: zapstress completion bash > FILE, and source FILE")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    try:
        import shtab
    except ImportError as error:
        raise Skipped(f"completion wants the package shtab ({error}): pip install 'zapstress[completion]'") from error
    from stress.cli.parsers import options_of, whole

    parser = whole()
    commands = next(action for action in options_of(parser) if isinstance(action.choices, dict))
    for command in dict(commands.choices or {}).values():
        for action in options_of(command):
            if action.choices is None and action.dest in KINDS:
                action.choices = list(args.catalogue.list(KINDS[action.dest]))
            elif action.metavar in FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif action.metavar == "DIR":
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    script = shtab.complete(parser, shell=args.shell)
    put_json({"shell": args.shell, "script": script}) if args.json else put_whole(script)
    return CLEAN
