"""The parsers of all commands, and of ``zapstress`` itself as a whole: what completion and the
manual are made of.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from typing import NoReturn

from stress.errors import UsageError
from stress.output import put

COMMANDS = {
    "campaign": "search for violations, on all cores, and keep every failure",
    "status": "what a campaign has come to, without running it: also one that is at work",
    "serve": "the same as a page, live, and its metrics for Prometheus",
    "report": "what a campaign has come to, for a mail, a merge request, or CI",
    "mark": "a signature as expected: it fails nothing any more",
    "merge": "the directories of campaigns that searched the same, on machines that never met",
    "recheck": "every saved failure of a campaign, run again",
    "run": "one execution: verdict and summary",
    "prove": "all interleavings of a scenario, to the end: proved, or violated",
    "check": "look a patch over: does it compose, does it run, does it keep the books",
    "replay": "execute a trace again, step for step",
    "shrink": "the smallest form of a failure: fewest actors, switches, steps",
    "explain": "why a failure comes about: which step before which, and from where on",
    "show": "the interleaving of a trace as columns, ending at the violation",
    "list": "what there is: scenarios, profiles, faults, strategies, kernels, checkers",
    "selfcheck": "plant every fault, and see that the checkers find it",
    "conform": "the model against the kernel that this machine runs",
    "bench": "how fast steps and executions are",
    "source": "a function of the model, and the C that the native core has of it",
    "completion": "completion of commands, options and names, for your shell",
    "manual": "the manual page, for man",
}

ABOUT = "Searches the interleavings of Linux's batched address-space teardown, and replays any failure exactly."

STATUSES = (
    "exit status: 0 clean, 1 violation, 2 bad usage or input, 3 the tool failed, 4 skipped, 5 inconclusive,"
    " 130 interrupted"
)
"""The last line of each help text."""


class Parser(argparse.ArgumentParser):
    """Raises a usage error as UsageError, which is printed in one line, and as an object with
    ``--json``.
    """

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message.removeprefix('argument ')} ({self.prog} --help shows the options)")

    def print_help(self, file: object = None) -> None:
        put(self.format_help().rstrip())


def declare(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the options that every command has, and those of the command ``name``."""
    add = parser.add_argument
    add("--json", action="store_true", help="print one JSON object on standard output")
    talk = parser.add_mutually_exclusive_group()
    talk.add_argument("-q", "--quiet", action="store_true", help="say nothing on standard error but errors")
    talk.add_argument(
        "-v", "--verbose", action="store_true", help="say more on standard error: each new failure, where errors arose"
    )
    importlib.import_module(f"stress.cli.{name}").add_arguments(parser)


def parser_of(name: str) -> Parser:
    """Return the parser of a command."""
    command = importlib.import_module(f"stress.cli.{name}")
    parser = Parser(
        f"zapstress {name}",
        description=command.__doc__,
        epilog=STATUSES,
        conflict_handler="resolve",
        allow_abbrev=False,
    )
    declare(parser, name)
    return parser


def whole() -> argparse.ArgumentParser:
    """Return one parser that has every command as a subcommand."""
    parser = argparse.ArgumentParser("zapstress", description=ABOUT)
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, about in COMMANDS.items():
        declare(commands.add_parser(name, help=about, description=about, conflict_handler="resolve"), name)
    return parser


def options_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield what a parser takes, positional arguments first; ``--help`` is left out."""
    actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    yield from sorted(actions, key=lambda action: bool(action.option_strings))
