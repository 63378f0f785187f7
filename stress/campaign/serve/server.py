"""The server: connections, with bounds on how many there are, how much they say and how long they
take.

One connection is one request. All that a request can name is one of four places, and a signature
of eight hex digits: no path of a request becomes a path of a file.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import trio

from stress.campaign.serve.edition import Editor
from stress.campaign.serve.exposition import CONTENT_TYPE
from stress.campaign.serve.request import COOKIE, HEAD_BYTES_MAX, Asked, Door, Refusal, is_any, parse, query_token
from stress.campaign.serve.traces import TracePages
from stress.errors import UsageError

CONNECTIONS_MAX = 256
"""Open connections; a further one gets an error at once."""

STREAMS_MAX = 160
"""Connections among them that wait for events, so that others are answered."""

HEAD_SECONDS, SEND_SECONDS, ALIVE_SECONDS, LINGER_SECONDS = 10.0, 30.0, 15.0, 1.0
"""How long a request may take to come, and an answer to be taken; how often a stream of events that
has nothing to say shows that it is there; how long is waited for a reader to close.
"""

RETRY_MS = 2000
"""After how long a browser that has lost the server asks again."""

BACKLOG = 128

HTML, TEXT, EVENTS = "text/html; charset=utf-8", "text/plain; charset=utf-8", "text/event-stream"

ALWAYS = {
    "Cache-Control": "no-cache",
    "Connection": "close",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of each answer."""

FAILURE_PATH = re.compile("/failures/([0-9a-f]{8})")


@dataclass(frozen=True)
class Reply:
    """What is answered."""

    status: HTTPStatus
    content: bytes
    kind: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)

    def head(self) -> bytes:
        """Return the status line and the headers; a stream of events has no length."""
        length = {} if self.kind == EVENTS else {"Content-Length": str(len(self.content))}
        headers = {"Content-Type": self.kind, **length, **ALWAYS, **self.headers}
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def refused(why: Refusal) -> Reply:
    """Return the answer to a request that is refused."""
    more = {
        HTTPStatus.METHOD_NOT_ALLOWED: {"Allow": "GET, HEAD"},
        HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    }
    return Reply(why.status, f"{why.words}\n".encode(errors="backslashreplace"), headers=more.get(why.status, {}))


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 is any that is free. Raises UsageError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        words = getattr(error, "strerror", None) or error
        raise UsageError(f"{host} port {port}: cannot be listened on ({words}); give another") from error
    listening.setblocking(False)
    return listening


def is_loopback(listening: socket.socket) -> bool:
    """Return whether only this machine reaches a socket."""
    return ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback


def address_of(listening: socket.socket, host: str, token: str = "") -> str:
    """Return the address that a browser takes."""
    name = socket.gethostname() if is_any(host) else f"[{host}]" if ":" in host else host
    return f"http://{name}:{listening.getsockname()[1]}/{f'?token={token}' if token else ''}"


class PageServer:
    """Serves the page of a results directory."""

    def __init__(self, directory: Path, door: Door, pages: TracePages) -> None:
        self.door, self.pages, self.editor = door, pages, Editor(directory)
        self.connections = self.streams = 0

    async def serve(self, listening: socket.socket) -> None:
        """Answer connections for ever."""
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.editor.watch)
            await trio.serve_listeners(self._connected, [listener])

    async def _connected(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        try:
            if self.connections > CONNECTIONS_MAX:
                busy = Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
                await send(stream, refused(busy))
            else:
                await self._answer(stream)
            await linger(stream)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            pass  # of one reader, who has gone
        finally:
            self.connections -= 1
            await trio.aclose_forcefully(stream)

    async def _answer(self, stream: trio.SocketStream) -> None:
        """Answer the one request of a connection."""
        asked = None
        try:
            if (head := await head_of(stream)) is None:
                return
            asked = parse(head)
            self.door.judge(asked)
            if asked.path == "/events":
                await self._events(stream, asked)
                return
            reply = await self._reply(asked)
        except Refusal as why:
            reply = refused(why)
        except OSError as error:
            reply = refused(Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, f"not now ({error.strerror})"))
        await send(stream, reply, body=asked is None or asked.method != "HEAD")

    async def _reply(self, asked: Asked) -> Reply:
        """Return the answer to a request that may come in. Raises Refusal."""
        if asked.path == "/":
            return await self._page(asked)
        if asked.path == "/metrics":
            edition = await self.editor.current()
            return Reply(edition.status, edition.metrics, CONTENT_TYPE if edition.status == HTTPStatus.OK else TEXT)
        if failure := FAILURE_PATH.fullmatch(asked.path):
            return Reply(HTTPStatus.OK, await self.pages.page(failure[1]), HTML)
        raise Refusal(HTTPStatus.NOT_FOUND, "no such page")

    async def _page(self, asked: Asked) -> Reply:
        """Return the page, or nothing where the reader has it; take the token out of its address."""
        if self.door.token and query_token(asked):
            cookie = f"{COOKIE}={self.door.token}; Path=/; HttpOnly; SameSite=Lax"
            return Reply(HTTPStatus.SEE_OTHER, b"", headers={"Location": "/", "Set-Cookie": cookie})
        edition = await self.editor.current()
        if edition.status != HTTPStatus.OK:
            return Reply(edition.status, edition.page, headers={"Refresh": str(RETRY_MS // 1000)})
        tag = {"ETag": f'"{edition.tag}"'}
        if asked.headers.get("if-none-match") == tag["ETag"]:
            return Reply(HTTPStatus.NOT_MODIFIED, b"", HTML, tag)
        return Reply(HTTPStatus.OK, edition.page, HTML, tag)

    async def _events(self, stream: trio.SocketStream, asked: Asked) -> None:
        """Send an event for each edition until the reader goes. Raises Refusal."""
        if self.streams >= STREAMS_MAX:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "too many readers")
        self.streams += 1
        try:
            await send(stream, Reply(HTTPStatus.OK, f"retry: {RETRY_MS}\n\n".encode(), EVENTS), asked.method != "HEAD")
            if asked.method != "HEAD":
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(gone, stream, nursery.cancel_scope)
                    await self._tell(stream)
        finally:
            self.streams -= 1

    async def _tell(self, stream: trio.SocketStream) -> None:
        tag = ""
        while True:
            words = ":\n\n"
            with trio.move_on_after(ALIVE_SECONDS):
                tag = (await self.editor.after(tag)).tag
                words = f"id: {tag}\ndata: {tag}\n\n"
            with trio.fail_after(SEND_SECONDS):
                await stream.send_all(words.encode())


async def head_of(stream: trio.SocketStream) -> bytes | None:
    """Return the line and the headers of a request; None if the reader goes without one.

    Raises Refusal.
    """
    data = bytearray()
    with trio.move_on_after(HEAD_SECONDS):
        while (end := data.find(b"\r\n\r\n")) < 0:
            if len(data) >= HEAD_BYTES_MAX:
                raise Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too many bytes of headers")
            if not (more := await stream.receive_some(HEAD_BYTES_MAX - len(data))):
                return None
            data += more
        return bytes(data[:end])
    raise Refusal(HTTPStatus.REQUEST_TIMEOUT, "the request did not come in time")


async def send(stream: trio.SocketStream, reply: Reply, body: bool = True) -> None:
    """Send an answer. Raises TooSlowError if the reader does not take it."""
    with trio.fail_after(SEND_SECONDS):
        await stream.send_all(reply.head() + (reply.content if body else b""))


async def linger(stream: trio.SocketStream) -> None:
    """Let the reader have the end of what was sent: a socket that is closed over bytes that were
    not read takes back what is on its way.
    """
    with trio.move_on_after(LINGER_SECONDS):
        await stream.send_eof()
        while await stream.receive_some(HEAD_BYTES_MAX):
            pass


async def gone(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    """End a scope when the reader of a stream has gone, or speaks out of turn."""
    await stream.receive_some(1)
    scope.cancel()
