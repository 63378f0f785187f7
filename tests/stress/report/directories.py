"""Results directories to be reported, with a patch that has a mistake in it."""

from __future__ import annotations

from pathlib import Path

from stress.campaign.report.facts import Facts, gather
from stress.cli.main import main
from tests.stress.campaign_toys import TOYS

WORDS = ("--scenario", "abba", "counters", "mailbox", "--machine", "lockstep", "--seed", "5", "--workers", "1")


def patch_file(folder: Path) -> Path:
    """Write a patch with two overrides, of which one never runs; return its file."""
    file = folder / "mine.py"
    file.write_text(
        "from tests.toy import NoLock\n\n\nclass Mine(NoLock):\n    component = 'counter'\n\n"
        "    async def increment(self, i):\n        await super().increment(i)\n\n"
        "    async def reset(self, i):\n        await super().increment(i)\n"
    )
    return file


def made(folder: Path, *words: str, executions: int = 400) -> Path:
    """Run a campaign in ``folder``; return its directory."""
    path = folder / "dir"
    main(["campaign", *WORDS, "--executions", str(executions), "--dir", str(path), *words], TOYS)
    return path


def facts_of(folder: Path, *words: str) -> Facts:
    """Return the facts of a campaign."""
    return gather(made(folder, *words))
