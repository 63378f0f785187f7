"""Standard output: text, or one JSON object.

If the reader has closed the pipe, the rest of the output is dropped; the exit status stays what it
is.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def put(text: str) -> None:
    """Write ``text`` and a newline."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        settle()


def put_json(data: dict[str, Any]) -> None:
    """Write one JSON object."""
    put(json.dumps(data, indent=None if not sys.stdout.isatty() else 2))


def settle() -> None:
    """Send standard output to /dev/null from here on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
