"""How a run of the parallel machine is made."""

from __future__ import annotations

from dataclasses import dataclass

PROCESSES = 2
"""Processes of the parallel machine, unless --processes says otherwise."""

PAUSE_STEPS = 256
"""Steps from one pause to the next."""


@dataclass(frozen=True)
class Settings:
    """How a run is made. ``owners`` names the process of each CPU; empty deals them out in turn."""

    record: bool = True
    yields: bool = True
    pause_steps: int = PAUSE_STEPS
    plain_add: bool = False
    owners: tuple[int, ...] = ()


USUAL = Settings()
"""Recorded, with yields and pauses, CPUs dealt out in turn."""
