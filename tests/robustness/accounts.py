"""Whether a campaign's directory accounts for every seed, also after a kill.

A seed that was handed out was executed, and counts once; or is in hand, of a lease that is open; or
was lost with a lease whose holder died, and is counted as such. So counters are right to one lease
for each that held one when it was killed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stress.campaign.results import Results
from stress.workers.settings import beginning

Place = tuple[int, str]
"""A case's number and a machine."""

ACCOUNTS = """
SELECT p.case_id, p.machine, next, unrecorded,
    (SELECT TOTAL(value) FROM numbers n WHERE n.case_id = p.case_id AND n.machine = p.machine
        AND metric IN ('executions', 'unjudged')),
    (SELECT TOTAL(count - done) FROM leases l WHERE l.case_id = p.case_id AND l.machine = p.machine)
FROM progress p
"""


@dataclass(frozen=True)
class Account:
    """What became of the seeds of a case on a machine: how many were handed out, executed, lost
    with leases, and are in hand.
    """

    handed_out: int
    executed: int
    lost: int
    in_hand: int

    def wrong(self) -> str:
        """Return in words what does not add up, or ""."""
        known = self.executed + self.lost + self.in_hand
        if known == self.handed_out:
            return ""
        return (
            f"{self.handed_out} seeds were handed out, and {known} are known of:"
            f" {self.executed} executed, {self.lost} lost with leases, {self.in_hand} in hand"
        )


@dataclass(frozen=True)
class Books:
    """The accounts of a directory, and how many runs it has had."""

    runs: int
    accounts: Mapping[Place, Account]

    @classmethod
    def of(cls, directory: Path) -> Books:
        """Read them at one moment. Raises UsageError if the directory is no campaign's."""
        with Results.open(directory) as results:
            results.db.execute("BEGIN")
            seed = int(results.settings()["seed"])
            (runs,) = results.db.execute("SELECT COUNT(*) FROM sessions").fetchone()
            rows = results.db.execute(ACCOUNTS).fetchall()
        return cls(
            runs,
            {
                (case, machine): Account(after - beginning(seed, machine), int(executed), lost, int(in_hand))
                for case, machine, after, lost, executed, in_hand in rows
            },
        )

    def wrong(self) -> list[str]:
        """Return in words which accounts do not add up."""
        return [f"case {place}: {words}" for place, account in self.accounts.items() if (words := account.wrong())]

    def wrong_since(self, rest: Books) -> list[str]:
        """Return in words what a run that came after ``rest``, when nobody was at work, has not
        taken over: what was counted, and what was in hand and is lost.
        """
        wrong = []
        for place, then in rest.accounts.items():
            now = self.accounts.get(place, Account(0, 0, 0, 0))
            if now.executed < then.executed or now.handed_out < then.handed_out:
                wrong.append(f"case {place}: {then} has become {now}")
            elif now.lost < then.lost + then.in_hand:
                wrong.append(f"case {place}: {then.in_hand} seeds were in hand, and are not counted as lost: {now}")
        return wrong
