"""The compiler, and what is kept of its work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stress.catalogue import CATALOGUE
from stress.native import build
from stress.native.build import BuildError, compiled, trim
from stress.native.kernels import KernelKey, kept, library, manifest_file
from tests.stress.native.compiled import needs_compiler, quick_build

KEY, SCENARIOS = KernelKey("riscv64"), ["dontneed_vs_dontneed"]


@needs_compiler
def test_a_kernel_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with quick_build(tmp_path):
        assert kept(manifest_file(KEY, SCENARIOS)) is None
        first = library(KEY, SCENARIOS, CATALOGUE)
        monkeypatch.setattr("stress.native.kernels.translate", lambda *_: pytest.fail("translated twice"))
        again = library(KEY, SCENARIOS, CATALOGUE)
        assert first.manifest.bodies == again.manifest.bodies
        assert 1 == len(list(build.cache_directory().glob("*.so")))


@needs_compiler
def test_what_the_compiler_refuses_is_said(tmp_path: Path) -> None:
    with quick_build(tmp_path), pytest.raises(BuildError, match="refused the translated kernel: .*error"):
        compiled("this is no C\n")


def test_without_a_compiler_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "compiler", lambda: "")
    with quick_build(tmp_path), pytest.raises(BuildError, match="no C compiler: install cc"):
        compiled("int x;\n")


def test_the_cache_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was used longest ago goes first."""
    monkeypatch.setattr(build, "CACHE_MIB_MAX", 2)
    for age, name in enumerate(("new.so", "old.json", "older.so")):
        file = tmp_path / name
        file.write_bytes(bytes(1 << 20))
        os.utime(file, (1_000_000 - age, 1_000_000 - age))
    trim(tmp_path)
    assert ["new.so", "old.json"] == sorted(file.name for file in tmp_path.iterdir())
