"""The generations of a results directory: what was counted under one and the same code.

When a campaign is gone on with and its code is another, a new generation begins. Everything that
counts begins at 0, seeds too. Failures stay, as old ones that the new code is to be tried with. Of
an earlier generation its totals are left, and the user's texts of the last TEXTS_KEPT_MAX.

These are statements of the store, within its transactions (:mod:`stress.campaign.store`).
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from stress.campaign.code import Code

TEXTS_KEPT_MAX = 16
"""Generations of which the user's texts are kept."""

COUNTING = (
    "leases", "progress", "numbers", "counts", "hashes", "blocks", "proofs", "twins", "deaths", "sides", "side_failures", "merged",
    "growth",
)  # fmt: skip
"""Tables that speak of the newest generation alone."""


@dataclass(frozen=True)
class Generation:
    """The generation that a directory is at, and why it has begun: ``""`` if it goes on."""

    number: int
    changed: str = ""


def settle(db: sqlite3.Connection, code: Code) -> Generation:
    """Go on with the newest generation if its code is this one, else begin a new one."""
    found = db.execute("SELECT id, model, code FROM generations ORDER BY id DESC LIMIT 1").fetchone()
    if found is None:
        return Generation(_begin(db, code))
    number, model, digest = found
    changed = [
        what
        for what, before, now in (("the model", model, code.model), ("your code", digest, code.digest))
        if before != now
    ]
    if not changed:
        return Generation(number)
    _fold(db, number)
    return Generation(_begin(db, code), " and ".join(changed))


def _fold(db: sqlite3.Connection, number: int) -> None:
    """Leave the totals of a generation in its row; empty the tables that count."""
    db.execute(
        "UPDATE generations SET elapsed_s = (SELECT TOTAL(elapsed_s) FROM sessions WHERE generation = ?1),"
        " executions = (SELECT CAST(TOTAL(value) AS INTEGER) FROM numbers WHERE metric = 'executions'),"
        " steps = (SELECT CAST(TOTAL(value) AS INTEGER) FROM numbers WHERE metric = 'steps') WHERE id = ?1",
        (number,),
    )
    for table in COUNTING:
        db.execute(f"DELETE FROM {table}")


def _begin(db: sqlite3.Connection, code: Code) -> int:
    """Write down the code of a new generation; return its number."""
    row = (code.zapstress, code.model, code.digest)
    number = int(db.execute("INSERT INTO generations VALUES (NULL, ?, ?, ?, 0, 0, 0.0)", row).lastrowid or 0)
    texts = {(text.role, text.path): text for text in code.texts}
    db.executemany(
        "INSERT INTO texts VALUES (?, ?, ?, ?, ?)",
        [(number, text.role, text.path, text.hash, text.text) for text in texts.values()],
    )
    db.execute("DELETE FROM texts WHERE generation <= ?", (number - TEXTS_KEPT_MAX,))
    db.execute("UPDATE failures SET retried = ''")
    db.execute("DELETE FROM overrides")
    absent = [(method, *place) for method, places in code.overrides.items() for place in places.items()]
    db.executemany("INSERT INTO overrides VALUES (?, ?, ?)", absent)
    return number
