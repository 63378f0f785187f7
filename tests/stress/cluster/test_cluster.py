"""Campaigns over a real cluster on this machine: a scheduler and workers that are processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from stress.campaign.cluster import parcel
from stress.campaign.cluster.crew import crew_at
from stress.campaign.cluster.link import ClusterError
from stress.campaign.results import Results
from stress.campaign.supervisor import Budget, Campaign, run_campaign
from stress.catalogue import find_catalogue
from stress.workers.settings import Settings
from tests.stress.campaign_toys import SPEC, settings
from tests.stress.cluster.accounts import signatures, wrong_accounts
from tests.stress.cluster.local import Cluster
from tests.stress.patch_toys import HEAD, UNLOCKED

EXECUTIONS = 700


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster"), 2, delay_s=0.01, stall_every=50) as made:
        yield made


def run(cluster: Cluster, directory: Path, what: Settings, progress: Any = None, **budget: Any) -> dict[str, Any]:
    crew = crew_at(cluster.line.address, what, find_catalogue(SPEC))
    return run_campaign(directory, what, Budget(**budget), SPEC, progress, crew)


def test_a_campaign_whose_workers_die_and_whose_line_breaks_executes_each_seed_once(
    cluster: Cluster, tmp_path: Path
) -> None:
    """A worker is killed, another comes, and every connection breaks, the supervisor's too."""
    what = settings("counters", "abba", "spin", "mailbox")

    links: list[tuple[Any, str]] = []

    async def disturb(campaign: Campaign) -> None:
        link: Any = vars(campaign.fleet)["link"]
        for executions, disturbance in ((50, cluster.join), (150, cluster.kill), (300, cluster.line.cut)):
            while campaign.executions < executions:
                await trio.sleep(0.01)
            await trio.to_thread.run_sync(disturbance)
            if disturbance == cluster.line.cut:  # dask's workers end with their line; a nanny would start them again
                links.append((link, link.session))
                cluster.join(), cluster.join()

    there = run(cluster, tmp_path / "there", what, disturb, executions=EXECUTIONS, twin_every=16)
    assert [True] == [link.session != session for link, session in links]
    here = run_campaign(tmp_path / "here", what, Budget(executions=EXECUTIONS, workers=2), SPEC)
    assert EXECUTIONS == there["executions"] and not wrong_accounts(tmp_path / "there")
    assert signatures(tmp_path / "here") == signatures(tmp_path / "there") and here["violations"]
    assert there["twins"]["run"] > 10 and not there["twins"]["differing"]


def test_a_seed_has_the_same_digest_wherever_it_runs_or_that_is_a_failure(cluster: Cluster, tmp_path: Path) -> None:
    """The toy adds a number that depends on the hash seed, which is another one in each process."""
    data = run(cluster, tmp_path / "dir", settings("hashed"), executions=64, twin_every=4)
    assert ["nondeterminism"] == [failure["kind"] for failure in data["violations"]]


def test_a_worker_of_another_zapstress_is_refused(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcel, "tool_hash", lambda: "0123456789abcdef")
    with pytest.raises(
        ClusterError, match=r"no worker at tcp://.* can be used: it runs another zapstress \(.*here 0123"
    ):
        run(cluster, tmp_path / "dir", settings("counters"), executions=10)
    with Results.open(tmp_path / "dir") as results:
        assert not results.totals()


def test_a_patch_is_sent_to_workers_that_have_no_such_file(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "rework.py").write_text(HEAD + UNLOCKED)
    monkeypatch.chdir(tmp_path)
    what = settings("counters", patch=("mine/rework.py",))
    data = run(cluster, tmp_path / "dir", what, executions=200)
    assert [("lost-update", False)] == [(failure["title"], failure["unpatched"]) for failure in data["violations"]]


def test_a_scheduler_that_is_gone_ends_the_campaign_and_nothing_is_lost(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test of this file: it has no cluster any more."""
    monkeypatch.setattr("stress.campaign.cluster.link.CONNECT_SECONDS_MAX", 0.5)
    monkeypatch.setattr("stress.campaign.cluster.crew.GONE_SECONDS_MAX", 1.0)

    async def kill(campaign: Campaign) -> None:
        while campaign.executions < 50:
            await trio.sleep(0.01)
        cluster.scheduler.kill()

    with pytest.raises(ClusterError, match=r"has been gone for 1 s; what was recorded is kept"):
        run(cluster, tmp_path / "dir", settings("counters"), kill, executions=10**6)
    with Results.open(tmp_path / "dir") as results:
        assert 50 <= sum(row["executions"] for row in results.totals().values())
