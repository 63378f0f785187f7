"""Which model is compared: an architecture profile, a kernel version, planted faults; and the one
nearest to the machine that it is compared with.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sim.core.profile import REAL, Profile, World
from sim.kernel import Kernel
from stress.catalogue import Catalogue

Compose = Callable[[Profile, World], Kernel]
"""Composes a kernel in the real geometry."""


@dataclass(frozen=True)
class ModelSpec:
    """The model of a run, by names: can be sent to another process."""

    profile: str
    kernel: str
    """A version."""
    faults: tuple[str, ...] = ()
    """Ids of planted faults. With any, the model's checkers are not heard: the comparison is to see
    what is wrong.
    """
    patch: tuple[str, ...] = ()
    """The user's files on top of the kernel."""


def composer(catalogue: Catalogue, spec: ModelSpec) -> tuple[Profile, Compose]:
    """Return the profile, and what composes the kernel."""
    profile = catalogue.profile(spec.profile)

    def compose(shaped: Profile, world: World) -> Kernel:
        kernel: Kernel = catalogue.compose(
            profile=shaped,
            geometry=REAL,
            kernel=spec.kernel,
            world=world,
            faults=spec.faults,
            patch=catalogue.patch(spec.patch),
        )
        return kernel

    return profile, compose


BUILDS = {"6.18.44-": "6.18-flushfirst"}
"""The rule *build*: how the releases of builds begin that are not what was released under their
number, as was measured (docs/conformance.md), and the variant that each is.
"""


def nearest_kernel(release: str, versions: Iterable[str]) -> str:
    """Return the variant that a build is known to be (BUILDS); or the newest of ``versions`` (those
    that are plain numbers) that is not newer than ``release``, or the oldest.
    """
    for beginning, variant in BUILDS.items():
        if release.startswith(beginning):
            return variant
    plain = sorted((version for version in versions if re.fullmatch(r"\d+\.\d+", version)), key=number)
    return max((version for version in plain if number(version) <= number(release)), key=number, default=plain[0])


def number(version: str) -> tuple[int, int]:
    """Return (major, minor) of a kernel's version."""
    major, minor = re.findall(r"\d+", version)[:2]
    return int(major), int(minor)


def machine_profile() -> str:
    """Return the name of this machine's architecture profile."""
    page = os.sysconf("SC_PAGE_SIZE") // 1024
    return {"x86_64": "x86-64", "aarch64": f"arm64-{page}k"}.get(platform.machine(), platform.machine())
