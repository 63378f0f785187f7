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
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sim.core.arena import Arena
from stress.case import Case
from stress.execution.runner import composed
from stress.machine.lockstep import Lockstep
from stress.native.build import cache_directory, compiled, name_of
from stress.native.runner import Library
from stress.native.translate.assemble import Manifest, Translation
from stress.native.translate.function import Function
from stress.native.translate.subset import Unsupported
from stress.native.translate.unit import Unit

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.scenario import Scenario

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("sim", "scenarios", "stress/native/translate", "stress/strategies")
STRATEGIES = ("random", "pct", "round-robin")
"""What can search natively."""


@dataclass(frozen=True)
class KernelKey:
    """Which kernel: the fields of a case that compose it."""

    profile: str
    kernel: str = "6.9"
    faults: tuple[str, ...] = ()

    @classmethod
    def of(cls, case: Case) -> KernelKey:
        """Return the kernel that a case runs on."""
        return cls(case.profile, case.kernel, case.faults)


def translate(key: KernelKey, scenarios: Sequence[str], catalogue: Catalogue) -> Translation:
    """Translate a kernel and the bodies of these scenarios, with every parameter set.

    A scenario that lies outside the subset is left out. Raises Unsupported if the kernel does.
    """
    from sim.checks.recount import Recount
    from sim.kernel import Kernel

    profile = catalogue.profile(key.profile).at(key.kernel)
    sets = {name: catalogue.scenario_class(name).parameters(profile, "small") for name in scenarios}
    first = next(name for name in scenarios if sets[name])
    example = Case(first, tuple(sorted(sets[first][0].items())), key.profile, "small", key.kernel, key.faults)
    _, kernel = composed(example, catalogue)
    if not isinstance(kernel, Kernel):
        raise Unsupported("kernel", type(kernel).__name__)
    with closing(Arena.create(kernel.layout)) as arena:
        machine = Lockstep(arena, kernel.slots, 1)
        kernel.bind(arena, machine)
        program = Translation(Unit(kernel, machine, Function))
        for name in STRATEGIES:
            program.add_strategy(name, catalogue.strategy(name))
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
        for file in sorted((ROOT / folder).rglob("*.[ph][y]*")):
            total.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    for name in ("harness.h", "runtime.h"):
        total.update((ROOT / "stress/native/translate" / name).read_bytes())
    return total.hexdigest()


def manifest_file(key: KernelKey, scenarios: Sequence[str]) -> Path:
    """Return where the manifest of a kernel is kept."""
    total = hashlib.blake2b(f"{sources_hash()} {key} {' '.join(scenarios)} {name_of('')}".encode(), digest_size=12)
    return cache_directory() / f"{total.hexdigest()}.json"


def library(key: KernelKey, scenarios: Sequence[str], catalogue: Catalogue) -> Library:
    """Return a kernel, compiled; at once if it is kept.

    Raises Unsupported if the kernel lies outside the subset, and BuildError if it cannot be
    compiled.
    """
    file = manifest_file(key, scenarios)
    found = kept(file)
    if found is not None:
        return found
    program = translate(key, scenarios, catalogue)
    code, manifest = compiled(program.text()), program.manifest()
    scratch = file.with_suffix(".new")
    scratch.write_text(json.dumps({"code": code.name, **asdict(manifest)}), encoding="utf-8")
    scratch.replace(file)
    return Library(code, manifest)


def kept(file: Path) -> Library | None:
    """Return the kernel whose manifest ``file`` is, if both are kept."""
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
        code = file.with_name(plain.pop("code"))
        os.utime(file)
        os.utime(code)
        return Library(code, Manifest(**plain))
    except (OSError, ValueError, TypeError):
        return None
