"""Lockstep does without numba: neither the commands nor the workers of a lockstep campaign import
it.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from stress.sources import ROOT

LOCKSTEP = (
    "stress.cli.main",
    "stress.workers.worker",
    "stress.campaign.supervisor",
    *(f"stress.cli.{name}" for name in ("campaign", "run", "replay", "show", "bench")),
)


@pytest.mark.parametrize("module", LOCKSTEP)
def test_lockstep_imports_no_native_code(module: str) -> None:
    code = (
        f"import sys, {module}; sys.exit(any(name.partition('.')[0] in ('numba', 'llvmlite') for name in sys.modules))"
    )
    assert 0 == subprocess.run([sys.executable, "-c", code]).returncode


def test_a_lockstep_campaign_imports_no_native_code() -> None:
    """Not even when it executes."""
    code = (
        "import sys; from stress.cli.main import main; "
        "status = main(['run', 'munmap_vs_access']); sys.exit(status or 'numba' in sys.modules)"
    )
    assert 0 == subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode


@pytest.mark.parametrize("name", ["atomics", "native"])
def test_the_cache_knows_every_file_that_is_compiled(name: str) -> None:
    """A constant that changes elsewhere must not meet code that was compiled with its old value."""
    from stress.parallel.atomics import SOURCES

    nodes = ast.walk(ast.parse((ROOT / "stress" / "parallel" / f"{name}.py").read_text()))
    modules = {
        node.module
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(("sim.", "stress."))
    }
    assert modules <= {path.removesuffix(".py").replace("/", ".") for path in SOURCES} | {"stress.sources"}


def test_without_a_place_to_keep_it_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stress.parallel.atomics import cache_folder

    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache_folder() is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert str(tmp_path / "zapstress") in str(cache_folder())
