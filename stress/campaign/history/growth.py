"""The growth of a generation: how many classes of executions were known after how much time.

A point is kept whenever the time has grown by a share of itself. So early points are dense, where
the curve is steep, and a month has some 500 of them. The time is that of all runs together.

These are statements of the store, within its transactions (:mod:`stress.campaign.store`).
"""

from __future__ import annotations

import sqlite3

DENSITY = 32
"""Of the time that has passed, the next point is this part away."""


def note(db: sqlite3.Connection, generation: int, classes: int) -> None:
    """Keep how many ``classes`` are known by now, if a point is due."""
    (now,) = db.execute("SELECT TOTAL(elapsed_s) FROM sessions WHERE generation = ?", (generation,)).fetchone()
    (last,) = db.execute("SELECT TOTAL(elapsed_s) FROM (SELECT MAX(elapsed_s) AS elapsed_s FROM growth)").fetchone()
    if now <= last + last / DENSITY:
        return
    (measured,) = db.execute("SELECT TOTAL(value) FROM numbers WHERE metric = 'measured'").fetchone()
    db.execute("INSERT INTO growth VALUES (?, ?, ?)", (now, int(measured), classes))
