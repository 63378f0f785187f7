"""Hears of coroutines that are dropped without having been awaited.

Python warns of each, once it is gone, at the line that was running then: that of the call, as a
coroutine that nobody keeps is gone at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

NEVER_AWAITED = "was never awaited"


@dataclass(frozen=True)
class Drop:
    """A coroutine that was dropped: the name of its function, and where."""

    name: str
    path: str
    line: int


class Ear:
    """Keeps the first drop since :meth:`clear`. A process has one, :data:`EAR`."""

    def __init__(self) -> None:
        self.first: Drop | None = None
        self.users = 0

    def clear(self) -> None:
        """Forget what was heard."""
        self.first = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear meanwhile, and keep the warnings to oneself."""
        self.users += 1
        if self.users == 1:
            self.filters = warnings.catch_warnings()
            self.filters.__enter__()
            self.shown = warnings.showwarning
            warnings.filterwarnings("always", f"coroutine .* {NEVER_AWAITED}", RuntimeWarning)
            warnings.showwarning = self._show  # type: ignore[assignment]
        try:
            yield
        finally:
            self.users -= 1
            if not self.users:
                self.filters.__exit__(None, None, None)

    def _show(self, message: Any, category: Any, path: str, line: int, *rest: Any, **more: Any) -> None:
        """Take a warning: note it if it is of a coroutine, else show it as it would have been."""
        if NEVER_AWAITED not in str(message):
            self.shown(message, category, path, line, *rest, **more)
        elif self.first is None:
            self.first = Drop(str(message).split("'")[1], path, line)


EAR = Ear()
"""The process's own."""
