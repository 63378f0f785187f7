"""What these tests need of the machine, and rigs for them."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sim.compose import compose
from sim.core.profile import REAL, Profile, World
from sim.kernel import Kernel
from stress.catalogue import CATALOGUE
from stress.conform.comparison import Found, Rig
from stress.conform.linux.agents import supported
from stress.conform.linux.procfs import missing
from stress.conform.model.spec import machine_profile, nearest_kernel
from stress.errors import Skipped
from stress.programs.program import Program

KERNEL = nearest_kernel(platform.release(), list(CATALOGUE.kernels()))


def why_not() -> str:
    """Return what is missing here, in the words of the command, or ``""``."""
    try:
        supported()
    except Skipped as skipped:
        return str(skipped)
    return missing()


needs_the_kernel = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
"""Marks tests that run real processes."""


@contextmanager
def rig(*patches: type, kernel: str = KERNEL) -> Iterator[Rig]:
    """Open a rig whose model is changed by ``patches``: then its checkers are not heard."""

    def composed(profile: Profile, world: World) -> Kernel:
        return compose(profile, REAL, kernel, world, patches)

    with Rig(CATALOGUE.profile(machine_profile()), composed, blind=bool(patches)) as it:
        yield it


def first_difference(it: Rig, programs: Iterator[Program]) -> Found | None:
    """Run programs until one differs."""
    return next((found for program in programs if (found := it.check(program)) is not None), None)
