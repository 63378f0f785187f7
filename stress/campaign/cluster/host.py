"""The far side of a cluster: what runs in a worker of dask's, and has orders carried out there.

The worker processes of a campaign (:mod:`stress.workers.worker`) are children of dask's, started at
the first order and ended when none has come for a while: so an execution that crashes ends a child,
and is told of as on one machine. An order's answers are returned together, once it is carried out.
:func:`carry_out` is all that the near side (:mod:`stress.campaign.cluster.crew`) calls.
"""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

import msgspec
import trio

from stress.campaign.cluster.batches import joined
from stress.campaign.cluster.parcel import Parcel, Refused, lay_out, opened
from stress.errors import ZapstressError
from stress.workers.fleet import DeadWorker, Fleet
from stress.workers.messages import Answer, Order, decode_order, encode, is_last

IDLE_SECONDS_MAX = 60.0
"""Without an order for so long the worker processes are ended: the campaign is gone."""

LOOK_SECONDS = 5.0
"""How often that is looked at."""

HASH_SEEDS = 1 << 31
"""Hash seeds are drawn below this, so that two places hardly have the same."""


class Carried(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """An order was carried out, or its worker has died over it: then ``dead`` is what is left."""

    answers: bytes
    """As they come over a pipe, one after the other; batches joined."""
    dead: DeadWorker | None = None


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """The parcel that the order names is not here."""


class Declined(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """The order is not carried out here, nor is any other of its campaign."""

    why: str


Reply = Carried | Wanted | Declined


class Commission:
    """An order, and what came of it, when ``done`` is set."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.answers: list[Answer] = []
        self.dead: DeadWorker | None = None
        self.done = threading.Event()


class Host:
    """The worker processes of one campaign in this process, and their boss.

    They are kept by a thread of their own; ``workers`` is how many there are.
    """

    def __init__(self, parcel: Parcel, workers: int, scratch: str | None) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="zapstress-", dir=scratch)
        folder = Path(self._scratch.name)
        lay_out(parcel, folder)
        hash_seed = 1 + secrets.randbelow(HASH_SEEDS)
        self.fleet = Fleet(workers, parcel.catalogue, parcel.code, folder, hash_seed)
        self.fleet.kernels = parcel.kernels
        self.waiting: deque[Commission] = deque()
        self.commissions: dict[int, Commission] = {}
        """Those in hand, by worker."""
        self.used = time.monotonic()
        self.closed = False
        self.failed = ""
        self._lock = threading.Lock()
        self._token: trio.lowlevel.TrioToken | None = None
        self._begun = threading.Event()
        self.thread = threading.Thread(target=self._keep, daemon=True)
        self.thread.start()
        self._begun.wait()

    def accept(self, order: Order) -> Commission | None:
        """Have an order carried out; None if the host has closed."""
        with self._lock:
            if self.closed:
                return None
            commission = Commission(order)
            self.waiting.append(commission)
            self.used = time.monotonic()
            assert self._token is not None
            self._token.run_sync_soon(self.fleet.wake)
            return commission

    # -- in the thread that keeps the fleet ------------------------------------------------------------------------

    def _keep(self) -> None:
        try:
            trio.run(self._run)
        except ZapstressError as error:
            self.failed = str(error)
        finally:
            with self._lock:
                self.closed = True
            self._begun.set()
            for commission in [*self.waiting, *self.commissions.values()]:
                commission.done.set()
            self._scratch.cleanup()

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._begun.set()
        await self.fleet.run(self, self._retire)

    async def _retire(self) -> None:
        """Close when no order has come for long."""
        while not self.closed:
            await trio.sleep(LOOK_SECONDS)
            with self._lock:
                busy = self.waiting or self.commissions or time.monotonic() - self.used < IDLE_SECONDS_MAX
                self.closed = not busy
        self.fleet.wake()

    # -- the boss of the fleet -------------------------------------------------------------------------------------

    def order(self, worker: int) -> Order | None:
        """Return the order that has waited longest."""
        if not self.waiting:
            return None
        self.commissions[worker] = self.waiting.popleft()
        return self.commissions[worker].order

    def over(self) -> bool:
        """Return whether the host has closed."""
        return self.closed and not self.waiting and not self.commissions

    def answer(self, worker: int, order: Order, answer: Answer) -> bool:
        """Keep an answer until the last one is there."""
        self.commissions[worker].answers.append(answer)
        if not is_last(answer):
            return False
        self._done(worker)
        return True

    def died(self, worker: int, order: Order | None, dead: DeadWorker) -> None:
        """An order has ended the worker: that is what came of it."""
        if order is not None:
            self.commissions[worker].dead = dead
            self._done(worker)

    def _done(self, worker: int) -> None:
        self.used = time.monotonic()
        self.commissions.pop(worker).done.set()


_hosts: dict[str, Host] = {}
"""By the session of a campaign."""

_opening = threading.Lock()


def carry_out(session: str, digest: str, order: bytes, parcel: bytes = b"") -> bytes:
    """Have an order carried out by the worker processes of ``session``; return an encoded Reply.

    ``digest`` names the parcel of the session, which is there if it was sent before.
    """
    return msgspec.msgpack.encode(reply_to(session, digest, decode_order(order), parcel))


def reply_to(session: str, digest: str, order: Order, packed: bytes) -> Reply:
    """Return what came of an order."""
    try:
        host = host_of(session, digest, packed)
    except Refused as error:
        return Declined(str(error))
    commission = host.accept(order) if host is not None else None
    if host is None or commission is None:
        return Wanted()
    commission.done.wait()
    if host.failed:
        return Declined(host.failed)
    return Carried(b"".join(map(encode, joined(commission.answers))), commission.dead)


def host_of(session: str, digest: str, packed: bytes) -> Host | None:
    """Return the host of a session, or None if its parcel is not here. Raises Refused."""
    with _opening:
        for gone in [name for name, host in _hosts.items() if host.closed]:
            del _hosts[gone]
        if session not in _hosts and packed:
            from distributed import get_worker

            worker = get_worker()
            _hosts[session] = Host(opened(packed, digest), worker.state.nthreads, worker.local_directory)
        return _hosts.get(session)
