"""Options that several commands take: their types, their defaults, and how they are declared.

A type raises ``argparse.ArgumentTypeError``, or ValueError, for a text that it cannot parse; the
parser makes a usage error of it.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from stress.errors import UsageError
from stress.patch.spec import names_a_file

RESULTS = "zapstress-results"
"""The folder of results that are not given another place with ``--dir``."""

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""Units of time in seconds."""

KERNEL = "VERSION|FILE.py:CLASS"
"""What ``--kernel`` takes: a version, or short for ``--patch`` on the default one."""

PATCH = "FILE.py[:CLASS,...]"
"""What ``--patch`` takes: a file, and which of its classes."""

SHARE_MAX = 0.9
"""The most that may go into proofs: of what is not sampled nobody knows how long it takes."""

DRIVERS = ("fast", "reference")
GEOMETRIES = ("small", "real")


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


# -- types -----------------------------------------------------------------------------------------------------------


def positive(text: str) -> int:
    """Parse a number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1")
    return value


def port(text: str) -> int:
    """Parse a port; 0 is any that is free."""
    value = int(text)
    if not 0 <= value < 1 << 16:
        raise argparse.ArgumentTypeError(f"{text} is not a port, from 0 to {(1 << 16) - 1}")
    return value


def number(text: str) -> int:
    """Parse a number, decimal or 0x."""
    return int(text, 0)


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
    """Parse a time as 60s, 5m, 2h or 1d; a bare number is seconds. Return seconds."""
    amount, unit = (text[:-1], UNITS[text[-1]]) if text[-1:] in UNITS else (text, 1)
    try:
        value = float(amount) * unit
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a time as 60s, 5m or 2h") from None
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not a time to search for")
    return value


def chance(text: str) -> float:
    """Parse a chance, between 0 and 1."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a chance between 0 and 1")
    return value


def share(text: str) -> float:
    """Parse a share that leaves something for the rest: from 0 to 0.9."""
    value = float(text)
    if not 0 <= value <= SHARE_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to {SHARE_MAX}")
    return value


# -- declarations ----------------------------------------------------------------------------------------------------


def names_option(parser: argparse.ArgumentParser, option: str, metavar: str, about: str) -> None:
    """Declare an option that takes one name or more, and may be repeated."""
    parser.add_argument(option, nargs="+", action="extend", metavar=metavar, help=about)


def selection_options(parser: argparse.ArgumentParser) -> None:
    """Declare the scenarios and profiles of a command that takes all of them by default."""
    names_option(parser, "--scenario", "NAME", "only these scenarios, or files of your own, FILE.py (default: all)")
    names_option(parser, "--profile", "NAME", "only these architecture profiles (default: all)")


class _Kernel(argparse.Action):
    """Takes a version; a file of the user's becomes a ``--patch``, and the version stays as it is.

    Nothing but the command line knows the short form.
    """

    def __call__(
        self, parser: argparse.ArgumentParser, args: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        if getattr(args, "kernel_given", None) is not None:
            raise UsageError(
                f"--kernel is given twice, {args.kernel_given} and {values}: name the version once, "
                "and what is put on top of it with --patch FILE.py:CLASS"
            )
        args.kernel_given = values
        if names_a_file(values):
            args.patch = [*args.patch, values]
        else:
            args.kernel = values


def version_option(parser: argparse.ArgumentParser, default: str, about: str) -> None:
    """Declare the kernel of a command that is given its patch otherwise: a version."""
    parser.add_argument("--kernel", default=default, metavar="VERSION", help=about)


def kernel_options(parser: argparse.ArgumentParser, default: str | None, about: str = "the kernel version") -> None:
    """Declare the kernel: a version, and the user's patches on top of it."""
    parser.add_argument("--kernel", action=_Kernel, default=default, metavar=KERNEL, help=about)
    parser.add_argument(
        "--patch",
        action="append",
        default=[],
        metavar=PATCH,
        help="put your file's classes on top of the kernel; may be repeated",
    )


def scenario_file_option(parser: argparse.ArgumentParser) -> None:
    """Declare the file that a trace's scenario is in, if it is one of the user's."""
    about = "the file of your own scenario, if the trace was made with one: it is run only if you name it"
    parser.add_argument("--scenario", default="", metavar="FILE.py", help=about)


def driver_option(parser: argparse.ArgumentParser) -> None:
    """Declare the driver of an execution in lockstep."""
    about = "how actors are resumed; both give equal digests"
    parser.add_argument("--driver", choices=DRIVERS, default=DRIVERS[0], help=about)


def workers_option(parser: argparse.ArgumentParser) -> None:
    """Declare the number of worker processes."""
    parser.add_argument("--workers", type=positive, metavar="N", help="worker processes (default: the cores)")


def directory_option(parser: argparse.ArgumentParser, folder: str, about: str) -> None:
    """Declare where results are kept: by default in ``folder`` of RESULTS."""
    parser.add_argument(
        "--dir", type=directory, default=Path(RESULTS, folder), metavar="DIR", help=f"{about} (default: %(default)s)"
    )
