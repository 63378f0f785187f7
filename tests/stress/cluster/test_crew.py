"""What a campaign makes of workers that come and go, without a cluster."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from stress.campaign.cluster.host import Carried, Host, Wanted, reply_to
from stress.campaign.cluster.parcel import Parcel, Refused, digest_of, lay_out, opened, parcel_of
from stress.campaign.code import Code, Text
from stress.campaign.store import Store
from stress.campaign.supervisor import Campaign
from stress.campaign.twins import Twins
from stress.case import Case
from stress.cli.main import main
from stress.errors import UsageError
from stress.sources import tool_hash
from stress.workers.fleet import Workforce
from stress.workers.messages import Batch, LeaseOrder, TwinOrder, take_answer
from stress.workers.settings import Budget
from tests.stress.campaign_toys import LEASE, SPEC, TOYS, settings
from tests.stress.cluster.accounts import wrong_accounts


class Nobody(Workforce):
    """A workforce of no one yet."""

    workers, catalogue, deaths, kernels = 0, SPEC, 0, ()

    def held(self) -> list[tuple[int, int]]:
        return []

    def wake(self) -> None:
        pass


def twin(seed: int) -> TwinOrder:
    return TwinOrder(
        number=1, case=LEASE.case, strategy="pct", options={}, seed=seed, learned={}, digest=f"digest {seed}"
    )


def test_a_second_run_is_at_another_place_and_outlives_whoever_was_to_make_it() -> None:
    twins = Twins()
    twins.join(0, place=7)
    twins.join(1, place=7)
    twins.add(0, [twin(1)])
    assert not twins.any and twins.take(1) is None, "both are at one place"
    twins.join(2, place=8)
    twins.join(3, place=9)
    twins.leave(2)
    assert twin(1) == twins.take(3) and twins.any
    twins.again(3)
    assert twin(1) == twins.take(3)
    twins.done(3)
    assert not twins.any


def test_a_lost_lease_is_handed_out_again_and_counted_once(tmp_path: Path) -> None:
    what = settings("counters")
    with Store(tmp_path / "c", what.plain()) as store:
        made = Campaign(store, what, Budget(executions=1), SPEC, Nobody())
        made.joined(0, 0)
        made.joined(1, 1)
        lease = made.order(0)
        assert isinstance(lease, LeaseOrder) and made.order(1) is None
        made.lost(0, lease)
        made.left(0)
        assert not made.over() and lease == made.order(1)
        assert made.answer(1, lease, Batch(done=1, last=True, numbers={"executions": 1}))
        assert made.over() and 1 == made.executions
    assert not wrong_accounts(tmp_path / "c")


def test_executions_that_nobody_judged_are_not_counted(tmp_path: Path) -> None:
    """Their seeds are accounted for: they were executed, and are in no other number."""
    what = settings("counters")
    with Store(tmp_path / "c", what.plain()) as store:
        made = Campaign(store, what, Budget(executions=30), SPEC, Nobody())
        made.joined(0, 0)
        for numbers in ({"executions": 1}, {"unjudged": 1}, {"executions": 1}):
            lease = made.order(0)
            assert isinstance(lease, LeaseOrder)
            made.answer(0, lease, Batch(done=1, last=True, numbers=numbers))
        assert 2 == made.executions
        made.note_end()
        assert (2, 1) == tuple(made.finish()[name] for name in ("executions", "unjudged"))
        assert 2 == store.latest()["executions"]


def test_what_is_lost_when_the_campaign_is_interrupted_is_left(tmp_path: Path) -> None:
    what = settings("counters")
    with Store(tmp_path / "c", what.plain()) as store:
        made = Campaign(store, what, Budget(executions=1), SPEC, Nobody())
        made.joined(0, 0)
        lease = made.order(0)
        assert lease is not None
        made.interrupt()
        made.lost(0, lease)
        made.give_up_lost()
        assert made.over() and made.order(0) is None
    assert ["case 1: 1 handed out, 0 executed, 1 missed"] == wrong_accounts(tmp_path / "c")


def test_a_host_starts_workers_tells_of_their_deaths_and_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stress.campaign.cluster.host.LOOK_SECONDS", 0.1)
    host = Host(Parcel(tool_hash(), SPEC, {}, []), 1, str(tmp_path))
    monkeypatch.setattr("stress.campaign.cluster.host._hosts", {"here": host})
    assert Wanted() == reply_to("elsewhere", "", LEASE, b"")
    ends = {}
    for scenario in ("counters", "deadly"):
        order = msgspec.structs.replace(LEASE, case=Case(scenario, (), "toy"), count=200, first=0)
        reply = reply_to("here", "", order, b"")
        assert isinstance(reply, Carried)
        ends[scenario] = reply
    buffer = bytearray(ends["counters"].answers)
    answers = []
    while (answer := take_answer(buffer)) is not None:
        answers.append(answer)
    assert sum(answer.done for answer in answers if isinstance(answer, Batch)) > 0 and ends["counters"].dead is None
    assert ends["deadly"].dead is not None and -9 == ends["deadly"].dead.exit_status
    monkeypatch.setattr("stress.campaign.cluster.host.IDLE_SECONDS_MAX", 0.0)
    host.thread.join()
    assert Wanted() == reply_to("here", "", LEASE, b"") and not list(tmp_path.iterdir())


def test_a_parcel_that_is_damaged_or_of_another_zapstress_is_refused(tmp_path: Path) -> None:
    code = Code(texts=(Text("patch", "mine/p.py", "A = 1\n"),))
    packed = parcel_of(code, {}, SPEC, []).packed
    lay_out(opened(packed, digest_of(packed)), tmp_path)
    assert "A = 1\n" == (tmp_path / "mine" / "p.py").read_text()
    with pytest.raises(Refused, match="another hash than its order names"):
        opened(packed + b" ", digest_of(packed))
    other = packed.replace(tool_hash().encode(), b"0" * 16)
    with pytest.raises(Refused, match="another zapstress"):
        opened(other, digest_of(other))
    edited = packed.replace(b"A = 1", b"A = 2")
    with pytest.raises(Refused, match="mine/p.py has another hash"):
        lay_out(opened(edited, digest_of(edited)), tmp_path)
    outside = packed.replace(b"mine/p.py", b"../../p.p")
    with pytest.raises(Refused, match="would not lie in the folder"):
        lay_out(opened(outside, digest_of(outside)), tmp_path)
    with pytest.raises(UsageError, match="/p.py to other machines; name it from the folder"):
        parcel_of(Code(texts=(Text("patch", "/p.py", ""),)), {}, SPEC, [])


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--workers", "2"], "leave --workers out"),
        (["--machine", "parallel"], "say --machine lockstep"),
        ([], "--dask tcp://127.0.0.1:9: no scheduler answers there"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    words: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("stress.campaign.cluster.link.CONNECT_SECONDS_MAX", 0.3)
    common = ["campaign", "--scenario", "counters", "--executions", "5", "--dir", str(tmp_path / "made" / "dir")]
    assert 2 == main([*common, "--dask", "tcp://127.0.0.1:9", *words], TOYS)
    assert complaint in capsys.readouterr().err.splitlines()[-1]
    assert [] == list(tmp_path.iterdir()), "a directory of a campaign that nobody was there to execute"
