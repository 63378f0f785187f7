"""Files for CI that several commands write beside what they print: KTAP, JUnit, SARIF."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from stress.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable

    from stress.campaign.report.suites import Suite

SUITES = {"ktap": "KTAP, as kernel CI reads it", "junit": "JUnit XML"}
"""The formats of suites of test cases."""


def export_options(parser: argparse.ArgumentParser) -> None:
    """Declare the files that suites of test cases are written to."""
    for name, about in SUITES.items():
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write what was judged to FILE too: {about}")


def export(args: argparse.Namespace, suite: Callable[[], Suite]) -> None:
    """Write the files that the options name; the suite is made if there is one. Raises
    StorageError.
    """
    from stress.campaign.report.junit import junit
    from stress.campaign.report.ktap import ktap

    for form, file in ((ktap, args.ktap), (junit, args.junit)):
        if file is not None:
            write_atomically(file, form(suite()).encode())
