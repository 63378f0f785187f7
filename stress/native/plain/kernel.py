"""Plain kernels: one for each version, profile, geometry and patch, translated, compiled and kept.

Each is compiled twice: the timed library is as fast as it can be, and the counted one counts its
steps and checks every index, shift and list.
"""

from __future__ import annotations

import inspect
import json
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.core.arena import Arena
from sim.core.machine import SITES
from sim.core.profile import Profile, World
from sim.core.step import site_of
from sim.kernel import Kernel
from stress.machine.lockstep import Lockstep
from stress.native.build import cache_directory, compiled, name_of
from stress.native.kernels import sources_hash
from stress.native.plain.arena import types_of
from stress.native.plain.function import PlainFunction, PlainUnit, live_method
from stress.native.plain.text import is_constant, text_of
from stress.native.plain.work import PIECES, NoTlb, Work
from stress.native.translate.values import Static, Word

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

LEVELS = {
    "timed": "-O2 -finline-limit=3000 -fno-tree-loop-distribute-patterns -DCHECKED=0 -fstrict-aliasing",
    "counted": "-O1 -DCOUNTED -fstrict-aliasing",
}
"""How each library is compiled. The timed one is as the kernel is: at -O2, where a function of the
kernel is one function (WHOLE); and short runs of cells are not turned into calls of memset.
"""

CALLS = {
    "rmap_calls": ("rmap", "folio_remove_rmap_ptes"),
    "gather_entries": ("mmu_gather", "append"),
    "gathered_tables": ("mmu_gather", "tlb_remove_page"),
    "flushes": ("tlb", "invalidate"),
    "frees": ("page_alloc", "_free_pages_prepare"),
    "hash_batches": ("pgtable", "flush_lazy_batch"),
}
"""What is counted by calls: the component and its method. Where a method is given a list, its
length is added up too.
"""

WHOLE = {
    ("memory", "zap_present_ptes"): "WHOLE ",
    ("rmap", "folio_remove_rmap_ptes"): "WHOLE ELSEWHERE ",
    ("huge_memory", "deferred_split_folio"): "WHOLE ELSEWHERE ",
    ("page_writeback", "folio_mark_dirty"): "WHOLE ELSEWHERE ",
    ("mmu_gather", "tlb_remove_folio_pages"): "WHOLE ELSEWHERE ",
    ("swap", "folio_mark_accessed"): "WHOLE ELSEWHERE ",
    ("swap", "free_pages_and_swap_cache"): "WHOLE ELSEWHERE ",
    ("swap", "folios_put_refs"): "WHOLE ELSEWHERE ",
    ("page_alloc", "free_unref_folios"): "WHOLE ELSEWHERE ",
}
"""Functions of the kernel which the model has in pieces, by component and method. The pieces are
written in place (WHOLE, in runtime.h). What is in another file of the kernel than its callers is
called, and its callers know nothing of it (ELSEWHERE), as the kernel is compiled.
"""

EXAMPLE = World(cpus=1, mms=2, vpages=64, pages=256, vmas=8, files=1, file_pages=64)
"""The world that a kernel is translated in; nothing of the C depends on it but what is constant."""

LARGEST = World(cpus=1, mms=2, vpages=1 << 24, pages=1 << 25, vmas=8, files=1, file_pages=1 << 24)
"""The largest world, for which columns are wide enough: 64 GiB, and as much again."""


@dataclass(frozen=True)
class PlainKey:
    """Which kernel."""

    profile: str
    kernel: str
    geometry: str = "real"
    patch: tuple[str, ...] = ()


@dataclass
class PlainManifest:
    """What must be known of a translation to run it, in the order of the C's numbers and table."""

    columns: list[str]
    sites: list[str]
    entries: list[tuple[str, str]]
    """(path, kind) of the words that are read from the table."""
    assumptions: list[tuple[str, Any]]
    types: dict[str, str]
    """Of each column."""
    kept: list[str]
    """Columns that the C uses."""


@dataclass(frozen=True)
class PlainKernel:
    """A translation with its C."""

    key: PlainKey
    manifest: PlainManifest
    text: str

    @cached_property
    def timed(self) -> Path:
        """The library that is as fast as it can be. Raises BuildError."""
        return self.library("timed")

    @cached_property
    def counted(self) -> Path:
        """The library that counts and checks. Raises BuildError."""
        return self.library("counted")

    def library(self, which: str) -> Path:
        """Return a library, compiled unless it is kept. Raises BuildError."""
        return compiled({"plain": self.text}, LEVELS[which])


def with_largest_folios(profile: Profile) -> Profile:
    """Return the profile with folios as large as a whole table maps: here as in the series' own
    measurements they are mapped by PTEs.
    """
    largest = profile.real.ptrs_per_pte.bit_length() - 1
    return replace(profile, real=replace(profile.real, orders=(*profile.real.orders, largest)))


def composed(key: PlainKey, world: World, catalogue: Catalogue, parts: tuple[type, ...] = (NoTlb,)) -> Kernel:
    """Return a kernel, not bound yet, with ``parts`` in front of its components."""
    profile = with_largest_folios(catalogue.profile(key.profile))
    patch = catalogue.patch(key.patch)
    kernel = catalogue.compose(
        profile=profile, geometry=key.geometry, kernel=key.kernel, world=world, faults=(), patch=patch
    )
    assert isinstance(kernel, Kernel)
    return kernel.wrapped(parts) if parts else kernel


def counted_calls(kernel: Kernel) -> dict[str, tuple[Any, str]]:
    """Return what of CALLS a bound kernel has: name -> (component, method)."""
    found = {name: (kernel.components[part], method) for name, (part, method) in CALLS.items()}
    return {name: pair for name, pair in found.items() if hasattr(*pair)}


def translated(key: PlainKey, catalogue: Catalogue) -> PlainKernel:
    """Translate a kernel. Raises Unsupported if a patch lies outside the subset."""
    kernel = composed(key, EXAMPLE, catalogue)
    with closing(Arena.create(kernel.layout)) as arena:
        kernel.bind(arena, Lockstep(arena, kernel.slots, 1))
        numbers = {name: number for number, name in enumerate(CALLS)}
        calls = {id(live_method(*pair)): numbers[name] for name, pair in counted_calls(kernel).items()}
        whole = {id(live_method(kernel.components[part], method)): mark for (part, method), mark in WHOLE.items()}
        unit = PlainUnit(kernel, kernel.machine, calls, whole)
        work = Work(kernel, 0)
        unit.kept.append(work)
        unit.paths[id(work)] = "work"
        roots = [_root(unit, work, name) for name in PIECES]
        types = types_of(composed(key, LARGEST, catalogue).layout)
        text = text_of(unit, roots, types, len(CALLS))
        return PlainKernel(key, _manifest(unit, types, text), text)


def _root(unit: PlainUnit, work: Work, name: str) -> PlainFunction:
    """Translate a piece of work; its arguments are words."""
    method = getattr(Work, name)
    words = [Word(parameter) for parameter in list(inspect.signature(method).parameters)[1:]]
    function, _ = unit.function(Static(method), [Static(work, "work"), *words], True)
    assert isinstance(function, PlainFunction)
    return function


def _manifest(unit: PlainUnit, types: dict[str, str], text: str) -> PlainManifest:
    columns = [field.name for field in unit.kernel.layout.fields]
    return PlainManifest(
        columns,
        [SITES[site_of(code)].name for code in unit.sites],
        [(entry.path, entry.kind) for entry in unit.entries.values() if not is_constant(entry)],
        [(expression, value) for (_, expression), value in unit.assumptions.items()],
        types,
        [name for name in columns if f"#define {name}(i)" in text],
    )


def plain_kernel(key: PlainKey, catalogue: Catalogue) -> PlainKernel:
    """Return a kernel; from the cache, while no source that it is made of has changed.

    Raises Unsupported if a patch lies outside the subset.
    """
    patch = catalogue.patch(key.patch)
    name = name_of(LEVELS["timed"], sources_hash(), repr(key), patch.digest if patch else "", "plain")
    file = cache_directory() / f"{name}.json"
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
        return PlainKernel(key, PlainManifest(**plain["manifest"]), plain["text"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = translated(key, catalogue)
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_suffix(".new")
    scratch.write_text(json.dumps({"manifest": asdict(found.manifest), "text": found.text}), encoding="utf-8")
    scratch.replace(file)
    return found
