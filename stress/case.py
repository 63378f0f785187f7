"""What is to be run: a case. Apart from the rest, so that naming one imports nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """What to run: a scenario with its parameters, on a profile, under a kernel.

    Plain values, so that it can be sent and hashed.

    ``params`` is sorted pairs; ``kernel`` a version, or ``FILE.py:CLASS``; ``faults`` are ids.
    """

    scenario: str
    params: tuple[tuple[str, int], ...]
    profile: str
    geometry: str = "small"
    kernel: str = "6.9"
    faults: tuple[str, ...] = ()

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Case:
        """Return the case whose fields are ``plain`` data: lists for tuples."""
        params = tuple((name, value) for name, value in plain["params"])
        return cls(
            plain["scenario"], params, plain["profile"], plain["geometry"], plain["kernel"], tuple(plain["faults"])
        )
