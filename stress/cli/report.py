"""Report what a campaign has come to, as text for a mail or a merge request, or for CI."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stress.cli.options import directory
from stress.errors import CLEAN
from stress.files import write_atomically
from stress.output import put, put_json

if TYPE_CHECKING:
    from stress.campaign.report.facts import Facts

FORMATS = {
    "mail": "text of 72 columns, for under a Tested-by",
    "md": "Markdown, for a merge request",
    "ktap": "what was judged, as KTAP",
    "junit": "what was judged, as JUnit XML",
    "sarif": "the failures, with the files and lines of the patch",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    about = "; ".join(f"{name}: {words}" for name, words in FORMATS.items())
    parser.add_argument("dir", type=directory, metavar="DIR", help="the results directory of a campaign")
    parser.add_argument("--format", choices=FORMATS, default="mail", help=f"{about} (default: %(default)s)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write it to FILE (default: standard output)")


def run(args: argparse.Namespace) -> int:
    """Write the report; nothing in the directory is changed, or run."""
    from stress.campaign.report.facts import gather

    text = form(args.format)(gather(args.dir))
    if args.output is not None:
        write_atomically(args.output, text.encode(errors="backslashreplace"))
    if args.json:
        put_json({"dir": str(args.dir), "format": args.format, "output": str(args.output or ""), "report": text})
    elif args.output is None:
        put(text.rstrip("\n"))
    return CLEAN


def form(name: str) -> Callable[[Facts], str]:
    """Return the function that makes a report of a format."""
    from stress.campaign.report.junit import junit
    from stress.campaign.report.ktap import ktap
    from stress.campaign.report.mail import mail
    from stress.campaign.report.markdown import markdown
    from stress.campaign.report.sarif import sarif
    from stress.campaign.report.suites import campaign_suite

    return {
        "mail": mail,
        "md": markdown,
        "ktap": lambda facts: ktap(campaign_suite(facts)),
        "junit": lambda facts: junit(campaign_suite(facts)),
        "sarif": sarif,
    }[name]
