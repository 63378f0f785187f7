"""What the directory of a campaign says of its seeds: each was executed once, or is missed."""

from __future__ import annotations

from pathlib import Path

from stress.campaign.results import Results
from stress.workers.settings import beginning


def wrong_accounts(directory: Path) -> list[str]:
    """Return the cases of which other seeds were handed out than were executed.

    It is for a campaign with a budget of executions, whose leases are executed whole.
    """
    with Results.open(directory) as results:
        seed = int(results.settings()["seed"])
        made = {
            (case, machine): int(value)
            for case, machine, value in results.db.execute(
                "SELECT case_id, machine, SUM(value) FROM numbers WHERE metric = 'executions' GROUP BY 1, 2"
            )
        }
        wrong = [f"lease {number} is open" for (number,) in results.db.execute("SELECT id FROM leases")]
        for case, machine, after, unrecorded in results.db.execute(
            "SELECT case_id, machine, next, unrecorded FROM progress"
        ):
            handed_out, executed = after - beginning(seed, machine), made.get((case, machine), 0)
            if handed_out != executed or unrecorded:
                wrong.append(f"case {case}: {handed_out} handed out, {executed} executed, {unrecorded} missed")
        return wrong


def signatures(directory: Path) -> set[str]:
    """Return the signatures that a campaign has found."""
    with Results.open(directory) as results:
        return {failure["signature"] for failure in results.failures()}
