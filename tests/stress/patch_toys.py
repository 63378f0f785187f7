"""Patches of the toy kernel, for tests of campaigns: what the user's file says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from stress.sources import ROOT

HEAD = "from tests.toy import ADD, LOCK, READ, UNLOCK, WRITE_BACK\n"

UNLOCKED = """
class Rework:
    component = "counter"

    async def increment(self, i):
        value = await self.k.m.load(READ, self.k.counter, i)
        await self.k.m.store(WRITE_BACK, self.k.counter, i, value + 1)
"""
"""Loses updates."""

LOCKED = """
class Rework:
    component = "counter"

    async def increment(self, i):
        await self.k.m.lock(LOCK, self.k.lock, i)
        value = await self.k.m.load(READ, self.k.counter, i)
        await self.k.m.store(WRITE_BACK, self.k.counter, i, value + 1)
        await self.k.m.unlock(UNLOCK, self.k.lock, i)
"""
"""The mended patch."""

ATOMIC = """
class Rework:
    component = "counter"

    async def increment(self, i):
        await self.k.m.add(ADD, self.k.counter, i, 1)
"""
"""Another one that is right."""


def written(path: Path, text: str) -> str:
    """Write a patch; return its path as ``--patch`` takes it."""
    path.write_text(HEAD + text)
    return str(path)


def campaign(
    directory: Path, patch: str, executions: int, *words: str, scenario: str = "counters", toys: bool = True
) -> dict[str, Any]:
    """Run ``zapstress campaign``, over toys or the real kernel, in a process of its own, which has
    read no patch yet; return what it has printed.
    """
    options = ["--dir", str(directory), "--scenario", scenario, "--executions", str(executions), "--json"]
    options += ["--workers", "1", "--machine", "lockstep", "--seed", "5", *(["--patch", patch] if patch else [])]
    program = "import sys; from stress.cli.main import main; from tests.stress.campaign_toys import TOYS; "
    program += f"sys.exit(main(['campaign', *sys.argv[1:]], {'TOYS' if toys else None}))"
    done = subprocess.run(
        [sys.executable, "-c", program, *options, *words],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    found: dict[str, Any] = msgspec.json.decode(done.stdout)
    assert found["exit_status"] == done.returncode, done.stderr
    return found
