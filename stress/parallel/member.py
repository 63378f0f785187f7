"""A process of a gang: it attaches to the arenas of the cases that it is told of, and runs its
share of their actors as trio tasks.

Orders and answers are JSON messages on a socket; a descriptor comes with the order that needs it. A
member ends when the socket closes. :mod:`stress.parallel.zygote` forks it, and has imported and
compiled everything before.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import trio

from sim.core.arena import Arena
from sim.core.machine import SITES, Actor
from stress.case import Case
from stress.catalogue import find_catalogue
from stress.execution.runner import composed
from stress.machine.trio_drivers import FastDriver, session
from stress.parallel.board import Board
from stress.parallel.machine import Parallel
from stress.parallel.settings import RunSettings
from stress.parallel.unchecked_kernel import unwatched
from stress.patch.dropped import EAR
from stress.patch.guard import Judge, PatchError
from stress.patch.watchdog import WATCHDOG

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.machine.driver import Driver

MESSAGE_BYTES_MAX = 1 << 18
"""The largest order or answer."""

Message = dict[str, Any]


class Crew(FastDriver):
    """Steps the actors of this process, in turn those that may go, until all processes are at rest."""

    name = "crew"
    machine: Parallel

    def execute_now(self) -> None:
        """Run this process's actors to the end of the run."""
        machine, sends = self.machine, [loop.send for loop in self.loops]
        self.depth = len(trio.lowlevel.current_task().child_nurseries)
        while machine.live:
            slot = machine.pick()
            if slot < 0:
                machine.rest()
            else:
                self.check(slot, sends[slot](None))
        self.conclude()


def share(actors: list[Actor], cpus: int, process: int, owners: list[int]) -> list[Actor]:
    """Return the actors of ``process``. ``owners`` has the process of each CPU, which gets the
    CPU's thread and its hardware; RCU goes with the last CPU.
    """
    return [
        actor
        for actor in actors
        if owners[min(actor.slot % cpus if actor.slot < 2 * cpus else cpus - 1, cpus - 1)] == process
    ]


class Open:
    """A case that this process can run."""

    def __init__(
        self, case: Case, arena: Arena, machine: Parallel, actors: list[Actor], crew: Driver, cpus: int
    ) -> None:
        self.case, self.arena, self.machine, self.actors, self.crew, self.cpus = (
            case,
            arena,
            machine,
            actors,
            crew,
            cpus,
        )


class Member:
    """The state of one process."""

    def __init__(self, orders: socket.socket, board: Board, process: int, processes: int, catalogue: Catalogue) -> None:
        self.orders, self.board, self.process, self.processes, self.catalogue = (
            orders,
            board,
            process,
            processes,
            catalogue,
        )
        self.open: dict[int, Open] = {}
        self.stack = AsyncExitStack()
        self.sites_told = 0

    async def serve(self) -> None:
        """Follow orders until the socket closes."""
        try:
            while True:
                data, descriptors, _, _ = socket.recv_fds(self.orders, MESSAGE_BYTES_MAX, 1)
                if not data:
                    return
                order = json.loads(data)
                if order["do"] == "open":
                    await self.attach(order, descriptors[0])
                elif order["do"] == "forget":
                    await self.forget()
                else:
                    self.run(order)
        finally:
            await self.stack.aclose()

    def say(self, answer: Message) -> None:
        """Send one answer."""
        self.orders.send(json.dumps(answer, separators=(",", ":")).encode())

    async def attach(self, order: Message, descriptor: int) -> None:
        """Compose the case, over the arena whose descriptor came along."""
        case = Case.of(order["case"])
        scenario, watched = composed(case, self.catalogue)
        kernel = unwatched(watched)
        arena = Arena.attach(kernel.layout, descriptor)
        os.close(descriptor)
        machine = Parallel(arena, self.board, kernel.slots, self.process, self.processes)
        kernel.bind(arena, machine)
        scenario.kernel = kernel
        patch, own = self.catalogue.patch(case.patch), self.catalogue.scenario_file(case.scenario)
        if patch is not None or own is not None:
            machine.judge = Judge(patch, kernel, machine, own)
            self.stack.enter_context(EAR.listening())
            self.stack.enter_context(WATCHDOG.on_duty())
        crew = await self.stack.enter_async_context(session(machine, Crew))
        actors = [Actor(cpu, name, body) for name, cpu, body in scenario.actors()] + list(kernel.services())
        self.open[order["number"]] = Open(case, arena, machine, actors, crew, kernel.slots // 2)
        names = [[info.function, info.label, info.step] for info in SITES[self.sites_told :]]
        self.say({"is": "open", "first": self.sites_told, "sites": names})
        self.sites_told = len(SITES)

    async def forget(self) -> None:
        """Close every case."""
        await self.stack.aclose()
        self.stack = AsyncExitStack()
        for entry in self.open.values():
            entry.arena.close()
        self.open.clear()

    def run(self, order: Message) -> None:
        """Run this process's share of one run, and tell how it ended here."""
        entry = self.open[order["number"]]
        machine, crew = entry.machine, entry.crew
        assert isinstance(crew, Crew)
        mine = share(entry.actors, entry.cpus, self.process, order["owners"])
        settings = RunSettings(**order["settings"])
        machine.begin(mine, order["seed"], order["versions"], order["rows"], settings)
        if settings.record and (patch := self.catalogue.patch(entry.case.patch)) is not None:
            WATCHDOG.watch(machine, frozenset(file.path for file in patch.files))
        words = ""
        try:
            crew.execute_now()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the supervisor reports it
            words = str(error) if isinstance(error, PatchError) else f"{error!r}"
        self.say(
            {"is": "ran", "run": order["run"], "ended": machine.verdict.kind, "words": words or machine.verdict.reason}
        )


def main(orders: socket.socket, board: Board, process: int, processes: int, spec: str) -> None:
    """Be a member until the socket closes."""
    trio.run(Member(orders, board, process, processes, find_catalogue(spec)).serve)
