"""Options that several commands take: their types, their defaults, and how they are declared.

A type raises ``argparse.ArgumentTypeError``, or ValueError, for a text that it cannot parse; the
parser makes a usage error of it.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

RESULTS = "zapstress-results"
"""The folder of results that are not given another place with ``--dir``."""

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""Units of time in seconds."""

KERNEL = "VERSION|FILE.py:CLASS"
"""What ``--kernel`` takes: a version, or a component of the user's in the default one."""

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


# -- declarations ----------------------------------------------------------------------------------------------------


def names_option(parser: argparse.ArgumentParser, option: str, metavar: str, about: str) -> None:
    """Declare an option that takes one name or more, and may be repeated."""
    parser.add_argument(option, nargs="+", action="extend", metavar=metavar, help=about)


def selection_options(parser: argparse.ArgumentParser) -> None:
    """Declare the scenarios and profiles of a command that takes all of them by default."""
    names_option(parser, "--scenario", "NAME", "only these scenarios (default: all)")
    names_option(parser, "--profile", "NAME", "only these architecture profiles (default: all)")


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
