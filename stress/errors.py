"""The tester's exceptions, each with its exit status (docs/exit-codes.md)."""

from __future__ import annotations

from sim.core.errors import SimError

CLEAN, VIOLATED, USAGE, FAILED, SKIPPED, INCONCLUSIVE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


class ZapstressError(SimError):
    """Something the user can mend; its message is one line that says how."""

    exit_status = USAGE


class UsageError(ZapstressError):
    """A name, an option or a file that cannot be used."""


class NoScheduler(UsageError):
    """Nobody answers at the address of a cluster's scheduler, so nothing was begun."""


class TraceError(ZapstressError):
    """A file that is not a trace, or is torn, edited, or made for another version."""


class StorageError(ZapstressError):
    """A directory that cannot be written, or a disk that is full."""

    exit_status = FAILED


class ScenarioError(ZapstressError):
    """A scenario asks for what its world does not have, or raises: a mistake in it, no verdict."""


class Skipped(ZapstressError):
    """What it needs is not on this machine."""

    exit_status = SKIPPED


class ForeignYield(ZapstressError):
    """A trio primitive was awaited inside a stepped region; ``places`` are where the coroutines of
    the actor stand, as (file, line), the innermost last.
    """

    exit_status = FAILED

    def __init__(self, words: str, places: tuple[tuple[str, int], ...] = ()) -> None:
        super().__init__(words)
        self.places = places


class Divergence(ZapstressError):
    """A replay did not do what its trace records."""

    exit_status = INCONCLUSIVE


def foremost(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return one exception of a group: the user's to mend, if there is one."""
    mendable = group.subgroup(ZapstressError) or group
    inner = mendable.exceptions[0]
    return foremost(inner) if isinstance(inner, BaseExceptionGroup) else inner
