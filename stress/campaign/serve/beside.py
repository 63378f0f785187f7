"""A server beside a campaign, in a process of its own.

It cannot be a thread of the supervisor: who opens the database to read closes a descriptor of its
file, and takes SQLite's locks of the whole process away with that. The server gets its socket and
its orders from the campaign, and ends when the campaign does, however that ends.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import trio

from stress.campaign.serve.request import Door
from stress.campaign.serve.server import PageServer, address_of, listen
from stress.campaign.serve.traces import TracePages
from stress.sources import child

END_SECONDS = 5.0
"""How long the server may take to end."""


class Orders(msgspec.Struct, frozen=True):
    """What a server is to do: the first line of its standard input."""

    directory: str
    host: str
    words: tuple[str, ...]
    """Options that name files of code, as :class:`~stress.campaign.serve.traces.TracePages` has
    them."""
    fd: int
    """Of the socket that listens."""


@contextmanager
def beside(directory: Path, host: str, port: int, words: Sequence[str]) -> Iterator[str]:
    """Serve a directory on the loopback as long as the context lasts; yield the address.

    Raises UsageError if the port cannot be had.
    """
    with listen(host, port) as listening:
        address, fd = address_of(listening, host), listening.fileno()
        command, environment = child("stress.campaign.serve.beside")
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=(fd,),
            start_new_session=True,
        )
    assert process.stdin is not None
    try:
        with suppress(BrokenPipeError):
            process.stdin.write(msgspec.json.encode(Orders(str(directory), host, tuple(words), fd)) + b"\n")
            process.stdin.flush()
        yield address
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def serve_until_end(orders: Orders) -> None:
    """Serve until standard input ends."""
    directory = Path(orders.directory)
    server = PageServer(directory, Door(orders.host), TracePages(directory, orders.words))
    async with trio.open_nursery() as nursery, trio.lowlevel.FdStream(os.dup(0)) as life:
        nursery.start_soon(server.serve, socket.socket(fileno=orders.fd))
        await life.receive_some(1)
        nursery.cancel_scope.cancel()


def main() -> None:
    """Serve what the first line of standard input orders."""
    trio.run(serve_until_end, msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders))


if __name__ == "__main__":
    main()
