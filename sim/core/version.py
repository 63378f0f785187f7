"""What a version of the kernel is to the model: the components that it replaces or adds."""

from __future__ import annotations

from dataclasses import dataclass

from sim.core.component import Component


@dataclass(frozen=True)
class Version:
    """A version, as ``--kernel`` names it; ``about`` is its line in ``zapstress list kernels``."""

    name: str
    about: str
    components: tuple[type[Component], ...] = ()
    """Classes that stand for the component of their name, or are one that 6.9 does not have."""
    revision: int = 1
    """Is raised when the name comes to stand for another kernel: what was recorded under an earlier
    revision is then of something else.
    """
    revised: str = ""
    """What is different since the last revision, and the name that the earlier kernel has now."""
