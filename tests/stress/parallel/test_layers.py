"""Lockstep does without numba: neither the commands nor the workers of a lockstep campaign import it."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOCKSTEP = ("stress.cli", "stress.worker", "stress.campaign", *(f"stress.commands.{name}" for name in ("campaign", "run", "replay", "show", "bench")))


@pytest.mark.parametrize("module", LOCKSTEP)
def test_lockstep_imports_no_native_code(module: str) -> None:
    code = f"import sys, {module}; sys.exit(any(name.partition('.')[0] in ('numba', 'llvmlite') for name in sys.modules))"
    assert 0 == subprocess.run([sys.executable, "-c", code]).returncode


def test_a_lockstep_campaign_imports_no_native_code() -> None:
    """Not even when it executes."""
    code = "import sys; from stress.cli import main; status = main(['run', 'munmap_vs_access']); sys.exit(status or 'numba' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode
