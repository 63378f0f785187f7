"""The pages of failures, of the smallest form of each if there is one: each page is made once, by a
process of its own that executes the trace again.

A trace may have a patch in it that never ends, or ends its process. Only files of code that the
server was started with are run.
"""

from __future__ import annotations

import os
import subprocess
from collections import OrderedDict
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

import trio

from stress.campaign.directory import is_kept, trace_of
from stress.campaign.serve.request import Refusal
from stress.sources import child

PAGES_MAX = 64
"""Pages that are kept in memory."""

SECONDS_MAX = 60.0
"""How long making a page may take."""

WORDS_MAX = 2000
"""Characters that are shown of why a page could not be made."""


class TracePages:
    """Makes the pages of the failures in a directory; ``words`` are options of ``zapstress report``
    that name files of code.
    """

    def __init__(self, directory: Path, words: Sequence[str] = ()) -> None:
        self.directory, self.words = directory, tuple(words)
        self._made: OrderedDict[tuple[str, int], bytes | Refusal] = OrderedDict()
        self._making = trio.CapacityLimiter(1)

    async def page(self, signature: str) -> bytes:
        """Return the page of a failure. Raises Refusal if there is none, or it cannot be made."""
        folder = trace_of(self.directory, signature).parent
        async with self._making:
            if not is_kept(self.directory, signature):
                raise Refusal(HTTPStatus.NOT_FOUND, "no such failure is kept")
            key = (signature, max(file.stat(follow_symlinks=False).st_mtime_ns for file in os.scandir(folder)))
            if key not in self._made:
                self._made[key] = await self._make(folder)
            self._made.move_to_end(key)
            while len(self._made) > PAGES_MAX:
                self._made.popitem(last=False)
            found = self._made[key]
        if isinstance(found, Refusal):
            raise found
        return found

    async def _make(self, folder: Path) -> bytes | Refusal:
        """Execute the trace of a failure in a child; return its page, or why there is none."""
        command, environment = child("stress", "report", str(folder), "--format", "html", *self.words)
        with trio.move_on_after(SECONDS_MAX):
            done = await trio.run_process(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
            if done.returncode:
                words = " ".join(done.stderr.decode(errors="replace").split())
                return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, words[:WORDS_MAX])
            return bytes(done.stdout)
        return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, f"the trace did not end within {SECONDS_MAX:.0f} s")
