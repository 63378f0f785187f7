"""What a planted fault is: one wrong decision, as a subclass of whichever component makes it (law
L5).
"""

from __future__ import annotations

from typing import Any, ClassVar


class Fault:
    """Subclass this, one class per file under scenarios/faults/, and override one method of the
    component.

    ``compose`` puts the class in front of the class that the profile and the version provide, so
    ``super()`` is the sound implementation, whoever's it is.
    """

    id: ClassVar[str]
    """The fault's number in the corpus, as M05."""

    component: ClassVar[str]
    """The component whose method is overridden, as ``mmu_gather``."""

    silent: ClassVar[dict[str, str]] = {}
    """Profiles on which the fault cannot show, each with the reason."""

    def __getattr__(self, name: str) -> Any:
        """Components give their columns as attributes; this tells type checkers so."""
        raise AttributeError(name)
