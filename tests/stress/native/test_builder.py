"""What compiles kernels beside a campaign: each soon, then each well."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stress.catalogue import CATALOGUE, DEFAULT_CATALOGUE
from stress.native import builder
from stress.native.compilers import FAST, QUICK
from stress.native.kernels import KernelKey
from stress.sources import child

KEYS = [KernelKey("riscv64", faults=("M05",)), KernelKey("x86-64", "6.18", patch=("mine.py:One,Two",))]


def test_kernels_are_passed_on_the_command_line() -> None:
    assert KEYS == builder.read(builder.written(KEYS))


@pytest.mark.parametrize(
    ("absent", "levels"),
    [
        (builder.FEW_BYTES + 1, ["riscv64 " + QUICK, "x86-64 " + QUICK, "riscv64 " + FAST, "x86-64 " + FAST]),
        (builder.FEW_BYTES, ["riscv64 " + FAST, "x86-64 " + FAST]),
    ],
)
def test_all_are_there_soon_before_any_is_there_well(
    absent: int, levels: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has little to compile, after an edit, is compiled once."""
    done: list[str] = []

    def made(file: Path, manifest: Any, files: dict[str, str], level: str) -> None:
        done.append(f"{files['profile']} {level}")

    monkeypatch.setattr(builder, "missing", lambda files, level: absent)
    monkeypatch.setattr(builder, "manifest_file", lambda *_: Path())
    monkeypatch.setattr(builder, "made", made)
    manifest: Any = None
    builder.compile_all([builder.Written(key, manifest, {"profile": key.profile}) for key in KEYS], [], CATALOGUE)
    assert levels == done


def test_without_a_compiler_one_line_says_that_python_runs(tmp_path: Path) -> None:
    command, environment = child("stress.native.builder", DEFAULT_CATALOGUE, builder.written(KEYS[:1]))
    environment = {**(environment or os.environ), "CC": str(tmp_path / "none"), "XDG_CACHE_HOME": str(tmp_path)}
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stderr is not None
    with process.stdin:  # which it takes for its supervisor: it ends when this is closed
        told, status = process.stderr.read(), process.wait()
    process.stderr.close()
    assert (0, 1) == (status, told.count("\n"))
    assert told.startswith("native: Python runs everything: no C compiler: install cc")


def test_what_two_would_compile_one_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with builder.turn("these kernels"):
        (file,) = (tmp_path / "zapstress" / "native").iterdir()
        command = ["flock", "--nonblock", str(file), "true"]
        assert subprocess.run(command, check=False).returncode
        with builder.turn("others"):
            pass
    assert not subprocess.run(command, check=False).returncode
