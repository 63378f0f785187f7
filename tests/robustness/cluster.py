"""Runs a campaign over a real cluster of this machine, whose workers are killed and whose line to
the scheduler breaks, and sees that it loses no seed and counts none twice.

``python -m tests.robustness.cluster --minutes 5 --workers 3 --kill-every 10 --cuts 2`` starts a
scheduler and workers, which are reached over a line with the delays of a network
(`tests/stress/cluster/local.py`). Every ten seconds a worker is killed and another one comes; twice
every connection to the scheduler is broken. Then no lease is handed out any more, and what is out
is carried out. As many executions are made by this machine alone. It ends with 1 if a seed was lost
or counted twice, if a digest differed, or if the two have found other signatures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import trio

from stress.campaign.cluster.crew import crew_at
from stress.campaign.results import Results
from stress.campaign.supervisor import Budget, Campaign, run_campaign
from stress.catalogue import CATALOGUE, DEFAULT_CATALOGUE
from stress.cli.options import cores
from stress.errors import CLEAN, VIOLATED
from stress.output import tell
from stress.workers.settings import Settings
from tests.stress.cluster.accounts import signatures, wrong_accounts
from tests.stress.cluster.local import Cluster

SEARCHED = Settings(
    seed=1,
    scenarios=("munmap_vs_writeback", "dontneed_vs_writeback", "munmap_vs_access", "mixed_orders"),
    profiles=("x86-64", "arm64-4k"),
    geometry="small",
    faults=("C02", "C04", "M21"),
)
"""Faults that show as four signatures, each in one execution of forty or more."""

MANY = 10**9
"""Executions that no campaign of minutes comes to. Leases of a budget of executions are carried out
whole, so that what was handed out is what was executed.
"""

DELAY_S, STALL_EVERY = 0.02, 100
"""Of a piece of a message; and one in so many is lost on its way, and comes late."""


class Havoc:
    """What befalls a campaign: deaths every ``kill_every`` seconds, and ``cuts``, evenly."""

    def __init__(self, cluster: Cluster, seconds: float, kill_every: float, cuts: int) -> None:
        self.cluster, self.seconds, self.kill_every = cluster, seconds, kill_every
        self.due = [seconds * (number + 1) / (cuts + 1) for number in range(cuts)]
        self.random, self.kills, self.cut = Random(1), 0, 0

    async def befall(self, campaign: Campaign) -> None:
        """Go on for as long as the campaign is to last."""
        began = time.monotonic()
        while (now := time.monotonic() - began) < self.seconds:
            await trio.sleep(self.kill_every)
            if self.due and now >= self.due[0]:
                self.due.pop(0)
                self.cut += await trio.to_thread.run_sync(self.cluster.line.cut)
            self._replace()
            tell(f"{now:.0f} s: {campaign.executions} executions, {self.kills} killed, {self.cut} connections broken")
        campaign.stopping = True
        campaign.fleet.wake()

    def _replace(self) -> None:
        """Kill a worker, and start one for each that is gone: a broken line ends them too."""
        cluster = self.cluster
        alive = [number for number, process in enumerate(cluster.workers) if process.poll() is None]
        if alive:
            cluster.kill(self.random.choice(alive))
            self.kills += 1
        cluster.workers = [process for process in cluster.workers if process.poll() is None]
        while len(cluster.workers) < cluster.first:
            cluster.join()


def missed(directory: Path) -> list[str]:
    """Return what the directory of a campaign says of seeds that were lost or counted twice, of
    second runs that differed, and of deaths.
    """
    with Results.open(directory) as results:
        differing = results.db.execute("SELECT TOTAL(differing) FROM twins").fetchone()[0]
        deaths = results.db.execute("SELECT COUNT(*) FROM deaths").fetchone()[0]
    wrong = wrong_accounts(directory)
    wrong += [f"{differing:.0f} second runs differed"] if differing else []
    return wrong + ([f"{deaths} deaths were told of that were none of its executions'"] if deaths else [])


def over_a_cluster(folder: Path, args: argparse.Namespace) -> tuple[dict[str, Any], Havoc]:
    """Run the campaign over a cluster; return its summary, and what has befallen it."""
    with Cluster(folder, args.workers, DELAY_S, STALL_EVERY) as cluster:
        havoc = Havoc(cluster, 60 * args.minutes, args.kill_every, args.cuts)
        crew = crew_at(cluster.line.address, SEARCHED, CATALOGUE)
        budget = Budget(executions=MANY, twin_every=32)
        return run_campaign(folder / "there", SEARCHED, budget, DEFAULT_CATALOGUE, havoc.befall, crew), havoc


def main() -> int:
    """Run what the command line asks for; return 1 if something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.cluster", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="of havoc (default: 5)")
    parser.add_argument("--workers", type=int, default=3, help="of the cluster (default: 3)")
    parser.add_argument("--kill-every", type=float, default=10, metavar="SECONDS", help="(default: 10)")
    parser.add_argument("--cuts", type=int, default=2, help="of all connections to the scheduler (default: 2)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zapstress-cluster-") as name:
        folder = Path(name)
        there, havoc = over_a_cluster(folder, args)
        tell("the same, alone")
        alone = Budget(executions=there["executions"], workers=cores())
        here = run_campaign(folder / "here", SEARCHED, alone, DEFAULT_CATALOGUE)
        wrong = missed(folder / "there")
        found, known = signatures(folder / "there"), signatures(folder / "here")
    wrong += [f"only the cluster has found {name}" for name in sorted(found - known)]
    wrong += [f"only this machine has found {name}" for name in sorted(known - found)]
    print(f"{there['executions']} executions in {there['elapsed_s']:.0f} s, alone {here['elapsed_s']:.0f} s; ", end="")
    print(f"{havoc.kills} workers killed, {havoc.cut} connections broken; ", end="")
    print(f"{there['twins']['run']} second runs; {len(found)} signatures, alone {len(known)}")
    for words in wrong:
        print(words)
    return VIOLATED if wrong else CLEAN


if __name__ == "__main__":
    sys.exit(main())
