"""The compiler, and what is kept of its work."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from stress.catalogue import CATALOGUE
from stress.native import build
from stress.native.build import compiled, missing, trim
from stress.native.compilers import FAST, QUICK, BuildError
from stress.native.kernels import KernelKey, kept, manifest_file
from tests.stress.native.compiled import cache_in, needs_compiler, quick

KEY, SCENARIOS = KernelKey("riscv64"), ["dontneed_vs_dontneed"]


@needs_compiler
def test_a_kernel_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cache_in(tmp_path):
        assert kept(manifest_file(KEY, SCENARIOS, CATALOGUE, QUICK)) is None
        first = quick(KEY, SCENARIOS)
        monkeypatch.setattr("stress.native.kernels.translate", lambda *_: pytest.fail("translated twice"))
        again = quick(KEY, SCENARIOS)
        assert first.manifest.bodies == again.manifest.bodies
        assert 1 == len(list(build.cache_directory().glob("*.so")))


FILES = {
    "one": "// 1: x = 1\nint one(void) { return 1; }\n",
    "two": 'int one(void); __attribute__((visibility("default"))) int two(void) { return 2 * one(); }\n',
}


@needs_compiler
def test_an_edit_compiles_the_files_that_it_changed(tmp_path: Path) -> None:
    """Comments, which name lines of the source, change none."""
    with cache_in(tmp_path):
        assert sum(map(len, FILES.values())) == missing(FILES, QUICK)
        first = compiled(FILES, QUICK)
        moved = {**FILES, "one": FILES["one"].replace("// 1", "// 7")}
        assert (0, first) == (missing(moved, QUICK), compiled(moved, QUICK))
        edited = {**FILES, "one": "int one(void) { return 3; }\n"}
        assert len(edited["one"]) == missing(edited, QUICK)
        assert first != (second := compiled(edited, QUICK))
        assert [2, 6] == [ctypes.CDLL(str(file)).two() for file in (first, second)]
        assert missing(edited, FAST) == sum(map(len, edited.values()))


@needs_compiler
def test_what_the_compiler_refuses_is_said(tmp_path: Path) -> None:
    with cache_in(tmp_path), pytest.raises(BuildError, match="refused the translated kernel: .*error"):
        compiled({"wrong": "this is no C\n"})


def test_without_a_compiler_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stress.native.compilers.compiler", lambda level: None)
    with cache_in(tmp_path), pytest.raises(BuildError, match="no C compiler: install cc"):
        compiled({"x": "int x;\n"})


def test_the_cache_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was used longest ago goes first."""
    monkeypatch.setattr(build, "CACHE_MIB_MAX", 2)
    for age, name in enumerate(("new.o", "old.json", "older.so")):
        file = tmp_path / name
        file.write_bytes(bytes(1 << 20))
        os.utime(file, (1_000_000 - age, 1_000_000 - age))
    trim(tmp_path)
    assert ["new.o", "old.json"] == sorted(file.name for file in tmp_path.iterdir())
