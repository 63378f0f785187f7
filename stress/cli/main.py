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
from typing import TYPE_CHECKING, NoReturn

from sim.core.errors import SimError
from stress.cli.output import put_json, settle
from stress.errors import CLEAN, FAILED, INTERRUPTED, USAGE, UsageError, ZapstressError

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

COMMANDS = {
    "campaign": "search for violations, on all cores, and keep every failure",
    "run": "one execution: verdict and summary",
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
            "",
        ]
    )


def main(argv: Sequence[str] | None = None, catalogue: Catalogue | None = None) -> int:
    """Run a command, and return its exit status.

    ``catalogue`` is where names are looked up: tests bring their own model.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    wants_json = "--json" in words
    try:
        status = _dispatch(words, catalogue)
        sys.stdout.flush()
    except BrokenPipeError:
        settle()
        return FAILED
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
    return status


def _interrupted() -> int:
    print("zapstress: interrupted", file=sys.stderr)
    return INTERRUPTED


def _dispatch(words: list[str], catalogue: Catalogue | None) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(help_text())
        return CLEAN if words else USAGE
    if words[0] == "--version":
        from stress.sources import version

        sys.stdout.write(f"zapstress {version()}\n")
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
    status: int = command.run(args)
    return status


def _catalogue() -> Catalogue:
    from stress.catalogue import CATALOGUE

    return CATALOGUE


def _failed(error: Exception, wants_json: bool) -> int:
    """Say in one line what went wrong, and return the exit status."""
    if os.environ.get(TRACEBACK):
        import traceback

        traceback.print_exception(error)
    known = isinstance(error, SimError)
    status = error.exit_status if isinstance(error, ZapstressError) else USAGE if known else FAILED
    words = (
        " ".join(str(error).split())
        if known or isinstance(error, OSError)
        else " ".join(f"{type(error).__name__}: {error}".split())
    )
    hint = "" if known else f" ({TRACEBACK}=1 shows where)"
    print(f"zapstress: {words}{hint}", file=sys.stderr)
    if wants_json:
        put_json({"error": words, "exit_status": status})
    return status
