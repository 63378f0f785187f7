"""What the model raises. Each message says what is wrong with which object, and what to do."""

from __future__ import annotations


class SimError(Exception):
    """The model was used wrongly: a mistake of its user or of the tool, never a finding."""


class ArenaError(SimError):
    """A block, a layout or a dump does not fit."""


class ComposeError(SimError):
    """A kernel cannot be composed as asked: an unknown version, profile or component."""


class WorldError(SimError):
    """The world is too small for what a scenario asks of it (pages, tables, VMAs...)."""
