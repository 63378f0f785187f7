"""The workers of a cluster as the supervisor sees them: they come, are given orders, and go.

A worker of dask's has SEATS_PER_THREAD seats for each of its threads, so that an order waits there
already when the one before is carried out: what a message takes on its way costs no time. To the
boss a seat is a worker. An order that is lost, because the worker is gone or the connection to the
scheduler broke, is handed out again, and what comes of the lost one later is not listened to: so
each order is answered once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

import trio

from stress.campaign.cluster.host import Carried, Declined, Reply, Wanted
from stress.campaign.cluster.link import GONE_SECONDS_MAX, ClusterError, Link
from stress.campaign.cluster.parcel import Parcel, digest_of, parcel_of
from stress.campaign.code import Code, digests_of
from stress.catalogue import Catalogue, spec_of
from stress.errors import foremost
from stress.native.kernels import KernelKey
from stress.output import tell
from stress.workers.clock import EXECUTING
from stress.workers.fleet import DEATHS_MAX, DeadWorker, RoamingBoss
from stress.workers.messages import LeaseOrder, Order, encode_bare, take_answer
from stress.workers.settings import Settings

SEATS_PER_THREAD = 2

LOOK_SECONDS = 1.0
"""How often the scheduler is asked who works for it."""

LOSSES_MAX = 4
"""Workers that may go with the same lease in hand before it is taken to have ended them."""


@dataclass
class DaskWorker:
    """A worker of dask's: ``place`` is its number, ``scopes`` are its seats'."""

    address: str
    place: int
    scopes: list[trio.CancelScope] = field(default_factory=list)

    def unseat(self) -> None:
        """End the seats."""
        for scope in self.scopes:
            scope.cancel()


class ClusterCrew:
    """Who works for the scheduler that ``link`` leads to, on the campaign that ``pack`` returns the
    parcel of.
    """

    workers = 0

    def __init__(self, link: Link, catalogue: str, pack: Callable[[Sequence[KernelKey]], Parcel]) -> None:
        self.link, self.catalogue, self.pack = link, catalogue, pack
        self.kernels: Sequence[KernelKey] = ()
        self.deaths = 0
        self.members: dict[str, DaskWorker] = {}
        self.declined: dict[str, str] = {}
        """Workers that are not used, by address, with the reason."""
        self.in_hand: dict[int, Order] = {}
        """By seat."""
        self.losses: Counter[int] = Counter()
        """How many workers have gone with a lease in hand, by the store's numbers."""
        self._places = count()
        self._seats: set[int] = set()
        self._changed = trio.Event()
        self._over = trio.Event()

    def at_work(self) -> list[tuple[str, int]]:
        """Return the orders that are in hand: leases are being executed, as far as is known."""
        orders = [order for _, order in sorted(self.in_hand.items())]
        return [(EXECUTING, order.number) for order in orders if isinstance(order, LeaseOrder)]

    def wake(self) -> None:
        """Ask the boss again on behalf of idle seats."""
        self._changed.set()
        self._changed = trio.Event()

    async def run(self, boss: RoamingBoss, *companions: Callable[[], Awaitable[None]]) -> None:
        """Keep the cluster at work until the boss is through, as :meth:`Fleet.run` does.

        Raises UsageError if no scheduler answers, and ClusterError if the cluster is of no use.
        """
        packed = self.pack(self.kernels).packed
        self.packed, self.digest = packed, digest_of(packed)
        try:
            async with self.link.open(), trio.open_nursery() as beside:
                for companion in companions:
                    beside.start_soon(companion)
                async with trio.open_nursery() as seats:
                    await self._follow(boss, seats)
                    self.wake()
                beside.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise foremost(group) from None

    # -- who is there ----------------------------------------------------------------------------------------------

    async def _follow(self, boss: RoamingBoss, seats: trio.Nursery) -> None:
        """Seat workers that come, and unseat those that go, until the boss is through."""
        heard = time.monotonic()
        while not boss.over():
            found = await self.link.members()
            if found is not None:
                heard = time.monotonic()
                self._seat(found, boss, seats)
            elif time.monotonic() - heard > GONE_SECONDS_MAX:
                raise ClusterError(
                    f"the scheduler at {self.link.address} has been gone for {GONE_SECONDS_MAX:.0f} s;"
                    " what was recorded is kept: go on with the same --dir"
                )
            with trio.move_on_after(LOOK_SECONDS):
                await self._over.wait()

    def _seat(self, found: dict[str, int], boss: RoamingBoss, seats: trio.Nursery) -> None:
        for address in self.members.keys() - found.keys():
            self.members.pop(address).unseat()
        self.declined = {address: why for address, why in self.declined.items() if address in found}
        for address in found.keys() - self.members.keys() - self.declined.keys():
            member = self.members[address] = DaskWorker(address, next(self._places))
            for _ in range(SEATS_PER_THREAD * found[address]):
                seats.start_soon(self._sit, member, boss)
        if self.declined and not self.members:
            raise ClusterError(f"no worker at {self.link.address} can be used: {next(iter(self.declined.values()))}")

    async def _sit(self, member: DaskWorker, boss: RoamingBoss) -> None:
        """Be a seat of a member: give it orders until it goes, or there are none."""
        seat = next(number for number in count() if number not in self._seats)
        self._seats.add(seat)
        boss.joined(seat, member.place)
        with trio.CancelScope() as scope:
            member.scopes.append(scope)
            await self._employ(seat, member, boss)
        if boss.over():
            self._over.set()
        boss.left(seat)
        self._seats.remove(seat)
        self.wake()

    # -- orders ----------------------------------------------------------------------------------------------------

    async def _employ(self, seat: int, member: DaskWorker, boss: RoamingBoss) -> None:
        """Give orders to a seat until there are none any more."""
        while not boss.over():
            order = boss.order(seat)
            if order is None:
                await self._changed.wait()
                continue
            self.in_hand[seat] = order
            try:
                reply = await self._ask(member, order)
            except trio.Cancelled:
                self._lose(seat, order, boss)
                raise
            finally:
                del self.in_hand[seat]
            if isinstance(reply, Carried):
                self._take(seat, order, reply, boss)
                self.wake()
                continue
            boss.lost(seat, order)
            if isinstance(reply, Declined):
                self._decline(member, reply.why)
            await trio.sleep(LOOK_SECONDS)

    async def _ask(self, member: DaskWorker, order: Order) -> Reply | None:
        """Have a member carry out an order, and send it the parcel if it has none."""
        bare = encode_bare(order)
        reply = await self.link.ask(member.address, self.digest, bare)
        if isinstance(reply, Wanted):
            reply = await self.link.ask(member.address, self.digest, bare, self.packed)
        return reply

    def _take(self, seat: int, order: Order, reply: Carried, boss: RoamingBoss) -> None:
        """Tell the boss of everything that has come of an order. Raises ClusterError."""
        buffer = bytearray(reply.answers)
        while (answer := take_answer(buffer)) is not None:
            boss.answer(seat, order, answer)
        if reply.dead is not None:
            boss.died(seat, order, reply.dead)
            self.deaths += 1
            if self.deaths >= DEATHS_MAX:
                words = "the seeds they held are in the results directory (table deaths)"
                raise ClusterError(f"{self.deaths} worker processes died; {words}")

    def _lose(self, seat: int, order: Order, boss: RoamingBoss) -> None:
        """A member has gone with an order in hand: others get it, unless it goes so with everyone."""
        if isinstance(order, LeaseOrder):
            self.losses[order.lease] += 1
            if order.lease and self.losses[order.lease] >= LOSSES_MAX:
                self.deaths += 1
                return boss.died(seat, order, DeadWorker(0, 0, (order.number, order.first), 0))
        return boss.lost(seat, order)

    def _decline(self, member: DaskWorker, why: str) -> None:
        """Do not use a member any more."""
        if self.members.get(member.address) is member:
            del self.members[member.address]
            self.declined[member.address] = why
            tell(f"{member.address} is not used: {why}")
        member.unseat()


def crew_at(address: str, settings: Settings, catalogue: Catalogue) -> Callable[[Code], ClusterCrew]:
    """Return what makes the crew of a campaign, given its code, of who works for a scheduler."""
    spec = spec_of(catalogue)

    def made(code: Code) -> ClusterCrew:
        def pack(kernels: Sequence[KernelKey]) -> Parcel:
            return parcel_of(code, digests_of(settings, catalogue), spec, kernels)

        pack(())  # raises what is wrong with the user's files, before anything is begun
        return ClusterCrew(Link(address), spec, pack)

    return made
