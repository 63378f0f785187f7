"""BUG_ON, for a user's patch: what the patch's author is sure of.

The model's own rules are its checkers (:mod:`sim.checks`). A patch has rules of its own, and says
them where it relies on them, as kernel code does::

    from sim.core.bug import BUG_ON

    BUG_ON(nr > max_nr, "a batch ran past its limit")

A condition that holds ends the execution as a violation, with a trace and a signature. A plain
``assert`` in a patch's file does the same.
"""

from __future__ import annotations


class Bug(Exception):
    """The condition of a BUG_ON held; the message is the BUG_ON's words."""


def BUG_ON(condition: object, words: str = "") -> None:
    """Raise Bug if ``condition`` holds; ``words`` say what is wrong then."""
    if condition:
        raise Bug(words)
