"""Explains a deadlock of the parallel machine from the board: who waits for which lock, and who
holds it, as lockstep does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from stress.machine.deadlock import explain
from stress.parallel.board import READERS_MAX, READS, WAITS, Board

if TYPE_CHECKING:
    from stress.execution.runner import Runner


class Standstill:
    """A gang at rest, seen as what :func:`stress.machine.deadlock.explain` asks of a machine."""

    def __init__(self, board: Board, runner: Runner, translate: Callable[[int], int]) -> None:
        self.arena = runner.arena
        self.actors = {actor.slot: actor for actor in runner.actors}
        waits = [board.words[board.slot(slot, WAITS)] for slot in range(runner.kernel.slots)]
        self.parked_at = [translate(code) for code in waits]
        self.started = [bool(code) for code in waits]
        self.readers: dict[int, list[int]] = {}
        for slot in self.actors:
            at = board.slot(slot, READS)
            for key in board.words[at : at + READERS_MAX].tolist():
                if not key:
                    break
                self.readers.setdefault(key, []).append(slot)

    def is_finished(self, slot: int) -> bool:
        """Return whether the actor waits for nothing: everybody else is at a wait, or has ended."""
        return not self.started[slot]


def explain_board(board: Board, runner: Runner, translate: Callable[[int], int]) -> str:
    """Return the deadlock in words; ``translate`` gives codes the site numbers of this process."""
    violation = explain(Standstill(board, runner, translate))
    return f"{violation.title}: {violation.message}"
