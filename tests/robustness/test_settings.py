"""The four settings are what they say; the whole test command runs in them in ``tox``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.robustness.settings import SETTINGS, command, result, spinning

LOOK = """
import os, signal
ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
print("terminal" if os.isatty(0) and os.isatty(1) else "none", "ignored" if ignored else "heard")
print("\\x1b[32m3 passed\\x1b[0m, 1 skipped in 0.12s")
"""

SEEN = {
    "foreground": "terminal heard", "background": "none ignored", "detached": "none heard", "busy": "none heard",
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting(name: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    status = SETTINGS[name]([sys.executable, "-c", LOOK + "raise SystemExit(7)"], log)
    assert SEEN[name] == log.read_text().splitlines()[0]
    assert (7, "3 passed, 1 skipped") == result(status, log)


def test_a_busy_core_is_left_alone_again() -> None:
    with spinning() as pid:
        assert Path(f"/proc/{pid}").exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_command_is_the_readmes() -> None:
    whole = command([], installed=False)
    assert whole.startswith("python3 -m venv .venv && ") and whole.endswith("exec .venv/bin/python -m pytest -q -n 2")
    assert command(["-k", "a b"], installed=True) == f"exec {sys.executable} -m pytest -k 'a b'"
