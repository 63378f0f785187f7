"""Plain mode does the same work as lockstep: the same steps by site, column and kind, the same
calls, the same frees, and the same cells in the end, on ranges at random, of every version and
profile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from sim.core.arena import MACHINE
from sim.core.profile import World
from stress.catalogue import CATALOGUE
from stress.native.compilers import cc
from stress.native.plain.kernel import PlainKey, plain_kernel
from stress.native.plain.lockstep import LockstepWorld
from stress.native.plain.run import PlainWorld
from stress.native.plain.work import CHILD
from stress.rng import words

pytestmark = pytest.mark.skipif(not cc(), reason="no C compiler")

PAGES = 48
WORLD = World(cpus=1, mms=2, vpages=PAGES, pages=256, vmas=12, files=1, file_pages=16)
CACHES = ("tlb", "tlb_span", "walk_cache")
"""Columns of the hardware, which plain mode does not have."""

QUICK = [("x86-64", version) for version in CATALOGUE.kernels()] + [
    (profile, "6.9") for profile in ("arm64-4k", "s390x", "ppc64-hash")
]
SLOW = [
    (profile, version)
    for profile in CATALOGUE.profiles()
    for version in ("6.9-perpage", "7.3")
    if (profile, version) not in QUICK
]

Piece = tuple[str, tuple[int, ...]]


def program(seed: int, orders: tuple[int, ...]) -> Iterator[Piece]:
    """Yield pieces of work at random: two mappings, one of them of a file, touched here and there;
    then operations on ranges.
    """
    word = words(seed, "plain")
    draw = lambda n: word() % n  # noqa: E731

    yield "boot", ()
    yield "begin", ()
    small = [order for order in orders if order <= 3]
    yield "map", (0, 24 + draw(9), small[draw(len(small))])
    yield "cache", (0, 2)
    yield "cache", (8, 3)
    yield "map_file", (34, 12, draw(4), draw(2))
    for _ in range(20):
        yield "touch", (draw(PAGES), draw(2))
    if draw(2):
        yield "fork", (CHILD,)
        yield "touch", (draw(PAGES), 1)
    for _ in range(1 + draw(3)):
        yield ("munmap", "dontneed")[draw(2)], (at := draw(PAGES - 1), 1 + draw(PAGES - at))
    if draw(2):
        yield "exit", ()


def positive(counts: dict[str, int]) -> dict[str, int]:
    return {name: nr for name, nr in counts.items() if nr}


def same_work(profile: str, version: str, geometry: str, seed: int) -> Counter[str]:
    """Do a program both ways; return how often each kind of call was made."""
    key, made = PlainKey(profile, version, geometry), Counter[str]()
    kernel = plain_kernel(key, CATALOGUE)
    with PlainWorld(kernel, WORLD, CATALOGUE, counted=True) as plain, LockstepWorld(key, WORLD, CATALOGUE) as lockstep:
        columns = [
            field.name
            for field in lockstep.kernel.layout.fields
            if field.klass != MACHINE and field.name not in CACHES and field.name in kernel.manifest.kept
        ]
        plain.counts()
        for name, args in program(seed, lockstep.kernel.geometry.orders):
            expected = lockstep.do(name, *args)
            plain.do(name, *args)
            found = plain.counts()
            if name != "boot":
                assert (name, expected.steps) == (name, found.steps)
                assert (name, positive(expected.calls)) == (name, positive(found.calls))
                assert (name, positive(expected.words)) == (name, positive(found.words))
                made.update(positive(found.calls))
            for column in columns:
                assert (name, column, lockstep.cells(column)) == (name, column, plain.cells(column))
    return made


@pytest.mark.parametrize(("profile", "version"), QUICK)
def test_plain_mode_does_what_lockstep_does(profile: str, version: str) -> None:
    """Programs are such that they map, batch, flush and free."""
    made = sum((same_work(profile, version, "small", seed) for seed in range(6)), Counter[str]())
    assert made["rmap_calls"] and made["frees"] and made["flushes"], made


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "version"), [*QUICK, *SLOW])
def test_plain_mode_does_what_lockstep_does_everywhere(profile: str, version: str) -> None:
    for geometry in ("small", "real"):
        for seed in range(8):
            same_work(profile, version, geometry, 100 + seed)
