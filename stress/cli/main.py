"""The command line: imports the command's module, runs it, and turns its end, whatever that is,
into an exit status (docs/exit-codes.md).

A command's module is imported only when the command is used, so that help and lists come at once.
Each module has ``add_arguments(parser)`` and ``run(args) -> int``. Every command has ``args.json``,
and ``args.catalogue``, in which names are looked up.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from sim.core.errors import SimError
from stress.errors import CLEAN, FAILED, INTERRUPTED, USAGE, UsageError, ZapstressError
from stress.output import OutputError, put, put_json, require, tell

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

COMMANDS = {
    "campaign": "search for violations, on all cores, and keep every failure",
    "status": "what a campaign has come to, without running it: also one that is at work",
    "report": "what a campaign has come to, for a mail, a merge request, or CI",
    "mark": "a signature as expected: it fails nothing any more",
    "recheck": "every saved failure of a campaign, run again",
    "run": "one execution: verdict and summary",
    "check": "look a patch over: does it compose, does it run, does it keep the books",
    "replay": "execute a trace again, step for step",
    "show": "the interleaving of a trace as columns, ending at the violation",
    "list": "what there is: scenarios, profiles, faults, strategies, kernels, checkers",
    "selfcheck": "plant every fault, and see that the checkers find it",
    "conform": "the model against the kernel that this machine runs",
    "bench": "how fast steps and executions are",
    "source": "a function of the model, and the C that the native core has of it",
}

STATUSES = (
    "exit status: 0 clean, 1 violation, 2 bad usage or input, 3 the tool failed, 4 skipped, 5 inconclusive,"
    " 130 interrupted"
)
"""The last line of each help text."""

TRACEBACK = "ZAPSTRESS_TRACEBACK"
"""The environment variable that has the traceback of a failure printed."""


class Parser(argparse.ArgumentParser):
    """Raises a usage error as UsageError, which is printed in one line, and as an object with
    ``--json``.
    """

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message.removeprefix('argument ')} ({self.prog} --help shows the options)")

    def print_help(self, file: object = None) -> None:
        put(self.format_help().rstrip())


def help_text() -> str:
    """Return what ``--help`` prints."""
    lines = [f"  {name:<10} {about}" for name, about in COMMANDS.items()]
    return "\n".join(
        [
            "usage: zapstress COMMAND [options]   (zapstress COMMAND --help for its options)",
            "",
            "Searches the interleavings of Linux's batched address-space teardown, and replays any failure exactly.",
            "",
            *lines,
            "",
            "Every command takes --json: one JSON object on standard output, everything else on standard error.",
            STATUSES,
        ]
    )


def main(argv: Sequence[str] | None = None, catalogue: Catalogue | None = None) -> int:
    """Run a command, and return its exit status.

    ``catalogue`` is where names are looked up: tests bring their own model.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    wants_json = "--json" in words
    try:
        require()
        return _dispatch(words, catalogue)
    except KeyboardInterrupt:
        return _interrupted()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else USAGE if end.code else CLEAN
    except Exception as error:  # noqa: BLE001 - the last resort: one line, and the status that says so
        return _failed(error, wants_json)
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt) is None:
            raise
        return _interrupted()


def _interrupted() -> int:
    _complain("interrupted")
    return INTERRUPTED


def _complain(words: str) -> None:
    """Say in one line what went wrong; where nobody can be told, the exit status has to do."""
    with suppress(OutputError):
        tell(f"zapstress: {words}")


def _dispatch(words: list[str], catalogue: Catalogue | None) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        put(help_text())
        return CLEAN if words else USAGE
    if words[0] == "--version":
        from stress.sources import version

        put(f"zapstress {version()}")
        return CLEAN
    name = words[0]
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
        raise UsageError(
            f"unknown command '{name}'; {f'did you mean {close[0]}?' if close else 'see zapstress --help'}"
        )
    command = importlib.import_module(f"stress.cli.{name}")
    parser = Parser(
        f"zapstress {name}",
        description=command.__doc__,
        epilog=STATUSES,
        conflict_handler="resolve",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    command.add_arguments(parser)
    args = parser.parse_args(words[1:])
    args.catalogue = catalogue or _catalogue()
    args.catalogue.read_patches_anew()
    status: int = command.run(args)
    return status


def _catalogue() -> Catalogue:
    from stress.catalogue import CATALOGUE

    return CATALOGUE


def _failed(error: Exception, wants_json: bool) -> int:
    """Say in one line what went wrong, and return the exit status."""
    if os.environ.get(TRACEBACK):
        import traceback

        with suppress(OutputError):
            for line in "".join(traceback.format_exception(error)).splitlines():
                tell(line)
    known = isinstance(error, SimError)
    status = error.exit_status if isinstance(error, ZapstressError) else USAGE if known else FAILED
    words = (
        " ".join(str(error).split())
        if known or isinstance(error, OSError)
        else " ".join(f"{type(error).__name__}: {error}".split())
    )
    hint = "" if known else f" ({TRACEBACK}=1 shows where)"
    _complain(f"{words}{hint}")
    if wants_json:
        with suppress(OutputError):
            put_json({"error": words, "exit_status": status})
    return status
