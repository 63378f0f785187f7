"""What compiles kernels beside a campaign: each soon, then each well."""

from __future__ import annotations

import os
import subprocess
from functools import partial
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


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a builder has compiled, in order: nothing is compiled really, and what was is kept."""
    done: list[str] = []

    def file(key: KernelKey, _scenarios: Any, _catalogue: Any, level: str, flavour: str = "all") -> Path:
        return Path(f"{key.profile} {flavour} {level}")

    monkeypatch.setattr(
        builder, "FLAVOURS", (builder.Flavour(file, False), builder.Flavour(partial(file, flavour="single"), True))
    )
    monkeypatch.setattr(builder, "is_kept", lambda file: str(file) in done)
    monkeypatch.setattr(builder, "made", lambda file, *_: done.append(str(file)))
    manifest: Any = None
    monkeypatch.setattr(builder.Builder, "write", lambda *_: builder.Written(manifest, {}))
    return done


def compile_all() -> None:
    compiler = builder.Builder(KEYS, CATALOGUE)
    compiler.soon()
    compiler.well()


def test_a_kernel_is_there_soon_in_both_flavours_and_all_are_before_any_is_well(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "missing", lambda *_: builder.FEW_BYTES + 1)
    done.append("x86-64 all " + QUICK)  # by another campaign, which was killed then
    compile_all()
    soon = [f"{which} {QUICK}" for which in ("riscv64 all", "riscv64 single", "x86-64 single")]
    well = [f"{which} {FAST}" for which in ("riscv64 all", "x86-64 all", "riscv64 single", "x86-64 single")]
    assert [*soon, *well] == done[1:]
    compile_all()
    assert len(done) == 1 + len(soon) + len(well)


def test_what_has_little_to_compile_after_an_edit_is_compiled_once(
    done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "missing", lambda *_: builder.FEW_BYTES)
    compile_all()
    assert [f"{name} {flavour} {FAST}" for name in ("riscv64", "x86-64") for flavour in ("all", "single")] == done


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
