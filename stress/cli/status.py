"""Show what a campaign has come to, without running it: also one that is at work."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from stress.cli.options import directory
from stress.errors import CLEAN, VIOLATED
from stress.output import plural, put, put_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("dir", type=directory, metavar="DIR", help="the results directory of a campaign")


def run(args: argparse.Namespace) -> int:
    """Print the summary of the directory as it is now; nothing in it is changed, or run."""
    data = read(args.dir)
    put_json(data) if args.json else put(text(data))
    return int(data["exit_status"])


def read(path: Path) -> dict[str, Any]:
    """Return the summary of a directory.

    Raises UsageError if it is no campaign's, or damaged.
    """
    from stress.campaign.database import at_work
    from stress.campaign.directory import bytes_of
    from stress.campaign.results import Results
    from stress.campaign.summary import summary, unexpected
    from stress.workers.settings import Settings

    with Results.open(path) as results:
        settings = Settings.of(results.settings())
        data = summary(results)
        deleted = [failure["signature"] for failure in results.without_trace()]
    running = at_work(path)
    ended = "at work" if running else data["this_run"]["ended"]
    return data | {
        "running": running,
        "deleted": deleted,
        "ended": ended,
        "bytes": bytes_of(path),
        "settings": settings.plain(),
        "exit_status": VIOLATED if unexpected(data) else CLEAN,
    }


def text(data: dict[str, Any]) -> str:
    """Return what a campaign has come to, for people."""
    from stress.campaign.summary import text as summary_text

    how = "a campaign is at work in it" if data["running"] else f"its latest run ended: {data['ended']}"
    head = f"{data['dir']}: {how}; {data['bytes'] / (1 << 20):.1f} MiB"
    return "\n".join([head, *_deleted(data["deleted"]), summary_text(data)])


def _deleted(signatures: list[str]) -> list[str]:
    """Return the line that tells which failures' folders were deleted, if any were."""
    return (
        [f"{plural(len(signatures), 'saved failure')} deleted from failures/: {', '.join(signatures)}"]
        if signatures
        else []
    )
