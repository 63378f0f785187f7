"""Replays a trace in a process of its own: nothing of the process that made it takes part."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from stress.case import Case
from stress.patch.scenario.file import is_file
from stress.sources import child

SECONDS_MAX = 120
"""What a replay may take: importing the model takes most of it."""


def replayed_afresh(path: Path, case: Case, signature: str) -> str:
    """Replay the trace at ``path`` strictly; return why it does not end with ``signature``, or "".

    ``case`` has the user's files that it needs.
    """
    more = [word for spec in case.patch for word in ("--patch", spec)]
    more += ["--scenario", case.scenario] if is_file(case.scenario) else []
    command, environment = child("stress", "replay", str(path), "--json", *more)
    try:
        ran = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        found = json.loads(ran.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        return f"its replay in a fresh process said nothing ({error})"
    if "error" in found:
        return f"its replay in a fresh process ended with {found['exit_status']}: {found['error']}"
    if found["signature"] != signature:
        return f"its replay in a fresh process has the signature {found['signature'] or 'none'}"
    return ""
