"""A server in a thread of the test, and what reads from it."""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import trio

from stress.campaign.serve.request import Door
from stress.campaign.serve.server import PageServer, listen
from stress.campaign.serve.traces import TracePages

SECONDS = 30
"""A reader waits no longer: a server that hangs fails the test, and not the test run."""


@contextmanager
def serving(directory: Path, door: Door | None = None) -> Iterator[int]:
    """Serve a directory on a free port as long as the context lasts; yield the port."""
    found: list[tuple[trio.lowlevel.TrioToken, trio.CancelScope]] = []
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]

    async def serve() -> None:
        with trio.CancelScope() as scope:
            found.append((trio.lowlevel.current_trio_token(), scope))
            await PageServer(directory, door or Door("127.0.0.1"), TracePages(directory)).serve(listening)

    thread = Thread(target=trio.run, args=(serve,))
    thread.start()
    try:
        get(port, "/metrics")
        yield port
    finally:
        token, scope = found[0]
        token.run_sync_soon(scope.cancel)
        thread.join()


@dataclass(frozen=True)
class Got:
    """An answer, as a reader has it."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    text: str


def get(port: int, path: str, method: str = "GET", **headers: str) -> Got:
    """Send a request, and return the answer; underscores in names of headers are hyphens."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        text = answer.read().decode()
        return Got(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)
    finally:
        connection.close()


def raw(port: int, request: bytes) -> bytes:
    """Send bytes; return all that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


class Events:
    """A stream of events that is read."""

    def __init__(self, port: int, **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        self._connection.request("GET", "/events", headers=headers)
        self.answer = self._connection.getresponse()

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self.answer.close()
        self._connection.close()

    def tag(self) -> str:
        """Wait for an event; return the tag of the edition that it tells of."""
        while line := self.answer.readline():
            if found := re.fullmatch(rb"data: ([0-9a-f]{16})\n", line):
                return found[1].decode()
        raise EOFError("the stream of events has ended")
