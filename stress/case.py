"""What is to be run: a case. It imports nothing, so that every part can name one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DEFAULT_KERNEL = "6.9"
"""The kernel version unless another is given."""


@dataclass(frozen=True)
class Case:
    """A scenario with its parameters, on a profile, under a kernel: plain values, so that a case
    can be sent and hashed.

    ``params`` is pairs (name, value) in the order of names; ``geometry`` is ``small`` or ``real``;
    ``kernel`` is a version; ``faults`` are ids of planted faults; ``patch`` is the user's own files
    on top of the kernel, each ``FILE.py`` or ``FILE.py:CLASS,CLASS`` (:mod:`stress.patch`).
    """

    scenario: str
    params: tuple[tuple[str, int], ...]
    profile: str
    geometry: str = "small"
    kernel: str = DEFAULT_KERNEL
    faults: tuple[str, ...] = ()
    patch: tuple[str, ...] = ()

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Case:
        """Return the case whose fields are ``plain`` data, as JSON has it: lists in place of
        tuples.
        """
        params = tuple((name, value) for name, value in plain["params"])
        return cls(
            plain["scenario"],
            params,
            plain["profile"],
            plain["geometry"],
            plain["kernel"],
            tuple(plain["faults"]),
            tuple(plain["patch"]),
        )
