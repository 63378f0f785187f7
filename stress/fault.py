"""A planted fault: one wrong decision, as a subclass of the component that makes it (law L5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from stress.case import DEFAULT_KERNEL


class Fault:
    """Subclass this once per file under scenarios/faults/, and override one method of the
    component.

    ``compose`` puts the class in front of the class that the profile and the version provide, so
    ``super()`` is the sound implementation.
    """

    id: ClassVar[str]
    """The fault's number in the corpus, as M05."""

    component: ClassVar[str]
    """The component whose method is overridden, as ``mmu_gather``."""

    scenario: ClassVar[str]
    """The scenario that shows the fault: ``bench search`` and the tests look for it there."""

    kernels: ClassVar[tuple[str, ...]] = ()
    """The kernel versions that the fault is for, the one to search first; none: every version."""

    depth: ClassVar[int] = 0
    """How many orderings of steps of different actors an execution must have to show the fault (the
    d of PCT); below 2 nearly every execution of its scenario has them. Estimated, from the fault.
    """

    silent: ClassVar[dict[str, str]] = {}
    """Profiles on which the fault cannot show, each with the reason; ``"PROFILE KERNEL"`` if that
    is so in one version only.
    """

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Tell type checkers that a component has its columns as attributes."""


def kernels_of(fault: type) -> tuple[str, ...]:
    """Return the kernel versions that a fault is for; none if it is for every version."""
    kernels: tuple[str, ...] = getattr(fault, "kernels", ())
    return kernels


def home_of(fault: type) -> str:
    """Return the kernel version in which a fault is searched for if none is named."""
    return next(iter(kernels_of(fault)), DEFAULT_KERNEL)


def silent_on(fault: type, profile: str, kernel: str) -> str:
    """Return why a fault cannot show on a profile of a kernel version; ``""`` if it can."""
    silent: dict[str, str] = getattr(fault, "silent", {})
    return silent.get(profile) or silent.get(f"{profile} {kernel}", "")
