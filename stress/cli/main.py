"""The command line: imports the command's module, runs it, and turns its end, whatever that is,
into an exit status (docs/exit-codes.md).

A command's module is imported only when the command is used, so that help and lists come at once.
Each module has ``add_arguments(parser)`` and ``run(args) -> int``. Every command has ``args.json``,
``args.words``, which it was made of, and ``args.catalogue``, in which names are looked up.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from sim.core.errors import SimError
from stress.cli.parsers import ABOUT, COMMANDS, STATUSES, parser_of
from stress.errors import CLEAN, FAILED, INTERRUPTED, USAGE, UsageError, ZapstressError, foremost
from stress.output import OutputError, complain, put, put_json, require, says_more, talk

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

TRACEBACK = "ZAPSTRESS_TRACEBACK"
"""The environment variable that has the traceback of a failure printed."""


def help_text() -> str:
    """Return what ``--help`` prints."""
    lines = [f"  {name:<11} {about}" for name, about in COMMANDS.items()]
    return "\n".join(
        [
            "usage: zapstress COMMAND [options]   (zapstress COMMAND --help for its options)",
            "",
            ABOUT,
            "",
            *lines,
            "",
            "Every command takes --json: one JSON object on standard output, everything else on standard error;",
            "-q, which says nothing there but errors; and -v, which says more.",
            STATUSES,
        ]
    )


def main(argv: Sequence[str] | None = None, catalogue: Catalogue | None = None) -> int:
    """Run a command, and return its exit status.

    ``catalogue`` is where names are looked up: tests bring their own model.
    """
    talk(quiet=False, verbose=False)
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
        complain(f"zapstress: {words}")


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
    args = parser_of(name).parse_args(words[1:])
    args.words = words[1:]
    talk(args.quiet, args.verbose)
    args.catalogue = catalogue or _catalogue()
    args.catalogue.read_patches_anew()
    status: int = importlib.import_module(f"stress.cli.{name}").run(args)
    return status


def _catalogue() -> Catalogue:
    from stress.catalogue import CATALOGUE

    return CATALOGUE


def _failed(error: BaseException, wants_json: bool) -> int:
    """Say in one line what went wrong, and return the exit status; of several things together, of
    the user's to mend.
    """
    if isinstance(error, ExceptionGroup):
        return _failed(foremost(error), wants_json)
    if os.environ.get(TRACEBACK) or says_more():
        import traceback

        with suppress(OutputError):
            for line in "".join(traceback.format_exception(error)).splitlines():
                complain(line)
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
