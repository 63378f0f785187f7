"""Compiled kernels: one for each version, profile and set of faults or patches, with the scenarios
that run on it.

A kernel is translated from one example of it, bound to an arena of its own, whose world nothing of
the C depends on. What is needed to run cases on it, the manifest, is kept beside the code, under a
hash of every source that the translation was made from: while nothing is edited, nothing is
translated twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sim.core.arena import Arena
from stress.case import Case
from stress.execution.runner import composed
from stress.machine.lockstep import Lockstep
from stress.native.build import cache_directory, compiled, name_of
from stress.native.compilers import FAST
from stress.native.files import files_of, hashes_of
from stress.native.runner import Library
from stress.native.translate.assemble import Manifest, Translation
from stress.native.translate.function import Function
from stress.native.translate.subset import Unsupported
from stress.native.translate.unit import Unit
from stress.strategies.prefix import Prefix

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.scenario import Scenario

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("sim", "scenarios", "stress/native", "stress/strategies")
STRATEGIES = ("random", "pct", "pos", "pos-contested", "surw", "surw-contested", "rff", "round-robin")
"""What can search natively. What follows a tape is translated beside them."""


@dataclass(frozen=True)
class KernelKey:
    """Which kernel: the fields of a case that compose it."""

    profile: str
    kernel: str = "6.9"
    faults: tuple[str, ...] = ()
    patch: tuple[str, ...] = ()

    @classmethod
    def of(cls, case: Case) -> KernelKey:
        """Return the kernel that a case runs on."""
        return cls(case.profile, case.kernel, case.faults, case.patch)


def translate(key: KernelKey, scenarios: Sequence[str], catalogue: Catalogue) -> Translation:
    """Translate a kernel and the bodies of these scenarios, with every parameter set.

    A scenario that lies outside the subset is left out. Raises Unsupported if the kernel does.
    """
    from sim.checks.recount import Recount
    from sim.kernel import Kernel

    profile = catalogue.profile(key.profile).at(key.kernel)
    sets = {name: catalogue.scenario_class(name).parameters(profile, "small") for name in scenarios}
    first = next(name for name in scenarios if sets[name])
    example = Case(
        first, tuple(sorted(sets[first][0].items())), key.profile, "small", key.kernel, key.faults, key.patch
    )
    _, kernel = composed(example, catalogue)
    if not isinstance(kernel, Kernel):
        raise Unsupported("kernel", type(kernel).__name__)
    with closing(Arena.create(kernel.layout)) as arena:
        machine = Lockstep(arena, kernel.slots, 1)
        kernel.bind(arena, machine)
        program = Translation(Unit(kernel, machine, Function))
        for name in STRATEGIES:
            program.add_strategy(name, catalogue.strategy(name))
        program.add_strategy(Prefix.name, Prefix())
        audit = kernel.components["audits"]
        assert isinstance(audit, Recount)
        program.add_audit(audit)
        for name in scenarios:
            _add_scenario(program, name, [catalogue.scenario_class(name)(profile, "small", p) for p in sets[name]])
    return program


def _add_scenario(program: Translation, name: str, scenarios: list[Scenario]) -> None:
    """Translate the bodies of one scenario, for each parameter set; note why, if it is left out."""
    kernel = program.unit.kernel
    for scenario in scenarios:
        scenario.kernel = kernel
        try:
            program.add_scenario(scenario, name, kernel.services())
        except Unsupported as error:
            program.left_out[name] = str(error)
            return


@cache
def sources_hash() -> str:
    """Return a hash of everything that a translation is made from, but for a user's own files."""
    total = hashlib.blake2b(sys.version.encode(), digest_size=12)
    for folder in SOURCES:
        for file in sorted((ROOT / folder).rglob("*.*")):
            if file.suffix in (".py", ".h", ".c"):
                total.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()


def manifest_file(
    key: KernelKey, scenarios: Sequence[str], catalogue: Catalogue, level: str = FAST, flavour: str = ""
) -> Path:
    """Return where the manifest of a kernel that is compiled at a level, in a flavour, is kept."""
    patch = catalogue.patch(key.patch)
    text = patch.digest if patch is not None else ""
    return cache_directory() / f"{name_of(level, sources_hash(), repr(key), text, *scenarios, flavour)}.json"


def library(key: KernelKey, scenarios: Sequence[str], catalogue: Catalogue, level: str = FAST) -> Library:
    """Return a kernel, compiled; at once if it is kept.

    Raises Unsupported if the kernel lies outside the subset, and BuildError if it cannot be
    compiled.
    """
    file = manifest_file(key, scenarios, catalogue, level)
    found = kept(file)
    if found is not None:
        return found
    program = translate(key, scenarios, catalogue)
    return made(file, program.manifest(), files_of(program), level)


def searchable(key: KernelKey, scenarios: Sequence[str], catalogue: Catalogue, level: str = FAST) -> Library:
    """Return a kernel, compiled in the flavour for exhaustive search.

    Raises as :func:`library` does.
    """
    file = search_file(key, scenarios, catalogue, level)
    found = kept(file)
    if found is not None:
        return found
    program = translate(key, scenarios, catalogue)
    return made(file, replace(program.manifest(), functions=hashes_of(program)), files_of(program, True), level)


def search_file(key: KernelKey, scenarios: Sequence[str], catalogue: Catalogue, level: str = FAST) -> Path:
    """Return where the manifest of a kernel in the flavour for exhaustive search is kept."""
    return manifest_file(key, scenarios, catalogue, level, "search")


def made(file: Path, manifest: Manifest, files: dict[str, str], level: str) -> Library:
    """Return a kernel whose C is ``files``, compiled, and kept with its manifest in ``file``.

    Raises BuildError.
    """
    code = compiled(files, level)
    scratch = file.with_suffix(".new")
    scratch.write_text(json.dumps({"code": code.name, **asdict(manifest)}), encoding="utf-8")
    scratch.replace(file)
    return Library(code, manifest)


def is_kept(file: Path) -> bool:
    """Return whether the kernel whose manifest ``file`` is is kept."""
    return _found(file) is not None


def kept(file: Path) -> Library | None:
    """Return the kernel whose manifest ``file`` is, if both are kept."""
    found = _found(file)
    return None if found is None else Library(*found)


def _found(file: Path) -> tuple[Path, Manifest] | None:
    """Return the code that ``file`` is the manifest of, and the manifest, if both are kept; note
    that they are used.
    """
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
        code = file.with_name(plain.pop("code"))
        os.utime(file)
        os.utime(code)
        return code, Manifest(**plain)
    except (OSError, ValueError, TypeError):
        return None
